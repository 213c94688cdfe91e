//! One HTTP stream through the proxy: its maps, bodies and properties, and what of them may be seen now.

use super::property::PropertyTable;
use super::{Direction, HeaderMap, HostError, MapKind, RootId};

/// Most bytes of a body that is held back, or that a guest writes.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Most bytes of a map that a guest adds to.
pub const MAX_MAP_BYTES: usize = 4 * 1024 * 1024;
/// Most decisions of a guest kept until they are taken.
pub const MAX_ACTIONS: usize = 1024;

/// An HTTP stream's handle; the proxy-wasm context id.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub(crate) u32);

impl StreamId {
    /// Of no stream: contexts are counted from 1.
    pub(crate) const NONE: Self = Self(0);
}

/// A response that the guest sends itself, in place of the upstream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u32,
    /// For the proxy's own logs.
    pub details: Vec<u8>,
    /// Headers beside `:status`.
    pub headers: HeaderMap,
    /// May be empty.
    pub body: Vec<u8>,
    /// gRPC status, -1 for none.
    pub grpc_status: i32,
}

/// What a guest decided about a stream outside that stream's own callbacks, or beside their result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamAction {
    /// The request, held back until now, goes on.
    ContinueRequest,
    /// The response, held back until now, goes on.
    ContinueResponse,
    /// The stream is reset.
    Close,
    /// A reply sent while no callback of that stream's request or response was running.
    LocalReply(LocalReply),
}

/// How a body is held back, as Envoy's `FilterDataStatus` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It is not.
    #[default]
    Nothing,
    /// What comes is added to it and shown together with it (`StopIterationAndBuffer`).
    Shown,
    /// What comes is shown alone, and then added to it (`StopIterationAndWatermark`).
    Unseen,
    /// As unseen, but the piece that was shown alone is lost (`StopIterationNoBuffer`).
    Lost,
}

/// Requests and responses alike: a head, a body in chunks, trailers.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) headers: HeaderMap,
    /// Room for a copy of the head, from the stream that was here before.
    spare: HeaderMap,
    pub(super) trailers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// What is held in front of a piece that is shown alone.
    front: Vec<u8>,
    hold: Hold,
    /// The piece that is shown is the last, so that trailers can still be made.
    body_ends: bool,
    /// The guest has made trailers where none came.
    trailers_made: bool,
    headers_open: bool,
    body_open: bool,
    trailers_open: bool,
    headers_came: bool,
    trailers_came: bool,
}

impl Side {
    /// As new, but with the room that the head has taken.
    fn reset(&mut self) {
        let head = std::mem::take(&mut self.headers).into_spare();
        let spare = if head.is_empty() { std::mem::take(&mut self.spare) } else { head };
        *self = Self { spare, ..Self::default() };
    }

    pub(super) fn headers_came(&self) -> bool {
        self.headers_came
    }

    /// Puts what was held in front of the piece that was shown alone.
    fn join(&mut self) {
        if !self.front.is_empty() {
            self.front.append(&mut self.body);
            self.body = std::mem::take(&mut self.front);
        }
    }

    fn has_trailers(&self) -> bool {
        self.trailers_open || self.trailers_made && self.body_open
    }

    fn trailers_mut(&mut self) -> (&mut HeaderMap, bool) {
        self.trailers_made |= self.body_open && self.body_ends;
        let open = self.has_trailers();
        (&mut self.trailers, open)
    }

    /// The body, if it may be read and changed now.
    pub(super) fn open_body(&self) -> Option<&[u8]> {
        self.body_open.then_some(&self.body)
    }

    /// As [`open_body`](Self::open_body), to change it.
    pub(super) fn open_body_mut(&mut self) -> Option<&mut Vec<u8>> {
        self.body_open.then_some(&mut self.body)
    }
}

/// A stream's state.
#[derive(Debug)]
pub(super) struct Stream {
    /// The plugin that it belongs to.
    pub(super) root: RootId,
    pub(super) request: Side,
    pub(super) response: Side,
    pub(super) properties: PropertyTable,
    pub(super) guest_properties: PropertyTable,
    pub(super) guest_property_bytes: usize,
    pub(super) removed_request_headers: HeaderMap,
    pub(super) logging: bool,
    pub(super) local_reply: Option<LocalReply>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            root: RootId::FIRST,
            request: Side::default(),
            response: Side::default(),
            properties: PropertyTable::default(),
            guest_properties: PropertyTable::default(),
            guest_property_bytes: 0,
            removed_request_headers: HeaderMap::default(),
            logging: false,
            local_reply: None,
        }
    }
}

impl Stream {
    /// As new, but with the room that the one before has taken for its heads and properties.
    pub(super) fn reset(&mut self) {
        let Self { request, response, properties, guest_properties, .. } = self;
        request.reset();
        response.reset();
        properties.clear();
        guest_properties.clear();
        self.guest_property_bytes = 0;
        self.removed_request_headers = HeaderMap::new();
        self.logging = false;
        self.local_reply = None;
    }

    pub(super) fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Response | Direction::Upstream => &self.response,
            Direction::Request | Direction::Downstream => &self.request,
        }
    }

    pub(super) fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Response | Direction::Upstream => &mut self.response,
            Direction::Request | Direction::Downstream => &mut self.request,
        }
    }

    /// Lets the guest see a head; returns the number of entries.
    pub(super) fn deliver_headers(&mut self, direction: Direction, headers: HeaderMap) -> usize {
        let side = self.side_mut(direction);
        side.headers = headers;
        (side.headers_open, side.headers_came) = (true, true);
        side.headers.len()
    }

    /// Lets the guest see trailers; returns the number of entries.
    pub(super) fn deliver_trailers(&mut self, direction: Direction, trailers: HeaderMap) -> usize {
        let side = self.side_mut(direction);
        side.trailers = trailers;
        (side.trailers_open, side.trailers_came) = (true, true);
        side.trailers.len()
    }

    /// Lets the guest see a chunk behind what it held back; returns the number of bytes it sees.
    pub(super) fn deliver_body(&mut self, direction: Direction, chunk: Vec<u8>) -> Result<usize, HostError> {
        let side = self.side_mut(direction);
        if side.hold != Hold::Nothing && side.body.len().saturating_add(chunk.len()) > MAX_BODY_BYTES {
            return Err(HostError::Full("held body's bytes", MAX_BODY_BYTES));
        }
        match side.hold {
            Hold::Nothing => side.body = chunk,
            Hold::Shown => side.body.extend_from_slice(&chunk),
            Hold::Unseen | Hold::Lost => side.front = std::mem::replace(&mut side.body, chunk),
        }
        side.body_open = true;
        Ok(side.body.len())
    }

    /// After Continue a head cannot be reached any more, as in Envoy.
    pub(super) fn release_headers(&mut self, direction: Direction) {
        self.side_mut(direction).headers_open = false;
    }

    pub(super) fn release_body(&mut self, direction: Direction) {
        let side = self.side_mut(direction);
        side.join();
        (side.body_open, side.hold) = (false, Hold::Nothing);
    }

    /// While the last piece of a body is shown, its trailers can be made.
    pub(super) fn end_body(&mut self, direction: Direction) {
        self.side_mut(direction).body_ends = true;
    }

    /// The trailers that the guest has made.
    pub(super) fn take_made_trailers(&mut self, direction: Direction) -> Option<HeaderMap> {
        let side = self.side_mut(direction);
        std::mem::take(&mut side.trailers_made).then(|| side.trailers.clone())
    }

    /// The body stays, and what comes next is shown so; whether it was held already. A piece that was shown
    /// together with what was held is not lost.
    pub(super) fn hold_body(&mut self, direction: Direction, hold: Hold) -> bool {
        let side = self.side_mut(direction);
        let before = std::mem::replace(&mut side.hold, hold);
        if hold == Hold::Lost && before != Hold::Shown {
            side.body = std::mem::take(&mut side.front);
        }
        side.join();
        side.body_open = hold == Hold::Shown;
        before != Hold::Nothing
    }

    pub(super) fn release_trailers(&mut self, direction: Direction) {
        self.side_mut(direction).trailers_open = false;
    }

    /// `continue_stream`, of whichever direction, takes the request's maps away, as in Envoy. A body that is
    /// held stays so until the proxy lets it go.
    pub(super) fn release_request(&mut self) {
        self.release_headers(Direction::Request);
        self.request.body_open = false;
        self.release_trailers(Direction::Request);
    }

    /// The map, if it may be read now: in its own phase, and all but request trailers in `on_log`.
    pub(super) fn map(&self, kind: MapKind) -> Option<&HeaderMap> {
        let (request, response) = (&self.request, &self.response);
        let (map, readable) = match kind {
            MapKind::RequestHeaders => {
                (&request.headers, request.headers_open || self.logging && request.headers_came)
            }
            MapKind::RequestTrailers => (&request.trailers, request.has_trailers()),
            MapKind::ResponseHeaders => {
                (&response.headers, response.headers_open || self.logging && response.headers_came)
            }
            MapKind::ResponseTrailers => {
                (&response.trailers, response.has_trailers() || self.logging && response.trailers_came)
            }
            MapKind::GrpcInitialMetadata
            | MapKind::GrpcTrailingMetadata
            | MapKind::CallHeaders
            | MapKind::CallTrailers => return None,
        };
        readable.then_some(map)
    }

    /// The map, if it may be changed now: only in its own phase, and trailers that did not come with the last
    /// piece of the body, too.
    pub(super) fn map_mut(&mut self, kind: MapKind) -> Option<&mut HeaderMap> {
        let (request, response) = (&mut self.request, &mut self.response);
        let (map, open) = match kind {
            MapKind::RequestHeaders => (&mut request.headers, request.headers_open),
            MapKind::RequestTrailers => request.trailers_mut(),
            MapKind::ResponseHeaders => (&mut response.headers, response.headers_open),
            MapKind::ResponseTrailers => response.trailers_mut(),
            MapKind::GrpcInitialMetadata
            | MapKind::GrpcTrailingMetadata
            | MapKind::CallHeaders
            | MapKind::CallTrailers => return None,
        };
        open.then_some(map)
    }
}

impl Stream {
    /// As [`map_mut`](Self::map_mut), for one that is about to change: a head that is shared is copied into
    /// room that there is.
    pub(super) fn own_map_mut(&mut self, kind: MapKind) -> Option<&mut HeaderMap> {
        let side = match kind {
            MapKind::RequestHeaders => &mut self.request,
            MapKind::ResponseHeaders => &mut self.response,
            _ => return self.map_mut(kind),
        };
        if !side.headers_open {
            return None;
        }
        side.headers.own(&mut side.spare);
        Some(&mut side.headers)
    }
}

/// Replaces a range of a body by Envoy's rules: from 0, as much as there is of it (nothing prepends, everything
/// replaces); from the end or beyond it (append).
pub(super) fn splice_body(
    body: &mut Vec<u8>,
    start: usize,
    length: usize,
    bytes: &[u8],
) -> Result<(), HostError> {
    if body.len().saturating_add(bytes.len()) > MAX_BODY_BYTES {
        return Err(HostError::Full("body's bytes", MAX_BODY_BYTES));
    }
    match (start, length) {
        (0, length) => {
            body.splice(0..length.min(body.len()), bytes.iter().copied());
        }
        (start, _) if start > 0 && start >= body.len() => body.extend_from_slice(bytes),
        _ => return Err(HostError::BadRange),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_spliced_by_envoys_rules() {
        let table = [
            ("prepend", 0, 0, Ok("xxabc")),
            ("replace all", 0, 3, Ok("xx")),
            ("replace more than all", 0, 99, Ok("xx")),
            ("append at the end", 3, 0, Ok("abcxx")),
            ("append beyond the end", 99, 7, Ok("abcxx")),
            ("a part from the start", 0, 2, Ok("xxc")),
            ("a part from the middle", 1, 1, Err(HostError::BadRange)),
        ];
        for (reason, start, length, expected) in table {
            let mut body = b"abc".to_vec();
            let done = splice_body(&mut body, start, length, b"xx");
            assert_eq!(
                done.map(|()| String::from_utf8(body).unwrap()),
                expected.map(str::to_owned),
                "{reason}"
            );
        }
    }
}
