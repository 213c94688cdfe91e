//! The exchange: one recorded request with its response, as every recording format gives it.
//! Formats live in the modules below; what happens to an exchange is in [`crate::replay`].
//!
//! `recording ─▶ traffic::jsonl ─▶ Exchange`
//!
//! # Context headers in a recording
//!
//! A recording holds what the source application put on the wire, trace headers included. At replay
//! - an exchange **with** a `parent`: the recorded trace headers are left out, and the modelled source
//!   application makes live ones from the request that it was handling (see
//!   [`crate::topology::Application`]);
//! - a **root** exchange of an `instrumented` application: likewise left out, and a new trace is started;
//! - a root exchange of any other source: the recorded trace headers are used as they are, so an
//!   un-instrumented client can send whatever context the recording wants.
//!
//! Trace headers are those of [`crate::replay::CONTEXT_HEADERS`]; every other header is
//! replayed as recorded.

pub mod jsonl;

use serde::{Deserialize, Serialize};

/// Why a recording could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The bytes could not be had.
    #[error("line {line}: cannot be read: {source}")]
    Read {
        /// Counted from 1.
        line: u64,
        /// What the reader said.
        source: std::io::Error,
    },
    /// A line is longer than any sensible exchange.
    #[error("line {line}: longer than {limit} bytes; one exchange a line is expected, separated by newlines")]
    LineTooLong {
        /// Counted from 1.
        line: u64,
        /// The most bytes that one line may have.
        limit: usize,
    },
    /// A line is no exchange: not JSON, a key missing or unknown, a wrong type.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: usize,
        /// What was found and what is allowed.
        message: String,
    },
    /// A line is an exchange with a value out of range.
    #[error("line {line}: {source}")]
    Value {
        /// Counted from 1.
        line: u64,
        /// What was found and what is allowed.
        source: ExchangeError,
    },
}

/// A value of an exchange is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}, expected {allowed}")]
pub struct ExchangeError {
    /// The key, dotted.
    pub field: &'static str,
    /// The value, shown.
    pub found: String,
    /// What is allowed.
    pub allowed: &'static str,
}

/// One recorded request with its response: one line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Unique within the recording.
    pub id: String,
    /// The exchange in whose handling the application made this call, if any. It must stand earlier
    /// in the recording, and its destination must be this exchange's source.
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

/// A request's head, and how large its body was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    pub headers: Vec<(String, String)>,
    /// Size of the body in bytes.
    #[serde(default)]
    pub body_bytes: u64,
}

/// A response's head and trailers, and how large its body was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// 200 to 599: informational responses are not recorded.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// Headers, in order, duplicates kept.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Size of the body in bytes.
    #[serde(default)]
    pub body_bytes: u64,
    /// Trailers, in order: gRPC's status among them.
    #[serde(default)]
    pub trailers: Vec<(String, String)>,
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

    /// Whether this is a gRPC call: its request says so in `content-type`.
    pub fn is_grpc(&self) -> bool {
        let content_type =
            self.request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        content_type.is_some_and(|(_, value)| value.starts_with("application/grpc"))
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Whether RFC 9110 §5.6.2 allows `byte` in a token.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
