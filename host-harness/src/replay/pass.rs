//! One request's pass through one proxy: what the host tells the filter, step by step, and what comes
//! out on the other side.

use std::net::SocketAddr;
use std::time::Duration;

use super::ReplayStats;
use super::fleet::{Fleet, Stream};
use super::schedule::Hop;
use crate::host::{HeaderMap, PropertyValue};
use crate::time::Timestamp;
use crate::vm::{LocalReply, Verdict, Vm};

/// The most bytes of a body that the filter is given at once, as Envoy reads them.
const MAX_CHUNK_BYTES: u64 = 16 << 10;

/// A pass under way.
pub(super) struct Pass {
    hop: Hop,
    /// None if the filter failed: the request passes without it.
    stream: Option<Stream>,
    /// Real time that the filter has taken.
    pub(super) took: Duration,
}

/// The connection that a pass is on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) is_http2: bool,
}

/// What goes back: recorded, or made by a filter.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) head: HeaderMap,
    pub(super) body_bytes: u64,
    pub(super) trailers: HeaderMap,
    /// Envoy's `response.code_details`.
    pub(super) details: Vec<u8>,
}

/// The replay's side of a pass: its proxies and its books.
pub(super) struct World<'e, 'a> {
    pub(super) fleet: &'e mut Fleet<'a>,
    pub(super) stats: &'e mut ReplayStats,
    pub(super) now: Timestamp,
}

impl Pass {
    /// The request's head comes. It goes onward as the filter leaves it, unless the filter answers.
    pub(super) fn begin(
        world: &mut World<'_, '_>,
        hop: Hop,
        connection: Connection,
        headers: &mut HeaderMap,
        has_body: bool,
    ) -> (Self, Option<Reply>) {
        world.stats.passes += 1;
        let opened = world.fleet.open(hop.proxy, world.now, world.stats);
        let mut pass = Self { hop, stream: opened.value, took: opened.took };
        pass.describe_request(world, connection);
        let given = headers.clone();
        let reply = pass.enter(world, |vm, id| vm.request_headers(id, given, !has_body));
        let left = pass.stream.and_then(|stream| world.fleet.look(stream, |vm, id| vm.onward_request(id)));
        if let Some(left) = left {
            *headers = left;
        }
        (pass, reply)
    }

    /// The request's body has come. Its bytes were not recorded; zeros stand for them.
    pub(super) fn request_body(&mut self, world: &mut World<'_, '_>, body_bytes: u64) -> Option<Reply> {
        let mut reply = None;
        let ends_empty = world.fleet.profile().ends_with_empty_chunk();
        for (chunk, is_last) in chunks(body_bytes, ends_empty) {
            reply = reply.or(self.enter(world, |vm, id| vm.request_body(id, chunk, is_last)));
        }
        reply
    }

    /// The response's head comes; `response` goes back as the filter leaves it.
    pub(super) fn response_head(&mut self, world: &mut World<'_, '_>, response: &mut Reply) {
        if let Some(code) = status(&response.head) {
            self.describe(world, vec![(&["response", "code"], PropertyValue::Int(code))]);
        }
        let details = PropertyValue::Bytes(response.details.clone());
        self.describe(world, vec![(&["response", "code_details"], details)]);
        let given = response.head.clone();
        let is_all = response.body_bytes == 0 && response.trailers.is_empty();
        if is_all {
            self.describe_upstream(world);
        }
        let reply = self.enter(world, |vm, id| vm.response_headers(id, given, is_all));
        let left =
            self.stream.and_then(|stream| world.fleet.look(stream, |vm, id| vm.response_map(id).clone()));
        if let Some(left) = left {
            response.head = left;
        }
        if let Some(reply) = reply {
            *response = reply;
        }
    }

    /// The rest of the response comes, and the stream ends.
    pub(super) fn end(&mut self, world: &mut World<'_, '_>, response: &Reply) {
        self.describe_upstream(world);
        let profile = world.fleet.profile();
        let has_trailers = !response.trailers.is_empty() && profile.tells_trailers();
        let ends_empty = profile.ends_with_empty_chunk() && !has_trailers;
        for (chunk, is_last) in chunks(response.body_bytes, ends_empty) {
            self.enter(world, |vm, id| vm.response_body(id, chunk, is_last && !has_trailers));
        }
        if has_trailers {
            let trailers = response.trailers.clone();
            self.enter(world, |vm, id| vm.response_trailers(id, trailers));
        }
        let duration = PropertyValue::Duration(world.now.since(self.hop.arrives));
        self.describe(world, vec![(&["request", "duration"], duration)]);
        if let Some(stream) = self.stream.take() {
            self.took += world.fleet.on_stream(stream, world.now, world.stats, Vm::close_stream).took;
        }
        world.stats.filter_time.add(self.took);
    }

    fn describe_request(&self, world: &mut World<'_, '_>, connection: Connection) {
        let Connection { source, destination, is_http2 } = connection;
        let address = |address: SocketAddr| PropertyValue::Bytes(address.to_string().into_bytes());
        let port = |address: SocketAddr| PropertyValue::Int(address.port().into());
        let protocol = if is_http2 { "HTTP/2" } else { "HTTP/1.1" };
        let known: Vec<(&[&str], PropertyValue)> = vec![
            (&["request", "time"], PropertyValue::Timestamp(self.hop.arrives)),
            (&["request", "protocol"], PropertyValue::Bytes(protocol.into())),
            (&["source", "address"], address(source)),
            (&["source", "port"], port(source)),
            (&["destination", "address"], address(destination)),
            (&["destination", "port"], port(destination)),
            (&["upstream", "address"], address(destination)),
            (&["upstream", "port"], port(destination)),
        ];
        self.describe(world, known);
    }

    fn describe_upstream(&self, world: &mut World<'_, '_>) {
        let latency = PropertyValue::Duration(self.hop.response_end.since(self.hop.forwards));
        self.describe(world, vec![(&["response", "backend_latency"], latency)]);
    }

    fn describe(&self, world: &mut World<'_, '_>, properties: Vec<(&[&str], PropertyValue)>) {
        if let Some(stream) = self.stream {
            world.fleet.describe(stream, properties);
        }
    }

    /// Enters the filter. A pause is counted and the traffic goes on: a replay has nobody to resume it.
    fn enter(
        &mut self,
        world: &mut World<'_, '_>,
        enter: impl FnOnce(&mut Vm, crate::vm::StreamId) -> Result<Verdict, crate::vm::VmError>,
    ) -> Option<Reply> {
        let entered = world.fleet.on_stream(self.stream?, world.now, world.stats, enter);
        self.took += entered.took;
        match entered.value? {
            Verdict::Continue => None,
            Verdict::Pause => {
                world.stats.pauses += 1;
                None
            }
            Verdict::LocalReply(reply) => {
                world.stats.local_replies += 1;
                Some(Reply::from(reply))
            }
        }
    }
}

impl From<LocalReply> for Reply {
    fn from(reply: LocalReply) -> Self {
        let mut head = HeaderMap::from_pairs([(":status", reply.status.to_string())]);
        reply.headers.iter().for_each(|(name, value)| head.add(name, value));
        if reply.grpc_status >= 0 {
            head.replace("grpc-status", reply.grpc_status.to_string());
        }
        let body_bytes = u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
        Self { head, body_bytes, trailers: HeaderMap::new(), details: reply.details }
    }
}

fn status(head: &HeaderMap) -> Option<i64> {
    std::str::from_utf8(head.first(":status")?).ok()?.parse().ok()
}

/// A body of zeros in chunks; the flag marks the last, which has no bytes if the body `ends_empty`.
fn chunks(body_bytes: u64, ends_empty: bool) -> impl Iterator<Item = (Vec<u8>, bool)> {
    let mut left = body_bytes;
    let full = std::iter::from_fn(move || {
        let size = left.min(MAX_CHUNK_BYTES);
        left -= size;
        let chunk = vec![0; usize::try_from(size).unwrap_or_default()];
        (size > 0).then_some((chunk, left == 0 && !ends_empty))
    });
    full.chain((ends_empty && body_bytes > 0).then(|| (Vec::new(), true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_in_chunks_of_which_one_is_the_last() {
        let sizes = |bytes, ends_empty| {
            chunks(bytes, ends_empty).map(|(chunk, is_last)| (chunk.len(), is_last)).collect::<Vec<_>>()
        };
        assert_eq!(sizes(0, false), []);
        assert_eq!(sizes(0, true), []);
        assert_eq!(sizes(MAX_CHUNK_BYTES, false), [(16_384, true)]);
        assert_eq!(sizes(MAX_CHUNK_BYTES + 1, false), [(16_384, false), (1, true)]);
        assert_eq!(sizes(MAX_CHUNK_BYTES + 1, true), [(16_384, false), (1, false), (0, true)]);
    }
}
