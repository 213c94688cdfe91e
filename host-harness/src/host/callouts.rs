//! Calls that the guest makes through the proxy: queued until the guest has returned, then answered.

mod outbound;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::grpc_service::{ServiceBytes, parse_service};
use super::grpc_streams::GrpcStreams;
use super::{HostError, HostProfile, RootId};

pub use outbound::{CallReply, OutboundCall, OutboundKind};

/// Most calls without an answer.
pub const MAX_PENDING_CALLS: usize = 10_000;
/// Most bytes of calls queued until they are taken.
pub const MAX_QUEUED_CALL_BYTES: usize = 64 * 1024 * 1024;

const HTTP: u32 = 0;
const GRPC: u32 = 1;
const GRPC_STREAM: u32 = 2;
const KIND_MASK: u32 = 3;
const TOKEN_STEP: u32 = 4;
/// What a queued call takes beside its bytes.
const CALL_OVERHEAD: usize = 128;

/// Who made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The context that was running, or that the guest had chosen.
    pub(super) context: u32,
    /// Its plugin, which is told of the answer.
    pub(super) root: RootId,
}

/// Calls queued and calls without an answer.
#[derive(Debug, Default)]
pub(super) struct Callouts {
    profile: HostProfile,
    clusters: BTreeSet<Vec<u8>>,
    queued: Vec<OutboundCall>,
    queued_bytes: usize,
    /// By their tokens.
    pending: BTreeMap<u32, Caller>,
    streams: GrpcStreams,
    issued: u32,
}

impl Callouts {
    pub(super) fn new(clusters: &[String], profile: HostProfile) -> Self {
        let clusters = clusters.iter().map(|name| name.clone().into_bytes()).collect();
        Self { profile, clusters, ..Self::default() }
    }

    /// Queues an HTTP call; returns its token.
    pub(super) fn http(
        &mut self,
        caller: Caller,
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
        self.queue(caller, HTTP, upstream.to_vec(), kind, timeout_ms)
    }

    /// Queues a unary gRPC call; returns its token.
    pub(super) fn grpc(
        &mut self,
        caller: Caller,
        upstream: &[u8],
        kind: OutboundKind,
        timeout_ms: u32,
    ) -> Result<u32, HostError> {
        let cluster = self.cluster(upstream)?;
        self.queue(caller, GRPC, cluster, kind, timeout_ms)
    }

    /// Queues the opening of a gRPC stream; returns its token.
    pub(super) fn open_stream(
        &mut self,
        caller: Caller,
        upstream: &[u8],
        kind: OutboundKind,
    ) -> Result<u32, HostError> {
        let cluster = self.cluster(upstream)?;
        let token = self.queue(caller, GRPC_STREAM, cluster.clone(), kind, 0)?;
        self.pending.remove(&token);
        self.streams.open(token, caller, cluster);
        Ok(token)
    }

    /// Queues a message on a stream. One that its stream does not take any more goes nowhere, and the guest
    /// is not told, as in Envoy; `Ok(false)` says so to the host.
    pub(super) fn send(
        &mut self,
        token: u32,
        message: &[u8],
        end_of_stream: bool,
    ) -> Result<bool, HostError> {
        if token & KIND_MASK != GRPC_STREAM {
            return Err(HostError::NoGrpcStream(token));
        }
        let stream = self.streams.stream(token).ok_or(HostError::NotFound)?;
        if !stream.takes_messages() {
            return Ok(false);
        }
        let kind = OutboundKind::GrpcStreamMessage { message: message.to_vec(), end_of_stream };
        self.push(OutboundCall { token, upstream: stream.upstream.clone(), timeout: None, kind })?;
        if end_of_stream {
            self.streams.close_local(token);
        }
        Ok(true)
    }

    /// Ends the guest's side of a stream; a unary call is cancelled, as in Envoy.
    pub(super) fn close(&mut self, token: u32) -> Result<(), HostError> {
        if token & KIND_MASK != GRPC_STREAM {
            return self.cancel(token);
        }
        let stream = self.streams.stream(token).ok_or(HostError::NotFound)?;
        if stream.takes_messages() {
            let kind = OutboundKind::GrpcStreamClose;
            self.push(OutboundCall { token, upstream: stream.upstream.clone(), timeout: None, kind })?;
        }
        self.streams.close_local(token);
        Ok(())
    }

    /// The configured cluster that the guest names.
    fn cluster(&self, upstream: &[u8]) -> Result<Vec<u8>, HostError> {
        match parse_service(upstream) {
            ServiceBytes::Cluster(name) if self.clusters.contains(name) => Ok(name.to_vec()),
            ServiceBytes::Cluster(_) | ServiceBytes::NoCluster => Err(HostError::ServiceWithoutCluster),
            ServiceBytes::NotAMessage if self.clusters.contains(upstream) => Ok(upstream.to_vec()),
            ServiceBytes::NotAMessage => Err(HostError::UnknownService(shown(upstream))),
        }
    }

    fn queue(
        &mut self,
        caller: Caller,
        kind_bits: u32,
        upstream: Vec<u8>,
        kind: OutboundKind,
        timeout_ms: u32,
    ) -> Result<u32, HostError> {
        if self.pending.len().saturating_add(self.streams.len()) >= MAX_PENDING_CALLS {
            return Err(HostError::Full("calls without an answer", MAX_PENDING_CALLS));
        }
        let token = self.next_token(kind_bits);
        let timeout = (timeout_ms > 0).then(|| Duration::from_millis(u64::from(timeout_ms)));
        self.push(OutboundCall { token, upstream, timeout, kind })?;
        self.pending.insert(token, caller);
        Ok(token)
    }

    fn push(&mut self, call: OutboundCall) -> Result<(), HostError> {
        // Messages without bytes count, too: their number is bounded as well.
        let bytes = self.queued_bytes.saturating_add(call.kind.bytes()).saturating_add(CALL_OVERHEAD);
        if bytes > MAX_QUEUED_CALL_BYTES {
            return Err(HostError::Full("queued calls' bytes", MAX_QUEUED_CALL_BYTES));
        }
        self.queued_bytes = bytes;
        self.queued.push(call);
        Ok(())
    }

    /// The kind is in a token's lowest bits, as in proxy-wasm-cpp-host. Ends because pending calls are bounded.
    fn next_token(&mut self, kind_bits: u32) -> u32 {
        loop {
            self.issued = self.issued.wrapping_add(TOKEN_STEP);
            let token = self.issued | kind_bits;
            if token >= TOKEN_STEP && !self.pending.contains_key(&token) && !self.streams.has(token) {
                return token;
            }
        }
    }

    pub(super) fn take(&mut self) -> Vec<OutboundCall> {
        self.queued_bytes = 0;
        std::mem::take(&mut self.queued)
    }

    /// Ends a call, or what it tells of a stream, if `reply` fits it; returns who made it.
    pub(super) fn answered(&mut self, token: u32, reply: &CallReply) -> Option<Caller> {
        match (token & KIND_MASK, reply) {
            (HTTP, CallReply::Http { .. } | CallReply::HttpFailure)
            | (GRPC, CallReply::Grpc { .. } | CallReply::GrpcFailure { .. }) => self.pending.remove(&token),
            (
                GRPC_STREAM,
                CallReply::Grpc { .. }
                | CallReply::GrpcInitialMetadata { .. }
                | CallReply::GrpcTrailingMetadata { .. }
                | CallReply::GrpcClosed { .. },
            ) => {
                let stream = self.streams.stream(token).filter(|stream| stream.waits())?;
                let caller = stream.caller;
                if matches!(reply, CallReply::GrpcClosed { .. }) {
                    self.streams.close_remote(token);
                }
                Some(caller)
            }
            _ => None,
        }
    }

    /// Waits no more for what a plugin's calls are answered, as Envoy, which cancels them.
    pub(super) fn forget(&mut self, root: RootId) {
        self.pending.retain(|_, caller| caller.root != root);
        self.streams.forget(root);
    }

    /// Ends a gRPC call or stream whose answer the guest does not want any more.
    pub(super) fn cancel(&mut self, token: u32) -> Result<(), HostError> {
        let known = match token & KIND_MASK {
            GRPC => self.pending.remove(&token).is_some(),
            GRPC_STREAM => self.streams.reset(token),
            _ => return Err(HostError::NoGrpcStream(token)),
        };
        if !known {
            return Err(HostError::NotFound);
        }
        let opened = |call: &OutboundCall| {
            call.token == token
                && matches!(call.kind, OutboundKind::Grpc { .. } | OutboundKind::GrpcStream { .. })
        };
        // What was not taken yet is not to be made at all; of what was taken, its maker is told.
        if self.queued.iter().any(opened) {
            self.queued.retain(|call| call.token != token);
            return Ok(());
        }
        self.queued.retain(|call| call.token != token);
        self.push(OutboundCall { token, upstream: Vec::new(), timeout: None, kind: OutboundKind::GrpcCancel })
    }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..256).unwrap_or(name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::HeaderMap;
    use super::*;

    fn by(context: u32) -> Caller {
        Caller { context, root: RootId::FIRST }
    }

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
            assert_eq!(callouts.http(by(1), upstream, http(headers), timeout), Err(expected), "{reason}");
        }
        assert!(callouts.take().is_empty());
        assert_eq!(
            callouts.grpc(by(1), b"nope_cluster", grpc(), 0),
            Err(HostError::UnknownService("nope_cluster".into()))
        );
        assert_eq!(
            callouts.grpc(by(1), b"\x0a\x06\x0a\x04nope", grpc(), 0),
            Err(HostError::ServiceWithoutCluster)
        );
    }

    #[test]
    fn tokens_are_unique_and_answers_must_fit() {
        let mut callouts = Callouts::new(&["otel".into()], HostProfile::Envoy);
        let first = callouts.http(by(1), b"otel", http(&FULL), 0).unwrap();
        let second = callouts.grpc(by(7), b"otel", grpc(), 5).unwrap();
        let third = callouts.grpc(by(1), b"\x0a\x06\x0a\x04otel", grpc(), 5).unwrap();
        let calls = callouts.take();
        assert_eq!(calls.iter().map(|call| call.token).collect::<Vec<_>>(), [first, second, third]);
        assert_eq!(calls[0].timeout, None, "0 is without end");
        assert_eq!(calls[1].timeout, Some(Duration::from_millis(5)));
        assert_eq!(calls[2].upstream, b"otel");

        assert_eq!(callouts.answered(first, &CallReply::Grpc { message: Vec::new() }), None, "wrong kind");
        assert_eq!(callouts.answered(first, &CallReply::HttpFailure), Some(by(1)));
        assert_eq!(callouts.answered(first, &CallReply::HttpFailure), None, "twice");
        assert_eq!(callouts.answered(second, &CallReply::Grpc { message: Vec::new() }), Some(by(7)));
        assert_eq!(callouts.cancel(third), Ok(()));
        assert_eq!(callouts.cancel(third), Err(HostError::NotFound));
    }

    #[test]
    fn calls_that_nobody_answers_are_bounded() {
        let mut callouts = Callouts::new(&["otel".into()], HostProfile::Envoy);
        for _ in 0..MAX_PENDING_CALLS {
            callouts.http(by(1), b"otel", http(&FULL), 0).unwrap();
        }
        let full = HostError::Full("calls without an answer", MAX_PENDING_CALLS);
        assert_eq!(callouts.http(by(1), b"otel", http(&FULL), 0), Err(full));
    }
}
