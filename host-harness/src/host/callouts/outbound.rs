//! What a guest sends through the proxy, and what comes back.

use std::time::Duration;

use super::super::HeaderMap;

/// A call that the guest wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundCall {
    /// Names the call in its answer; unique among calls without one. What belongs to one gRPC stream has the
    /// token of its [`OutboundKind::GrpcStream`].
    pub token: u32,
    /// The cluster's name.
    pub upstream: Vec<u8>,
    /// `None`: without end. Whoever makes the call enforces it.
    pub timeout: Option<Duration>,
    /// What is sent.
    pub kind: OutboundKind,
}

/// What a call sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundKind {
    /// A whole HTTP request.
    Http {
        /// With `:method`, `:path` and `:authority`.
        headers: HeaderMap,
        /// May be empty.
        body: Vec<u8>,
        /// Often empty.
        trailers: HeaderMap,
    },
    /// A unary gRPC request.
    Grpc {
        /// Full name of the service.
        service: Vec<u8>,
        /// Name of the method.
        method: Vec<u8>,
        /// Initial metadata.
        metadata: HeaderMap,
        /// The message, without a frame around it.
        message: Vec<u8>,
    },
    /// A gRPC stream is opened. Its answers are [`CallReply::GrpcInitialMetadata`], any number of
    /// [`CallReply::Grpc`], [`CallReply::GrpcTrailingMetadata`] and at last [`CallReply::GrpcClosed`].
    GrpcStream {
        /// Full name of the service.
        service: Vec<u8>,
        /// Name of the method.
        method: Vec<u8>,
        /// Initial metadata.
        metadata: HeaderMap,
    },
    /// One message on a stream that is open.
    GrpcStreamMessage {
        /// Without a frame around it.
        message: Vec<u8>,
        /// Whether the guest sends no more.
        end_of_stream: bool,
    },
    /// The guest sends no more on a stream; answers still come.
    GrpcStreamClose,
    /// The guest wants no answer any more, of a stream or of a unary call that was taken: it is to be reset.
    GrpcCancel,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallReply {
    /// A whole HTTP response.
    Http {
        /// With `:status`.
        headers: HeaderMap,
        /// May be empty.
        body: Vec<u8>,
        /// Often empty.
        trailers: HeaderMap,
    },
    /// No response came: reset, timed out, refused.
    HttpFailure,
    /// The message of a unary call that succeeded, or one of a stream's.
    Grpc {
        /// Without a frame around it.
        message: Vec<u8>,
    },
    /// A stream's initial metadata.
    GrpcInitialMetadata {
        /// Often empty.
        metadata: HeaderMap,
    },
    /// A stream's trailing metadata.
    GrpcTrailingMetadata {
        /// Often empty.
        metadata: HeaderMap,
    },
    /// A stream's end, good or bad.
    GrpcClosed {
        /// gRPC status code, 0 for success.
        status: u32,
        /// gRPC status message.
        message: String,
    },
    /// A unary call failed.
    GrpcFailure {
        /// gRPC status code.
        status: u32,
        /// gRPC status message.
        message: String,
    },
}

impl OutboundKind {
    /// Whether it begins something that is answered; the rest belongs to a gRPC stream that is open already.
    pub fn wants_answer(&self) -> bool {
        matches!(self, Self::Http { .. } | Self::Grpc { .. } | Self::GrpcStream { .. })
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Http { headers, body, trailers } => headers.byte_size() + body.len() + trailers.byte_size(),
            Self::Grpc { service, method, metadata, message } => {
                service.len() + method.len() + metadata.byte_size() + message.len()
            }
            Self::GrpcStream { service, method, metadata } => {
                service.len() + method.len() + metadata.byte_size()
            }
            Self::GrpcStreamMessage { message, .. } => message.len(),
            Self::GrpcStreamClose | Self::GrpcCancel => 0,
        }
    }
}
