//! One recorded request with its response, and which values they may have.
//! How it is written in a file is the affair of the formats beside this module.

use serde::{Deserialize, Serialize};

use super::{Chunk, ExchangeError, Headers};

/// One recorded request with its response: one line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Unique within the recording.
    pub id: String,
    /// The exchange in whose handling the application made this call, if any. It may stand before or behind this
    /// one, as far as a replay's window reaches, and its destination must be this exchange's source.
    #[serde(default)]
    pub parent: Option<String>,
    /// The service that sent the request, as the topology names it.
    pub source: String,
    /// The service that answered, as the topology names it.
    pub destination: String,
    /// When the source sent the first byte, RFC 3339 in UTC.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub start: jiff::Timestamp,
    /// The request as the source sent it.
    pub request: Request,
    /// The response as the destination sent it.
    pub response: Response,
    /// Instants as the source saw them, in microseconds after `start`.
    pub timing_us: Timing,
}

/// A request: its head, its body or only how large that was, its trailers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and, unless it is the scheme's own, port.
    pub authority: String,
    /// Path with its query.
    pub path: String,
    /// Other headers, in order, duplicates kept; names in any case.
    #[serde(default)]
    pub headers: Headers,
    /// Size of the body in bytes.
    #[serde(default)]
    pub body_bytes: u64,
    /// The body itself, whole, if it was recorded: chunks of `body_bytes` altogether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Vec<Chunk>>,
    /// Trailers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Headers,
}

/// A response: its head, its body or only how large that was, its trailers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// 200 to 599: informational responses are not recorded.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// Headers, in order, duplicates kept.
    #[serde(default)]
    pub headers: Headers,
    /// Size of the body in bytes.
    #[serde(default)]
    pub body_bytes: u64,
    /// The body itself, whole, if it was recorded: chunks of `body_bytes` altogether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Vec<Chunk>>,
    /// Trailers, in order: gRPC's status among them.
    #[serde(default)]
    pub trailers: Headers,
}

/// Microseconds after the exchange's start, each not before the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The last byte of the request was sent.
    pub request_end: u64,
    /// The first byte of the response came.
    pub response_start: u64,
    /// The last byte of the response came.
    pub response_end: u64,
}

/// The longest exchange that a recording may hold: a day.
const MAX_DURATION_US: u64 = 86_400_000_000;

impl Exchange {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<(), ExchangeError> {
        let Timing { request_end, response_start, response_end } = self.timing_us;
        let wrong = |field, found: &dyn ToString, allowed| {
            Err(ExchangeError { field, found: found.to_string(), allowed })
        };
        for (field, value) in [("id", &self.id), ("source", &self.source), ("destination", &self.destination)]
        {
            if value.is_empty() {
                return wrong(field, &"empty", "a name");
            }
        }
        if self.start.as_nanosecond() < 0 {
            return wrong("start", &self.start, "an instant from 1970 on");
        }
        if !self.request.method.bytes().all(is_token) || self.request.method.is_empty() {
            return wrong("request.method", &quoted(&self.request.method), "a method, such as \"GET\"");
        }
        if !matches!(self.request.scheme.as_str(), "http" | "https") {
            return wrong("request.scheme", &quoted(&self.request.scheme), "\"http\" or \"https\"");
        }
        if !(200..=599).contains(&self.response.status) {
            return wrong("response.status", &self.response.status, "200 to 599");
        }
        self.check_headers()?;
        self.check_bodies()?;
        if response_start < request_end {
            return wrong("timing_us.response_start", &response_start, "at least timing_us.request_end");
        }
        if response_end < response_start {
            return wrong("timing_us.response_end", &response_end, "at least timing_us.response_start");
        }
        if response_end > MAX_DURATION_US {
            return wrong("timing_us.response_end", &response_end, "at most 86400000000, a day");
        }
        Ok(())
    }

    fn check_headers(&self) -> Result<(), ExchangeError> {
        let lists = [
            ("request.headers", &self.request.headers),
            ("request.trailers", &self.request.trailers),
            ("response.headers", &self.response.headers),
            ("response.trailers", &self.response.trailers),
        ];
        for (field, headers) in lists {
            let bad = headers.iter().find(|(name, _)| name.is_empty() || !name.bytes().all(is_token));
            if let Some((name, _)) = bad {
                let allowed = "header names of letters, digits and !#$%&'*+-.^_`|~";
                return Err(ExchangeError { field, found: quoted(name), allowed });
            }
        }
        Ok(())
    }

    fn check_bodies(&self) -> Result<(), ExchangeError> {
        let Timing { request_end, response_start, response_end } = self.timing_us;
        let (request, response) = (&self.request, &self.response);
        let sides = [
            (
                ["request.body_bytes", "request.body.at_us"],
                &request.body,
                request.body_bytes,
                0..=request_end,
            ),
            (
                ["response.body_bytes", "response.body.at_us"],
                &response.body,
                response.body_bytes,
                response_start..=response_end,
            ),
        ];
        for ([length_field, instant_field], body, length, mut instants) in sides {
            let Some(chunks) = body else { continue };
            if chunks.iter().map(|chunk| chunk.data.len() as u64).sum::<u64>() != length {
                let allowed = "the length of the body's chunks together";
                return Err(ExchangeError { field: length_field, found: length.to_string(), allowed });
            }
            for at_us in chunks.iter().filter_map(|chunk| chunk.at_us) {
                if !instants.contains(&at_us) {
                    let allowed = "not before the chunk before it, and within timing_us";
                    return Err(ExchangeError { field: instant_field, found: at_us.to_string(), allowed });
                }
                instants = at_us..=*instants.end();
            }
        }
        Ok(())
    }

    /// Whether this is a gRPC call: its request says so in `content-type`.
    pub fn is_grpc(&self) -> bool {
        let content_type =
            self.request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        content_type.is_some_and(|(_, value)| value.as_bytes().starts_with(b"application/grpc"))
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Whether RFC 9110 §5.6.2 allows `byte` in a token.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
