//! Being written.

use std::time::Duration;

use crate::host::HeaderMap;

/// A callout that the guest made.
#[derive(Clone, Debug)]
pub struct OutboundCall {
    /// Names the call in its answer.
    pub token: u32,
    /// Cluster or serialised service.
    pub upstream: Vec<u8>,
    /// How long the guest would wait.
    pub timeout: Option<Duration>,
    /// What is sent.
    pub kind: OutboundKind,
}

/// What a callout sends.
#[derive(Clone, Debug)]
pub enum OutboundKind {
    /// `proxy_http_call`.
    Http {
        /// With pseudo-headers.
        headers: HeaderMap,
        /// Whole.
        body: Vec<u8>,
        /// Mostly empty.
        trailers: HeaderMap,
    },
    /// `proxy_grpc_call`.
    Grpc {
        /// Full name.
        service: Vec<u8>,
        /// Short name.
        method: Vec<u8>,
        /// Initial.
        metadata: HeaderMap,
        /// Unframed.
        message: Vec<u8>,
    },
}

/// The answer to a callout.
#[derive(Clone, Debug)]
pub enum CallReply {
    /// To `proxy_http_call`.
    Http {
        /// With `:status`.
        headers: HeaderMap,
        /// Whole.
        body: Vec<u8>,
        /// Mostly empty.
        trailers: HeaderMap,
    },
    /// Unreachable.
    HttpFailure,
    /// OK.
    Grpc {
        /// Unframed.
        message: Vec<u8>,
    },
    /// Not OK.
    GrpcFailure {
        /// gRPC code.
        status: u32,
        /// For people.
        message: String,
    },
}
