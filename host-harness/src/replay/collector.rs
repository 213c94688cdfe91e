//! Who answers the filters' calls: the collector, which takes every export, and faked upstreams.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::collect;
use crate::host::HeaderMap;
use crate::vm::{CallReply, OutboundCall, OutboundKind};

/// gRPC's UNAVAILABLE.
const UNAVAILABLE: u32 = 14;

/// What a faked upstream says of its failures.
const FAKED: &str = "answered so by --answer";

/// The other side of callouts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collector<'a> {
    /// By cluster: the status that its calls are answered with.
    answers: &'a BTreeMap<String, u16>,
}

/// What becomes of a call.
pub(super) struct Answer {
    pub(super) reply: CallReply,
    /// What it exported.
    pub(super) spans: Vec<ResourceSpans>,
    /// Why it was refused.
    pub(super) complaint: Option<String>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(answers: &'a BTreeMap<String, u16>) -> Self {
        Self { answers }
    }

    /// Takes the spans of an export; answers for the upstreams that have an answer, refuses all else.
    pub(super) fn answer(self, call: &OutboundCall) -> Answer {
        let upstream = String::from_utf8_lossy(&call.upstream);
        let complaint = match (collect::decode_call(call), self.answers.get(&*upstream)) {
            (Some(Ok(export)), _) => {
                let (reply, spans) = (collect::accept(call), export.resource_spans);
                return Answer { reply, spans, complaint: None };
            }
            (_, Some(status)) => {
                return Answer { reply: fake(call, *status), spans: Vec::new(), complaint: None };
            }
            (Some(Err(error)), None) => format!("the filter's export was refused: {error}"),
            (None, None) => format!(
                "the filter called {upstream:?} for something else than an OTLP export, and was refused; \
                 `--answer {upstream}=200` has it answered"
            ),
        };
        let reply = match call.kind {
            OutboundKind::Http { .. } => CallReply::HttpFailure,
            OutboundKind::Grpc { .. } => {
                CallReply::GrpcFailure { status: UNAVAILABLE, message: complaint.clone() }
            }
            _ => CallReply::GrpcClosed { status: UNAVAILABLE, message: complaint.clone() },
        };
        Answer { reply, spans: Vec::new(), complaint: Some(complaint) }
    }
}

/// An answer without a body.
fn fake(call: &OutboundCall, status: u16) -> CallReply {
    match call.kind {
        OutboundKind::Http { .. } => CallReply::Http {
            headers: HeaderMap::from_pairs([(":status", status.to_string())]),
            body: Vec::new(),
            trailers: HeaderMap::new(),
        },
        OutboundKind::Grpc { .. } => match grpc_status(status) {
            0 => CallReply::Grpc { message: Vec::new() },
            status => CallReply::GrpcFailure { status, message: FAKED.to_owned() },
        },
        _ => CallReply::GrpcClosed { status: grpc_status(status), message: FAKED.to_owned() },
    }
}

/// What gRPC makes of an HTTP status.
/// Source: <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
fn grpc_status(http: u16) -> u32 {
    match http {
        200 => 0,
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(upstream: &str) -> OutboundCall {
        let headers = HeaderMap::from_pairs([(":method", "GET"), (":path", "/check")]);
        let kind = OutboundKind::Http { headers, body: Vec::new(), trailers: HeaderMap::new() };
        OutboundCall { token: 1, upstream: upstream.into(), timeout: None, kind }
    }

    #[test]
    fn an_upstream_answers_if_it_was_given_an_answer() {
        let answers = [("auth".to_owned(), 403)].into();
        let collector = Collector::new(&answers);
        let CallReply::Http { headers, .. } = collector.answer(&call("auth")).reply else {
            panic!("refused")
        };
        assert_eq!(headers.first(":status"), Some(&b"403"[..]));
        let refused = collector.answer(&call("other"));
        assert!(matches!(refused.reply, CallReply::HttpFailure));
        assert!(refused.complaint.unwrap().contains("`--answer other=200`"));
    }
}
