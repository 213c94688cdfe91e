//! What `vm` does to the state around each callback.

use super::callouts::Caller;
use super::stream::{Hold, Stream};
use super::{
    CallReply, Direction, HeaderMap, HostError, HostState, LocalReply, LogLevel, PropertyValue, ROOT_CONTEXT,
    RootId, StreamAction, StreamId,
};

static NO_HEADERS: HeaderMap = HeaderMap::new();

/// The callback that tells the guest of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyEvent {
    /// `proxy_on_http_call_response` with these counts; all zero for a failure.
    Http {
        /// Entries.
        headers: usize,
        /// Bytes.
        body: usize,
        /// Entries.
        trailers: usize,
    },
    /// `proxy_on_grpc_receive_initial_metadata` with this many entries.
    GrpcInitialMetadata(usize),
    /// `proxy_on_grpc_receive_trailing_metadata` with this many entries.
    GrpcTrailingMetadata(usize),
    /// `proxy_on_grpc_receive` with this many bytes.
    GrpcMessage(usize),
    /// `proxy_on_grpc_close` with this status.
    GrpcClose(u32),
}

impl HostState {
    /// Says which context's callback is about to run.
    pub fn enter(&mut self, context: u32, callback: &'static str) {
        self.callback = callback;
        self.current = context;
        self.effective = None;
        self.streams.enter(context);
    }

    /// The plugin whose configuration can be read now.
    pub fn set_configuring(&mut self, configuring: Option<RootId>) {
        self.configuring = configuring;
    }

    /// The configuration of the plugin that is being configured.
    pub fn plugin_configuration(&self) -> Option<&[u8]> {
        self.configuring.map(|root| self.root_options(root).configuration.as_slice())
    }

    /// What ABI 0.1.0 calls the configuration: the plugin's while it is configured, or else the VM's.
    pub fn current_configuration(&self) -> &[u8] {
        self.plugin_configuration().unwrap_or(&self.vm_configuration)
    }

    /// Bytes of the VM's configuration.
    pub fn vm_configuration_size(&self) -> usize {
        self.vm_configuration.len()
    }

    /// Contexts that are to be told of messages in queues, and the queues' tokens.
    pub fn take_queue_notices(&self) -> Vec<(u32, u32)> {
        self.shared.take_notices()
    }

    /// What the embedder calls the guest with.
    pub fn set_foreign_arguments(&mut self, arguments: Vec<u8>) {
        self.foreign_arguments = arguments;
    }

    /// A new stream of a plugin.
    pub fn open_stream(&mut self, root: RootId) -> StreamId {
        let id = StreamId(self.next_context());
        self.streams.insert(id.0);
        if let Some(stream) = self.of(id) {
            stream.root = root;
        }
        self.set_logging(id, false);
        id
    }

    /// A context's number that is not in use.
    pub(super) fn next_context(&mut self) -> u32 {
        loop {
            self.last_context = self.last_context.wrapping_add(1).max(ROOT_CONTEXT + 1);
            if !self.streams.contains_key(&self.last_context) && !self.roots.has(self.last_context) {
                return self.last_context;
            }
        }
    }

    /// Forgets a stream.
    pub fn remove_stream(&mut self, id: StreamId) {
        self.streams.remove(&id.0);
    }

    /// The streams of a plugin that are open.
    pub fn open_streams_of(&self, root: RootId) -> Vec<StreamId> {
        let streams = self.open_streams().into_iter();
        streams.filter(|stream| self.root_of(stream.0) == root).collect()
    }

    /// The streams that are open.
    pub fn open_streams(&self) -> Vec<StreamId> {
        self.streams.ids().into_iter().map(StreamId).collect()
    }

    /// Whether the stream is open.
    pub fn has_stream(&self, id: StreamId) -> bool {
        self.streams.contains_key(&id.0)
    }

    fn of(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.get_mut(&id.0)
    }

    /// Whether the stream's request has begun; before it, Envoy tells a filter nothing of a response.
    pub fn has_request(&self, id: StreamId) -> bool {
        self.streams.get(&id.0).is_some_and(|stream| stream.request.headers_came())
    }

    /// Sets a property of one stream.
    pub fn set_property(&mut self, id: StreamId, path: &[&str], value: PropertyValue) {
        if let Some(stream) = self.of(id) {
            stream.properties.insert(path, value);
        }
    }

    /// A side's headers as the guest left them.
    pub fn headers(&self, id: StreamId, direction: Direction) -> &HeaderMap {
        self.streams.get(&id.0).map_or(&NO_HEADERS, |stream| &stream.side(direction).headers)
    }

    /// Pairs of the request's head that the guest has removed.
    pub fn removed_request_headers(&self, id: StreamId) -> &HeaderMap {
        self.streams.get(&id.0).map_or(&NO_HEADERS, |stream| &stream.removed_request_headers)
    }

    /// A side's trailers as the guest left them.
    pub fn trailers(&self, id: StreamId, direction: Direction) -> &HeaderMap {
        self.streams.get(&id.0).map_or(&NO_HEADERS, |stream| &stream.side(direction).trailers)
    }

    /// A side's body as the guest left it: what it holds back, or the chunk that it let go last.
    pub fn body(&self, id: StreamId, direction: Direction) -> &[u8] {
        self.streams.get(&id.0).map_or(&[], |stream| &stream.side(direction).body)
    }

    /// Shows the guest a head; returns the number of entries.
    pub fn deliver_headers(&mut self, id: StreamId, direction: Direction, headers: HeaderMap) -> usize {
        let headers = match direction {
            Direction::Request | Direction::Downstream => self.profile.request_head(headers),
            Direction::Response | Direction::Upstream => headers,
        };
        self.of(id).map_or(0, |stream| stream.deliver_headers(direction, headers))
    }

    /// Shows the guest trailers; returns the number of entries.
    pub fn deliver_trailers(&mut self, id: StreamId, direction: Direction, trailers: HeaderMap) -> usize {
        self.of(id).map_or(0, |stream| stream.deliver_trailers(direction, trailers))
    }

    /// Shows the guest a chunk; returns the number of bytes that it sees.
    pub fn deliver_body(
        &mut self,
        id: StreamId,
        direction: Direction,
        chunk: Vec<u8>,
    ) -> Result<usize, HostError> {
        self.of(id).map_or(Ok(0), |stream| stream.deliver_body(direction, chunk))
    }

    /// The head goes on.
    pub fn release_headers(&mut self, id: StreamId, direction: Direction) {
        if let Some(stream) = self.of(id) {
            stream.release_headers(direction);
        }
    }

    /// The body goes on.
    pub fn release_body(&mut self, id: StreamId, direction: Direction) {
        if let Some(stream) = self.of(id) {
            stream.release_body(direction);
        }
    }

    /// The body stays. The guest's word that it go on counts for what was held before, and for nothing
    /// if nothing was, as in Envoy.
    pub fn hold_body(&mut self, id: StreamId, direction: Direction, hold: Hold) {
        let was_held = self.of(id).is_none_or(|stream| stream.hold_body(direction, hold));
        let go_on = match direction {
            Direction::Request | Direction::Downstream => StreamAction::ContinueRequest,
            Direction::Response | Direction::Upstream => StreamAction::ContinueResponse,
        };
        self.actions.retain(|(stream, action)| was_held || *stream != id || *action != go_on);
    }

    /// The piece of the body that is shown next is the last: the guest may make trailers, where it is told of
    /// them at all.
    pub fn end_body(&mut self, id: StreamId, direction: Direction) {
        let can_make = self.profile.tells_trailers();
        if let Some(stream) = self.of(id).filter(|_| can_make) {
            stream.end_body(direction);
        }
    }

    /// The trailers that the guest made where none came.
    pub fn take_made_trailers(&mut self, id: StreamId, direction: Direction) -> Option<HeaderMap> {
        self.of(id)?.take_made_trailers(direction)
    }

    /// The body goes on: its bytes as the guest left them.
    pub fn take_body(&mut self, id: StreamId, direction: Direction) -> Vec<u8> {
        let Some(stream) = self.of(id) else { return Vec::new() };
        stream.release_body(direction);
        std::mem::take(&mut stream.side_mut(direction).body)
    }

    /// The trailers go on.
    pub fn release_trailers(&mut self, id: StreamId, direction: Direction) {
        if let Some(stream) = self.of(id) {
            stream.release_trailers(direction);
        }
    }

    /// Whether the stream's maps are seen as in `proxy_on_log`.
    pub fn set_logging(&mut self, id: StreamId, logging: bool) {
        let logging = logging || self.profile.keeps_maps();
        if let Some(stream) = self.of(id) {
            stream.logging = logging;
        }
    }

    /// Takes the local reply that the callback of this stream made.
    pub fn take_local_reply(&mut self, id: StreamId) -> Option<LocalReply> {
        if !self.has_local_replies {
            return None;
        }
        self.of(id)?.local_reply.take()
    }

    /// Makes local replies of other callbacks into actions.
    pub fn collect_local_replies(&mut self) {
        if !self.has_local_replies {
            return;
        }
        for id in self.open_streams() {
            if let Some(reply) = self.take_local_reply(id) {
                self.actions.push((id, StreamAction::LocalReply(reply)));
            }
        }
        self.has_local_replies = false;
    }

    /// Makes an answer readable, by the plugin that is to be told of it; `None`, with a log line, if no call
    /// waits for it.
    pub fn begin_reply(&mut self, token: u32, reply: CallReply) -> Option<(RootId, ReplyEvent)> {
        let Some(Caller { context, root }) = self.callouts.answered(token, &reply) else {
            self.logs.host(
                LogLevel::Warn,
                format_args!("dropped an answer to call {token}, which waits for none"),
            );
            return None;
        };
        if context != root.0 && !self.streams.contains_key(&context) {
            self.logs.host(
                LogLevel::Warn,
                format_args!(
                    "call {token} was made by context {context}, which is gone; the SDK drops its answer"
                ),
            );
        }
        let event = match &reply {
            CallReply::Http { headers, body, trailers } => {
                ReplyEvent::Http { headers: headers.len(), body: body.len(), trailers: trailers.len() }
            }
            CallReply::HttpFailure => {
                // Envoy's WasmResult::BrokenConnection and text.
                self.status = (11, "reset".to_owned());
                ReplyEvent::Http { headers: 0, body: 0, trailers: 0 }
            }
            CallReply::Grpc { message } => ReplyEvent::GrpcMessage(message.len()),
            CallReply::GrpcInitialMetadata { metadata } => ReplyEvent::GrpcInitialMetadata(metadata.len()),
            CallReply::GrpcTrailingMetadata { metadata } => ReplyEvent::GrpcTrailingMetadata(metadata.len()),
            CallReply::GrpcClosed { status, message } | CallReply::GrpcFailure { status, message } => {
                self.status = (*status, message.clone());
                ReplyEvent::GrpcClose(*status)
            }
        };
        self.reply = Some(reply);
        Some((root, event))
    }

    /// The answer was delivered.
    pub fn end_reply(&mut self) {
        self.reply = None;
        self.status.1.clear();
    }
}
