//! A call that the filter made.

use std::time::Duration;

use crate::host::{HeaderMap, OutboundCall, OutboundKind};
use crate::time::Timestamp;
use crate::vm::Generation;

/// A call that the filter made, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// The cluster's name.
    pub upstream: String,
    /// What was sent.
    pub kind: OutboundKind,
    /// What the filter gave it.
    pub timeout: Option<Duration>,
    /// When it was made.
    pub at: Timestamp,
    /// What has become of it.
    pub fate: Fate,
    pub(super) token: u32,
    pub(super) generation: Generation,
}

/// What has become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The filter has not been told of an answer.
    Unanswered,
    /// The filter was given the answer.
    Answered,
    /// The VM that made it is gone.
    Lost,
}

impl Callout {
    pub(super) fn new(call: &OutboundCall, at: Timestamp, generation: Generation) -> Self {
        Self {
            upstream: String::from_utf8_lossy(&call.upstream).into_owned(),
            kind: call.kind.clone(),
            timeout: call.timeout,
            at,
            fate: Fate::Unanswered,
            token: call.token,
            generation,
        }
    }

    /// A header of an HTTP call, or initial metadata of a gRPC one.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().and_then(|headers| headers.first(name))
    }

    /// The body of an HTTP call, or the message of a gRPC one.
    pub fn body(&self) -> &[u8] {
        match &self.kind {
            OutboundKind::Http { body, .. } => body,
            OutboundKind::Grpc { message, .. } | OutboundKind::GrpcStreamMessage { message, .. } => message,
            _ => &[],
        }
    }

    /// Method and path of an HTTP call, service and method of a gRPC one.
    pub fn target(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match &self.kind {
            OutboundKind::Http { headers, .. } => {
                let part = |name| headers.first(name).map(text).unwrap_or_default();
                format!("{} {}", part(":method"), part(":path"))
            }
            OutboundKind::Grpc { service, method, .. } | OutboundKind::GrpcStream { service, method, .. } => {
                format!("{}/{}", text(service), text(method))
            }
            OutboundKind::GrpcStreamMessage { .. } => "message on a gRPC stream".to_owned(),
            OutboundKind::GrpcStreamClose => "end of a gRPC stream".to_owned(),
            OutboundKind::GrpcCancel => "cancellation".to_owned(),
        }
    }

    fn headers(&self) -> Option<&HeaderMap> {
        match &self.kind {
            OutboundKind::Http { headers, .. } => Some(headers),
            OutboundKind::Grpc { metadata, .. } | OutboundKind::GrpcStream { metadata, .. } => Some(metadata),
            _ => None,
        }
    }

    /// One line of an assertion's message.
    pub(super) fn shown(&self) -> String {
        format!("{}: {} ({:?})", self.upstream, self.target(), self.fate)
    }
}
