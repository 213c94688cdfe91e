//! What a cluster answers when the filter calls it.

use std::time::Duration;

use crate::collect;
use crate::host::{CallReply, HeaderMap, OutboundCall, OutboundKind};

/// gRPC's DEADLINE_EXCEEDED and UNAVAILABLE.
const DEADLINE_EXCEEDED: u32 = 4;
const UNAVAILABLE: u32 = 14;

/// An answer, and how long it takes: 1 ms of the virtual clock, unless [`after`](Self::after) says another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    kind: Kind,
    after: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Http { headers: HeaderMap, body: Vec<u8>, trailers: HeaderMap },
    Grpc { message: Vec<u8> },
    GrpcStatus { status: u32, message: String },
    Collector,
    Reset,
    Timeout,
    Never,
}

impl Answer {
    fn new(kind: Kind) -> Self {
        Self { kind, after: Duration::from_millis(1) }
    }

    /// An HTTP response.
    pub fn http(status: u16) -> Self {
        let headers = HeaderMap::from_pairs([(":status", status.to_string())]);
        Self::new(Kind::Http { headers, body: Vec::new(), trailers: HeaderMap::new() })
    }

    /// The message of a gRPC call that succeeds.
    pub fn grpc(message: impl Into<Vec<u8>>) -> Self {
        Self::new(Kind::Grpc { message: message.into() })
    }

    /// A gRPC call that fails.
    pub fn grpc_status(status: u32, message: &str) -> Self {
        Self::new(Kind::GrpcStatus { status, message: message.to_owned() })
    }

    /// An OpenTelemetry collector: takes every export, whose spans are then among those of the host.
    pub fn collector() -> Self {
        Self::new(Kind::Collector)
    }

    /// No response: the call is reset.
    pub fn reset() -> Self {
        Self::new(Kind::Reset)
    }

    /// The call's own time-out passes. As in Envoy the filter is then given a 504; of gRPC, DEADLINE_EXCEEDED.
    /// A call without a time-out is never answered.
    pub fn timeout() -> Self {
        Self::new(Kind::Timeout)
    }

    /// Nothing, for ever.
    pub fn never() -> Self {
        Self::new(Kind::Never)
    }

    /// Adds a header to an HTTP response.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Kind::Http { headers, .. } = &mut self.kind {
            headers.add(name, value);
        }
        self
    }

    /// Sets the body of an HTTP response.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Kind::Http { body, .. } = &mut self.kind {
            *body = bytes.into();
        }
        self
    }

    /// Adds a trailer to an HTTP response.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        if let Kind::Http { trailers, .. } = &mut self.kind {
            trailers.add(name, value);
        }
        self
    }

    /// Sets how long it takes, of the virtual clock; a time-out takes its own time.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }

    /// When the call is answered, and by what; `None` if never.
    pub(super) fn to(&self, call: &OutboundCall) -> Option<(Duration, Vec<CallReply>)> {
        let after = if self.kind == Kind::Timeout { call.timeout? } else { self.after };
        let replies = match &call.kind {
            OutboundKind::Http { .. } => vec![self.http_reply(call)?],
            OutboundKind::Grpc { .. } => vec![self.grpc_reply(call)?],
            OutboundKind::GrpcStream { .. } => match self.grpc_reply(call)? {
                CallReply::GrpcFailure { status, message } => vec![CallReply::GrpcClosed { status, message }],
                reply => vec![reply, CallReply::GrpcClosed { status: 0, message: String::new() }],
            },
            // What follows on a stream, or takes a call back.
            _ => return None,
        };
        Some((after, replies))
    }

    fn http_reply(&self, call: &OutboundCall) -> Option<CallReply> {
        Some(match &self.kind {
            Kind::Http { headers, body, trailers } => {
                CallReply::Http { headers: headers.clone(), body: body.clone(), trailers: trailers.clone() }
            }
            Kind::Collector => collect::accept(call),
            Kind::Timeout => CallReply::Http {
                headers: HeaderMap::from_pairs([(":status", "504"), ("content-type", "text/plain")]),
                body: b"upstream request timeout".to_vec(),
                trailers: HeaderMap::new(),
            },
            // No HTTP: what comes back is not understood.
            Kind::Reset | Kind::Grpc { .. } | Kind::GrpcStatus { .. } => CallReply::HttpFailure,
            Kind::Never => return None,
        })
    }

    fn grpc_reply(&self, call: &OutboundCall) -> Option<CallReply> {
        let failure = |status, message: &str| CallReply::GrpcFailure { status, message: message.to_owned() };
        Some(match &self.kind {
            Kind::Grpc { message } => CallReply::Grpc { message: message.clone() },
            Kind::GrpcStatus { status, message } => failure(*status, message),
            Kind::Collector => collect::accept(call),
            Kind::Timeout => failure(DEADLINE_EXCEEDED, "upstream request timeout"),
            Kind::Reset => failure(UNAVAILABLE, "reset"),
            Kind::Http { .. } => failure(UNAVAILABLE, "the answer is no gRPC"),
            Kind::Never => return None,
        })
    }
}
