//! How a request ended, as status and `error.type` of its two spans.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md#status>

use crate::attributes::rpc::StatusCode;
use crate::attributes::{Attributes, Value, key};
use crate::span::{SpanKind, Status};

/// Beginnings of the proxy's reasons why a response that had begun did not come to its end. A
/// caller that leaves is not among them: that is how most streams of events end.
const BROKEN_OFF: [&str; 4] = [
    "upstream_reset_after_response_started",
    "stream_idle_timeout",
    "max_duration_timeout",
    "response_timeout",
];

/// `error.type` where nothing came back and the proxy gives no reason.
const NO_RESPONSE: &str = "no_response";

/// What has come back for one request so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the request was a gRPC call.
    pub is_grpc: bool,
    /// HTTP's status.
    pub http_status: Option<u16>,
    /// gRPC's status.
    pub grpc_status: Option<StatusCode>,
}

impl Outcome {
    /// Takes in `:status` of a response's head, and `grpc-status`, which is in it if there are no
    /// trailers.
    pub fn record_head(&mut self, status: Option<&[u8]>, grpc_status: Option<&[u8]>) {
        self.http_status = status.and_then(parse_status);
        self.record_trailers(grpc_status);
    }

    /// Takes in `grpc-status` of a response's trailers.
    pub fn record_trailers(&mut self, grpc_status: Option<&[u8]>) {
        if self.is_grpc {
            self.grpc_status = grpc_status.map(StatusCode::parse).or(self.grpc_status);
        }
    }

    /// Whether it depends on the proxy's details whether a span failed, and why.
    pub const fn wants_details(&self) -> bool {
        self.grpc_status.is_none() && !matches!(self.http_status, Some(500..))
    }

    /// The end, with what the proxy knows at it: its own status `code`, which counts if no head was
    /// seen, and its `details`, such as `upstream_reset_before_response_started{connection_termination}`.
    pub fn conclude(self, code: Option<u16>, details: Option<&[u8]>) -> Conclusion<'_> {
        let mut outcome = self;
        outcome.http_status = self.http_status.or(code.filter(|code| is_status(*code)));
        if self.is_grpc && self.grpc_status.is_none() {
            outcome.grpc_status = outcome.http_status.and_then(StatusCode::from_http);
        }
        Conclusion { outcome, details: details.and_then(low_cardinality) }
    }
}

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conclusion<'a> {
    /// What came back.
    pub outcome: Outcome,
    /// Why the proxy says that it ended so, of low cardinality.
    pub details: Option<&'a str>,
}

impl Conclusion<'_> {
    /// The status of a span of `kind`, whose attributes are completed.
    pub fn record(&self, kind: SpanKind, attributes: &mut Attributes) -> Status {
        attributes.set_some(key::HTTP_RESPONSE_STATUS_CODE, self.outcome.http_status);
        attributes.set_some(key::RPC_STATUS_CODE, self.outcome.grpc_status.map(StatusCode::name));
        self.record_error(kind, attributes)
    }

    /// Whether a span of `kind` has failed.
    pub fn is_error(&self, kind: SpanKind) -> bool {
        self.record_error(kind, &mut Attributes::new()) == Status::Error
    }

    /// The same as Linkerd's proxy has it: HTTP's status as a string, and a span's status never set.
    pub fn record_linkerd(&self, attributes: &mut Attributes) -> Status {
        let status = self.outcome.http_status.map(digits);
        attributes
            .set_some(key::HTTP_RESPONSE_STATUS_CODE, status.as_ref().map(|digits| Value::lossy(digits)));
        Status::Unset
    }

    fn record_error(&self, kind: SpanKind, attributes: &mut Attributes) -> Status {
        if let Some(code) = self.outcome.grpc_status {
            let is_error = match kind {
                SpanKind::Server => code.is_server_error(),
                SpanKind::Client => code.is_client_error(),
            };
            return error(attributes, is_error.then(|| code.name()));
        }
        let Some(status) = self.outcome.http_status else {
            return error(attributes, Some(self.details.unwrap_or(NO_RESPONSE)));
        };
        let is_error = match kind {
            SpanKind::Server => status >= 500,
            SpanKind::Client => status >= 400,
        };
        if is_error {
            return error(attributes, Some(Value::lossy(&digits(status))));
        }
        // What an upgrade opened has no other end than that of its connection.
        let is_end_of_upgrade = |details: &str| status == 101 && details.starts_with("upstream_reset");
        let is_broken_off = |details: &&str| {
            !is_end_of_upgrade(details) && BROKEN_OFF.iter().any(|start| details.starts_with(start))
        };
        error(attributes, self.details.filter(is_broken_off))
    }
}

/// Notes the reason of an error, if it is one.
fn error<'v>(attributes: &mut Attributes, reason: Option<impl Into<Value<'v>>>) -> Status {
    let status = if reason.is_some() { Status::Error } else { Status::Unset };
    attributes.set_some(key::ERROR_TYPE, reason);
    status
}

/// The three digits of a status.
fn digits(status: u16) -> [u8; 3] {
    [status / 100, status / 10, status].map(|number| b'0' + (number % 10) as u8)
}

fn parse_status(value: &[u8]) -> Option<u16> {
    let status = std::str::from_utf8(value).ok().filter(|text| text.len() == 3)?;
    status.parse().ok().filter(|status| is_status(*status))
}

fn is_status(code: u16) -> bool {
    (100..1000).contains(&code)
}

/// The constant part of Envoy's response code details: up to what is in braces, if it is a name.
fn low_cardinality(details: &[u8]) -> Option<&str> {
    let name = details.split(|byte| *byte == b'{').next()?;
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
    std::str::from_utf8(name).ok().filter(|_| is_name && !name.is_empty() && name.len() <= 64)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    use crate::headers::Headers;

    /// Status and `error.type` of the SERVER and of the CLIENT span.
    fn ends(ended: &Conclusion<'_>) -> [Option<String>; 2] {
        [SpanKind::Server, SpanKind::Client].map(|kind| {
            let mut attributes = Attributes::default();
            let status = ended.record(kind, &mut attributes);
            let error = attributes.find(key::ERROR_TYPE);
            assert_eq!(status == Status::Error, error.is_some(), "an error has a type and nothing else has");
            error.map(|error| match error {
                Value::Str(text) => text.into_owned(),
                other => panic!("error.type is {other:?}"),
            })
        })
    }

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn outcome<'a>(
        is_grpc: bool,
        head: Pairs<'_>,
        trailers: Pairs<'_>,
        code: u16,
        details: &'a str,
    ) -> Conclusion<'a> {
        let headers = |pairs: Pairs<'_>| {
            Headers::new(pairs.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect())
        };
        let mut outcome = Outcome { is_grpc, ..Outcome::default() };
        if !head.is_empty() {
            outcome.record_head(headers(head).first(":status"), headers(head).first("grpc-status"));
        }
        outcome.record_trailers(headers(trailers).first("grpc-status"));
        let whole = outcome.conclude(Some(code), Some(details.as_bytes()));
        if !outcome.wants_details() {
            let without = outcome.conclude(Some(code), None);
            assert_eq!(ends(&whole), ends(&without), "they were not wanted");
        }
        whole
    }

    #[test]
    fn rule_31_http_statuses() {
        let cases = [
            ("101", [None, None], "an upgrade"),
            ("200", [None, None], "success"),
            ("304", [None, None], "redirection"),
            ("400", [None, Some("400")], "the caller's fault"),
            ("499", [None, Some("499")], "the caller's fault"),
            ("500", [Some("500"), Some("500")], "the server's fault"),
            ("503", [Some("503"), Some("503")], "the server's fault"),
        ];
        for (status, expected, reason) in cases {
            let outcome =
                outcome(false, &[(":status", status), ("grpc-status", "13")], &[], 0, "via_upstream");
            assert_eq!(ends(&outcome), expected.map(|error| error.map(str::to_owned)), "{status}: {reason}");
            assert_eq!(outcome.outcome.http_status, status.parse().ok());
        }
    }

    #[test]
    fn rule_31_streams_that_broke_off() {
        let reset = "upstream_reset_after_response_started{remote_reset}";
        let cases = [
            (
                None,
                0,
                "downstream_remote_disconnect",
                ["downstream_remote_disconnect"; 2].map(Some),
                "the caller left",
            ),
            (None, 0, "", [NO_RESPONSE; 2].map(Some), "nobody knows why"),
            (None, 0, "a user's {text}", [NO_RESPONSE; 2].map(Some), "no name"),
            (None, 503, "no_healthy_upstream", ["503"; 2].map(Some), "the proxy's own answer"),
            (None, 42, "", [NO_RESPONSE; 2].map(Some), "no status"),
            (
                Some("200"),
                200,
                reset,
                ["upstream_reset_after_response_started"; 2].map(Some),
                "the server left",
            ),
            (Some("200"), 200, "downstream_remote_disconnect", [None, None], "how streams of events end"),
            (Some("101"), 101, reset, [None, None], "how a server ends a web socket"),
            (Some("101"), 101, "stream_idle_timeout", ["stream_idle_timeout"; 2].map(Some), "a limit"),
            (Some("404"), 404, reset, [Some("upstream_reset_after_response_started"), Some("404")], "both"),
            (Some("99"), 200, "", [None, None], "a head without a status, but the proxy knows"),
        ];
        for (head, code, details, expected, reason) in cases {
            let head: Vec<_> = head.map(|status| (":status", status)).into_iter().collect();
            let outcome = outcome(false, &head, &[], code, details);
            assert_eq!(ends(&outcome), expected.map(|error| error.map(str::to_owned)), "{reason}");
        }
    }

    #[test]
    fn rule_37_grpc_statuses_from_trailers_or_a_trailers_only_head() {
        let head = (":status", "200");
        let cases: [(Pairs<'_>, Pairs<'_>, [Option<&str>; 2], &str); 7] = [
            (&[head], &[("grpc-status", "0")], [None, None], "success"),
            (&[head], &[("grpc-status", "2")], [Some("UNKNOWN"); 2], "the server's fault, in trailers"),
            (
                &[head, ("grpc-status", "5")],
                &[],
                [None, Some("NOT_FOUND")],
                "trailers only; not the server's fault",
            ),
            (
                &[head, ("grpc-status", "0")],
                &[("grpc-status", "4")],
                [Some("DEADLINE_EXCEEDED"); 2],
                "trailers win",
            ),
            (&[(":status", "503")], &[], [Some("UNAVAILABLE"); 2], "HTTP's status stands for gRPC's"),
            (&[head], &[], [None, None], "no status at all and no reason to think it broke"),
            (&[], &[], [Some("downstream_remote_disconnect"); 2], "nothing came back"),
        ];
        for (head, trailers, expected, reason) in cases {
            let outcome = outcome(true, head, trailers, 0, "downstream_remote_disconnect");
            assert_eq!(ends(&outcome), expected.map(|error| error.map(str::to_owned)), "{reason}");
        }
    }

    #[test]
    fn rule_36_the_status_has_its_name() {
        let mut attributes = Attributes::default();
        outcome(true, &[(":status", "200")], &[("grpc-status", "4")], 0, "")
            .record(SpanKind::Client, &mut attributes);
        assert_eq!(attributes.find("rpc.response.status_code"), Some(Value::from("DEADLINE_EXCEEDED")));
        assert_eq!(attributes.find("http.response.status_code"), Some(Value::Int(200)), "a number");
    }
}
