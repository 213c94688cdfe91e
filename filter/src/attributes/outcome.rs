//! How a request ended, as status and `error.type` of its two spans.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md#status>

use std::borrow::Cow;

use crate::attributes::rpc::StatusCode;
use crate::attributes::{Attributes, key};
use crate::headers::Headers;
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

/// What came back for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the request was a gRPC call.
    pub is_grpc: bool,
    /// HTTP's status.
    pub http_status: Option<u16>,
    /// gRPC's status.
    pub grpc_status: Option<StatusCode>,
    /// Why the proxy says that it ended so, of low cardinality.
    pub details: Option<String>,
}

impl Outcome {
    /// Takes in a response's head; gRPC's status is in it if there are no trailers.
    pub fn record_head(&mut self, headers: &Headers<'_>) {
        self.http_status = headers.first(":status").and_then(parse_status);
        self.record_trailers(headers);
    }

    /// Takes in a response's trailers.
    pub fn record_trailers(&mut self, trailers: &Headers<'_>) {
        if self.is_grpc {
            self.grpc_status = StatusCode::read(trailers).or(self.grpc_status);
        }
    }

    /// Takes in what the proxy knows at the end: its own status `code`, which counts if no head was
    /// seen, and its `details`, such as `upstream_reset_before_response_started{connection_termination}`.
    pub fn conclude(&mut self, code: Option<u16>, details: Option<&[u8]>) {
        self.http_status = self.http_status.or(code.filter(|code| is_status(*code)));
        self.details = details.and_then(low_cardinality);
        if self.is_grpc && self.grpc_status.is_none() {
            self.grpc_status = self.http_status.and_then(StatusCode::from_http);
        }
    }

    /// The status of a span of `kind`, whose attributes are completed.
    pub fn record(&self, kind: SpanKind, attributes: &mut Attributes) -> Status {
        attributes.set_some(key::HTTP_RESPONSE_STATUS_CODE, self.http_status);
        attributes.set_some(key::RPC_STATUS_CODE, self.grpc_status.map(StatusCode::name));
        match self.error_type(kind) {
            None => Status::Unset,
            Some(error) => {
                attributes.set(key::ERROR_TYPE, error.into_owned());
                Status::Error
            }
        }
    }

    fn error_type(&self, kind: SpanKind) -> Option<Cow<'_, str>> {
        if let Some(code) = self.grpc_status {
            let is_error = match kind {
                SpanKind::Server => code.is_server_error(),
                SpanKind::Client => code.is_client_error(),
            };
            return is_error.then_some(Cow::Borrowed(code.name()));
        }
        let details = self.details.as_deref();
        let Some(status) = self.http_status else {
            return Some(Cow::Borrowed(details.unwrap_or(NO_RESPONSE)));
        };
        let is_error = match kind {
            SpanKind::Server => status >= 500,
            SpanKind::Client => status >= 400,
        };
        if is_error {
            return Some(Cow::Owned(status.to_string()));
        }
        let reason = details.filter(|details| BROKEN_OFF.iter().any(|start| details.starts_with(start)));
        reason.map(Cow::Borrowed)
    }
}

fn parse_status(value: &[u8]) -> Option<u16> {
    let status = std::str::from_utf8(value).ok().filter(|text| text.len() == 3)?;
    status.parse().ok().filter(|status| is_status(*status))
}

fn is_status(code: u16) -> bool {
    (100..1000).contains(&code)
}

/// The constant part of Envoy's response code details: up to what is in braces, if it is a name.
fn low_cardinality(details: &[u8]) -> Option<String> {
    let name = details.split(|byte| *byte == b'{').next()?;
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
    (is_name && !name.is_empty() && name.len() <= 64).then(|| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    use crate::attributes::Value;

    /// Status and `error.type` of the SERVER and of the CLIENT span.
    fn ends(outcome: &Outcome) -> [Option<String>; 2] {
        [SpanKind::Server, SpanKind::Client].map(|kind| {
            let mut attributes = Attributes::default();
            let status = outcome.record(kind, &mut attributes);
            let error = attributes.find(key::ERROR_TYPE).cloned();
            assert_eq!(status == Status::Error, error.is_some(), "an error has a type and nothing else has");
            error.map(|error| match error {
                Value::Str(text) => text.into_owned(),
                Value::Int(number) => panic!("error.type is the number {number}"),
            })
        })
    }

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn outcome(is_grpc: bool, head: Pairs<'_>, trailers: Pairs<'_>, code: u16, details: &str) -> Outcome {
        let borrowed = |pairs: Pairs<'_>, read: &mut dyn FnMut(&Headers<'_>)| {
            read(&Headers::new(pairs.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect()));
        };
        let mut outcome = Outcome { is_grpc, ..Outcome::default() };
        if !head.is_empty() {
            borrowed(head, &mut |headers| outcome.record_head(headers));
        }
        borrowed(trailers, &mut |headers| outcome.record_trailers(headers));
        outcome.conclude(Some(code), Some(details.as_bytes()));
        outcome
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
            assert_eq!(outcome.http_status, status.parse().ok());
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
        assert_eq!(attributes.find("rpc.response.status_code"), Some(&Value::from("DEADLINE_EXCEEDED")));
        assert_eq!(attributes.find("http.response.status_code"), Some(&Value::Int(200)), "a number");
    }
}
