//! gRPC streams that the guest has opened: which are open, and on which side.
//! What goes out on them waits in `callouts`.

use std::collections::BTreeMap;

use super::RootId;
use super::callouts::Caller;

/// One stream, for as long as the guest may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GrpcStream {
    /// Who opened it.
    pub(super) caller: Caller,
    /// The cluster's name.
    pub(super) upstream: Vec<u8>,
    local_closed: bool,
    remote_closed: bool,
}

/// The streams by their tokens.
#[derive(Debug, Default)]
pub(super) struct GrpcStreams(BTreeMap<u32, GrpcStream>);

impl GrpcStreams {
    pub(super) fn open(&mut self, token: u32, caller: Caller, upstream: Vec<u8>) {
        let stream = GrpcStream { caller, upstream, local_closed: false, remote_closed: false };
        self.0.insert(token, stream);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, token: u32) -> bool {
        self.0.contains_key(&token)
    }

    pub(super) fn stream(&self, token: u32) -> Option<&GrpcStream> {
        self.0.get(&token)
    }

    /// The guest sends no more. The stream is gone once the other side has ended, too.
    pub(super) fn close_local(&mut self, token: u32) {
        if let Some(stream) = self.0.get_mut(&token) {
            stream.local_closed = true;
        }
        self.forget_if_ended(token);
    }

    /// The upstream has ended the stream. The guest may name it until it has closed it, too, as in Envoy.
    pub(super) fn close_remote(&mut self, token: u32) {
        if let Some(stream) = self.0.get_mut(&token) {
            stream.remote_closed = true;
        }
        self.forget_if_ended(token);
    }

    /// Forgets a stream; says whether there was one.
    pub(super) fn reset(&mut self, token: u32) -> bool {
        self.0.remove(&token).is_some()
    }

    /// Forgets the streams of a plugin.
    pub(super) fn forget(&mut self, root: RootId) {
        self.0.retain(|_, stream| stream.caller.root != root);
    }

    fn forget_if_ended(&mut self, token: u32) {
        if self.0.get(&token).is_some_and(|stream| stream.local_closed && stream.remote_closed) {
            self.0.remove(&token);
        }
    }
}

impl GrpcStream {
    /// Whether a message of the guest still reaches the upstream.
    pub(super) fn takes_messages(&self) -> bool {
        !self.local_closed && !self.remote_closed
    }

    /// Whether the upstream may still answer.
    pub(super) fn waits(&self) -> bool {
        !self.remote_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: Caller = Caller { context: 1, root: RootId::FIRST };

    #[test]
    fn a_stream_is_gone_when_both_sides_have_closed_it() {
        for guest_first in [true, false] {
            let mut streams = GrpcStreams::default();
            streams.open(6, CALLER, b"otel".to_vec());
            assert!(streams.stream(6).unwrap().takes_messages());
            if guest_first {
                streams.close_local(6)
            } else {
                streams.close_remote(6)
            }
            assert!(streams.has(6), "half closed");
            assert!(!streams.stream(6).unwrap().takes_messages());
            assert_eq!(streams.stream(6).unwrap().waits(), guest_first);
            if guest_first {
                streams.close_remote(6)
            } else {
                streams.close_local(6)
            }
            assert!(!streams.has(6));
        }
        let mut streams = GrpcStreams::default();
        streams.open(6, CALLER, Vec::new());
        assert!(streams.reset(6));
        assert!(!streams.reset(6), "once");
    }
}
