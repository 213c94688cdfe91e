//! Calls that the guest makes through the proxy: queued until the guest has returned, then answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::grpc_service::{ServiceBytes, parse_service};
use super::{HeaderMap, HostError, HostProfile};

/// Most calls without an answer.
pub const MAX_PENDING_CALLS: usize = 10_000;
/// Most bytes of calls queued until they are taken.
pub const MAX_QUEUED_CALL_BYTES: usize = 64 * 1024 * 1024;

const HTTP: u32 = 0;
const GRPC: u32 = 1;
const KIND_MASK: u32 = 3;
const TOKEN_STEP: u32 = 4;

/// A call that the guest wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundCall {
    /// Names the call in its answer; unique among calls without one.
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
    /// The message of a call that succeeded.
    Grpc {
        /// Without a frame around it.
        message: Vec<u8>,
    },
    /// The call failed.
    GrpcFailure {
        /// gRPC status code.
        status: u32,
        /// gRPC status message.
        message: String,
    },
}

/// Calls queued and calls without an answer.
#[derive(Debug, Default)]
pub(super) struct Callouts {
    profile: HostProfile,
    clusters: BTreeSet<Vec<u8>>,
    queued: Vec<OutboundCall>,
    queued_bytes: usize,
    /// Token to the context that made the call.
    pending: BTreeMap<u32, u32>,
    issued: u32,
}

impl Callouts {
    pub(super) fn new(clusters: &[String], profile: HostProfile) -> Self {
        let clusters = clusters.iter().map(|name| name.clone().into_bytes()).collect();
        Self { profile, clusters, ..Self::default() }
    }

    /// Queues an HTTP call made by `context`; returns its token.
    pub(super) fn http(
        &mut self,
        context: u32,
        upstream: &[u8],
        kind: OutboundKind,
        timeout_ms: u32,
    ) -> Result<u32, HostError> {
        if i32::try_from(timeout_ms).is_err() {
            return Err(HostError::NegativeTimeout);
        }
        if !self.clusters.contains(upstream) {
            let refuse = if self.profile.calls_addresses() {
                HostError::Unreachable
            } else {
                HostError::UnknownCluster
            };
            return Err(refuse(shown(upstream)));
        }
        if let OutboundKind::Http { headers, .. } = &kind {
            for &name in self.profile.required_call_headers() {
                // Envoy takes `host` for `:authority`.
                let host = || if name == ":authority" { headers.first("host") } else { None };
                headers.first(name).or_else(host).ok_or(HostError::MissingHeader(name))?;
            }
        }
        self.queue(context, HTTP, upstream.to_vec(), kind, timeout_ms)
    }

    /// Queues a unary gRPC call made by `context`; returns its token.
    pub(super) fn grpc(
        &mut self,
        context: u32,
        upstream: &[u8],
        kind: OutboundKind,
        timeout_ms: u32,
    ) -> Result<u32, HostError> {
        let cluster = match parse_service(upstream) {
            ServiceBytes::Cluster(name) if self.clusters.contains(name) => name,
            ServiceBytes::Cluster(_) | ServiceBytes::NoCluster => {
                return Err(HostError::ServiceWithoutCluster);
            }
            ServiceBytes::NotAMessage if self.clusters.contains(upstream) => upstream,
            ServiceBytes::NotAMessage => return Err(HostError::UnknownService(shown(upstream))),
        };
        self.queue(context, GRPC, cluster.to_vec(), kind, timeout_ms)
    }

    fn queue(
        &mut self,
        context: u32,
        kind_bits: u32,
        upstream: Vec<u8>,
        kind: OutboundKind,
        timeout_ms: u32,
    ) -> Result<u32, HostError> {
        let bytes = self.queued_bytes.saturating_add(kind.bytes());
        if bytes > MAX_QUEUED_CALL_BYTES {
            return Err(HostError::Full("queued calls' bytes", MAX_QUEUED_CALL_BYTES));
        }
        if self.pending.len() >= MAX_PENDING_CALLS {
            return Err(HostError::Full("calls without an answer", MAX_PENDING_CALLS));
        }
        let token = self.next_token(kind_bits);
        let timeout = (timeout_ms > 0).then(|| Duration::from_millis(u64::from(timeout_ms)));
        self.queued_bytes = bytes;
        self.pending.insert(token, context);
        self.queued.push(OutboundCall { token, upstream, timeout, kind });
        Ok(token)
    }

    /// The kind is in a token's lowest bits, as in proxy-wasm-cpp-host. Ends because pending calls are bounded.
    fn next_token(&mut self, kind_bits: u32) -> u32 {
        loop {
            self.issued = self.issued.wrapping_add(TOKEN_STEP);
            let token = self.issued | kind_bits;
            if token >= TOKEN_STEP && !self.pending.contains_key(&token) {
                return token;
            }
        }
    }

    pub(super) fn take(&mut self) -> Vec<OutboundCall> {
        self.queued_bytes = 0;
        std::mem::take(&mut self.queued)
    }

    /// Ends a call that `reply` fits; returns the context that made it.
    pub(super) fn answered(&mut self, token: u32, reply: &CallReply) -> Option<u32> {
        let kind_bits = match reply {
            CallReply::Http { .. } | CallReply::HttpFailure => HTTP,
            CallReply::Grpc { .. } | CallReply::GrpcFailure { .. } => GRPC,
        };
        if token & KIND_MASK != kind_bits {
            return None;
        }
        self.pending.remove(&token)
    }

    /// Ends a gRPC call whose answer the guest does not want any more.
    pub(super) fn cancel(&mut self, token: u32) -> Result<(), HostError> {
        if token & KIND_MASK != GRPC || self.pending.remove(&token).is_none() {
            return Err(HostError::NotFound);
        }
        self.queued.retain(|call| call.token != token);
        Ok(())
    }
}

/// A message on a gRPC stream: there are none yet, and a unary call takes no more.
pub(super) fn refuse_send(token: u32) -> HostError {
    if token & KIND_MASK == GRPC { HostError::UnaryCall } else { HostError::NotFound }
}

impl OutboundKind {
    fn bytes(&self) -> usize {
        match self {
            Self::Http { headers, body, trailers } => headers.byte_size() + body.len() + trailers.byte_size(),
            Self::Grpc { service, method, metadata, message } => {
                service.len() + method.len() + metadata.byte_size() + message.len()
            }
        }
    }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..256).unwrap_or(name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(headers: &[(&str, &str)]) -> OutboundKind {
        let headers = HeaderMap::from_pairs(headers.iter().copied());
        OutboundKind::Http { headers, body: Vec::new(), trailers: HeaderMap::new() }
    }

    fn grpc() -> OutboundKind {
        let metadata = HeaderMap::new();
        OutboundKind::Grpc { service: b"s".to_vec(), method: b"m".to_vec(), metadata, message: Vec::new() }
    }

    const FULL: [(&str, &str); 3] = [(":method", "POST"), (":path", "/"), (":authority", "a")];

    #[test]
    fn a_call_needs_a_known_cluster_and_the_headers_of_every_request() {
        let mut callouts = Callouts::new(&["otel".into()], HostProfile::Envoy);
        type Row<'a> = (&'a str, &'a [u8], &'a [(&'a str, &'a str)], u32, HostError);
        let table: [Row<'_>; 5] = [
            ("unknown cluster", b"nope", &FULL, 0, HostError::UnknownCluster("nope".into())),
            ("no :method", b"otel", &FULL[1..], 0, HostError::MissingHeader(":method")),
            ("no :authority", b"otel", &FULL[..2], 0, HostError::MissingHeader(":authority")),
            ("no :path", b"otel", &[FULL[0], FULL[2]], 0, HostError::MissingHeader(":path")),
            ("timeout -1", b"otel", &FULL, u32::MAX, HostError::NegativeTimeout),
        ];
        for (reason, upstream, headers, timeout, expected) in table {
            assert_eq!(callouts.http(1, upstream, http(headers), timeout), Err(expected), "{reason}");
        }
        assert!(callouts.take().is_empty());
        assert_eq!(
            callouts.grpc(1, b"nope_cluster", grpc(), 0),
            Err(HostError::UnknownService("nope_cluster".into()))
        );
        assert_eq!(
            callouts.grpc(1, b"\x0a\x06\x0a\x04nope", grpc(), 0),
            Err(HostError::ServiceWithoutCluster)
        );
    }

    #[test]
    fn tokens_are_unique_and_answers_must_fit() {
        let mut callouts = Callouts::new(&["otel".into()], HostProfile::Envoy);
        let first = callouts.http(1, b"otel", http(&FULL), 0).unwrap();
        let second = callouts.grpc(7, b"otel", grpc(), 5).unwrap();
        let third = callouts.grpc(1, b"\x0a\x06\x0a\x04otel", grpc(), 5).unwrap();
        let calls = callouts.take();
        assert_eq!(calls.iter().map(|call| call.token).collect::<Vec<_>>(), [first, second, third]);
        assert_eq!(calls[0].timeout, None, "0 is without end");
        assert_eq!(calls[1].timeout, Some(Duration::from_millis(5)));
        assert_eq!(calls[2].upstream, b"otel");

        assert_eq!(callouts.answered(first, &CallReply::Grpc { message: Vec::new() }), None, "wrong kind");
        assert_eq!(callouts.answered(first, &CallReply::HttpFailure), Some(1));
        assert_eq!(callouts.answered(first, &CallReply::HttpFailure), None, "twice");
        assert_eq!(callouts.answered(second, &CallReply::Grpc { message: Vec::new() }), Some(7));
        assert_eq!(callouts.cancel(third), Ok(()));
        assert_eq!(callouts.cancel(third), Err(HostError::NotFound));
    }

    #[test]
    fn calls_that_nobody_answers_are_bounded() {
        let mut callouts = Callouts::new(&["otel".into()], HostProfile::Envoy);
        for _ in 0..MAX_PENDING_CALLS {
            callouts.http(1, b"otel", http(&FULL), 0).unwrap();
        }
        let full = HostError::Full("calls without an answer", MAX_PENDING_CALLS);
        assert_eq!(callouts.http(1, b"otel", http(&FULL), 0), Err(full));
    }
}
