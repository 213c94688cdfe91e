//! What hostcalls read and change, in the context that is running or that the guest has chosen.

mod attributes;
mod outside;

pub(super) use attributes::Attribute;

use super::derived::encode_derived;
use super::stream::{MAX_ACTIONS, Stream, splice_body};
use super::{
    BufferKind, CallReply, Direction, ENTRY_OVERHEAD, HeaderMap, HostError, HostState, LocalReply, LogLevel,
    MAX_MAP_BYTES, MAX_PROPERTY_BYTES, MapKind, PropertyValue, StreamAction, StreamId,
};

static NO_BYTES: &[u8] = &[];
/// Properties of Envoy that are nothing but their parts.
const PROPERTY_GROUPS: [&[u8]; 9] = [
    b"",
    b"connection",
    b"destination",
    b"filter_state",
    b"request",
    b"response",
    b"source",
    b"upstream",
    b"xds",
];

impl HostState {
    /// The context that hostcalls act on.
    pub(super) fn context(&self) -> u32 {
        self.effective.unwrap_or(self.current)
    }

    fn stream(&self) -> Option<&Stream> {
        self.streams.get(&self.context())
    }

    fn stream_mut(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context)
    }

    /// Makes later hostcalls of this callback act on another context.
    pub fn set_effective_context(&mut self, id: u32) -> Result<(), HostError> {
        // 0 is no context: the callback's own counts again.
        if id != 0 && !self.roots.has(id) && !self.streams.contains_key(&id) {
            return Err(HostError::NoSuchContext(id));
        }
        self.effective = (id != 0).then_some(id);
        Ok(())
    }

    /// A map, if it may be read now.
    pub fn map(&self, kind: MapKind) -> Option<&HeaderMap> {
        match (kind, &self.reply) {
            (MapKind::RequestTrailers | MapKind::ResponseTrailers, _) if !self.profile.tells_trailers() => {
                None
            }
            (MapKind::CallHeaders, Some(CallReply::Http { headers, .. })) => Some(headers),
            (MapKind::CallTrailers, Some(CallReply::Http { trailers, .. })) => Some(trailers),
            (MapKind::GrpcInitialMetadata, Some(CallReply::GrpcInitialMetadata { metadata }))
            | (MapKind::GrpcTrailingMetadata, Some(CallReply::GrpcTrailingMetadata { metadata })) => {
                Some(metadata)
            }
            _ => self.stream()?.map(kind),
        }
    }

    /// Why a value of a map that is not there cannot be read: in `proxy_on_log` it is only not found.
    pub fn absent_map(&self) -> HostError {
        let is_logging = self.stream().is_some_and(|stream| stream.logging) && !self.profile.keeps_maps();
        if is_logging { HostError::NotFound } else { HostError::OutsidePhase }
    }

    /// A map that may be changed now.
    pub fn map_mut(&mut self, kind: MapKind) -> Result<&mut HeaderMap, HostError> {
        self.stream_mut().and_then(|stream| stream.map_mut(kind)).ok_or(HostError::OutsidePhase)
    }

    fn own_map_mut(&mut self, kind: MapKind) -> Result<&mut HeaderMap, HostError> {
        self.stream_mut().and_then(|stream| stream.own_map_mut(kind)).ok_or(HostError::OutsidePhase)
    }

    /// Appends a pair, its name in lower case as Envoy does; refuses to grow a map without end.
    pub fn add_header(&mut self, kind: MapKind, name: &[u8], value: &[u8]) -> Result<(), HostError> {
        let profile = self.profile;
        let map = self.own_map_mut(kind)?;
        check_room(map, name, value)?;
        profile.add(map, name, value);
        Ok(())
    }

    /// Leaves one pair of that name, its name in lower case if it is new.
    pub fn replace_header(&mut self, kind: MapKind, name: &[u8], value: &[u8]) -> Result<(), HostError> {
        let profile = self.profile;
        let map = self.own_map_mut(kind)?;
        check_room(map, name, value)?;
        profile.replace(map, name, value);
        Ok(())
    }

    /// Removes every pair of that name, and keeps those of the request's head for
    /// [`removed_request_headers`](Self::removed_request_headers).
    pub fn remove_header(&mut self, kind: MapKind, name: &[u8]) -> Result<(), HostError> {
        let name = self.profile.alias(name);
        let map = self.map_mut(kind)?;
        let removed: Vec<_> = map.all(name).map(|value| (name.to_vec(), value.to_vec())).collect();
        map.remove(name);
        if let (MapKind::RequestHeaders, Some(stream)) = (kind, self.stream_mut()) {
            let kept = &mut stream.removed_request_headers;
            for (name, value) in removed {
                if check_room(kept, &name, &value).is_ok() {
                    kept.add(name, value);
                }
            }
        }
        Ok(())
    }

    /// A buffer's bytes. As in Envoy a body outside its phase is empty, other buffers are not there.
    pub fn buffer(&self, kind: BufferKind) -> Result<&[u8], HostError> {
        let body = |direction| {
            self.stream().and_then(|stream| stream.side(direction).open_body()).unwrap_or(NO_BYTES)
        };
        match (kind, &self.reply) {
            (BufferKind::RequestBody, _) => Ok(body(Direction::Request)),
            (BufferKind::ResponseBody, _) => Ok(body(Direction::Response)),
            (BufferKind::CallBody, Some(CallReply::Http { body, .. })) => Ok(body),
            (BufferKind::CallBody, _) => Err(HostError::NotFound),
            (BufferKind::GrpcMessage, Some(CallReply::Grpc { message })) => Ok(message),
            (BufferKind::VmConfiguration, _) => Ok(&self.vm_configuration),
            (BufferKind::ForeignArguments, _) => Ok(&self.foreign_arguments),
            (BufferKind::PluginConfiguration, _) => self.plugin_configuration().ok_or(HostError::NotFound),
            (BufferKind::GrpcMessage | BufferKind::DownstreamData | BufferKind::UpstreamData, _) => {
                Ok(NO_BYTES)
            }
        }
    }

    /// Replaces a range of a body; other buffers cannot be changed.
    pub fn set_buffer(
        &mut self,
        kind: BufferKind,
        start: usize,
        length: usize,
        bytes: &[u8],
    ) -> Result<(), HostError> {
        self.buffer(kind)?;
        let direction = match kind {
            BufferKind::RequestBody => Direction::Request,
            BufferKind::ResponseBody => Direction::Response,
            BufferKind::DownstreamData
            | BufferKind::UpstreamData
            | BufferKind::CallBody
            | BufferKind::GrpcMessage
            | BufferKind::VmConfiguration
            | BufferKind::PluginConfiguration
            | BufferKind::ForeignArguments => return Err(HostError::BadRange),
        };
        let body = self.stream_mut().and_then(|stream| stream.side_mut(direction).open_body_mut());
        splice_body(body.ok_or(HostError::BadRange)?, start, length, bytes)
    }

    /// Appends the bytes of a property; `path` has its parts joined by NUL.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::PropertyGroup`].
    pub fn property(&self, path: &[u8], out: &mut Vec<u8>) -> Result<(), HostError> {
        let (path, profile) = (path.strip_suffix(&[0]).unwrap_or(path), self.profile);
        if !profile.has_property(path) || self.stream().is_none() && !profile.has_root_properties() {
            return Err(HostError::NotFound);
        }
        let of_stream = |stream: &Stream, out: &mut Vec<u8>| {
            stream.properties.encode(path, profile, out)
                || encode_derived(stream, path, profile, out)
                || own_property(path).is_some_and(|path| stream.guest_properties.encode(path, profile, out))
        };
        let found = self.stream().is_some_and(|stream| of_stream(stream, out))
            || self.properties.encode(path, profile, out)
            || self.roots.get(self.root_of(self.context())).properties.encode(path, profile, out);
        match found {
            true => Ok(()),
            false if profile.groups_properties() && PROPERTY_GROUPS.contains(&path) => {
                Err(HostError::PropertyGroup)
            }
            false => Err(HostError::NotFound),
        }
    }

    /// Says that a property which the guest read is not there, on hosts that do.
    pub fn missed_property(&mut self, path: &[u8]) {
        if self.profile.logs_missing_properties() {
            let dotted = String::from_utf8_lossy(path).replace('\0', ".");
            self.logs.host(LogLevel::Error, format_args!("property {dotted:?} not found"));
        }
    }

    /// Sets a property of the guest's own; only streams have those, as in Envoy. As there, one of several parts
    /// or of none cannot be read back.
    pub fn set_guest_property(&mut self, path: &[u8], value: &[u8]) -> Result<(), HostError> {
        let readonly = self.declared.get(path).is_some_and(|readonly| *readonly);
        let stream = self.stream_mut().ok_or(HostError::NotFound)?;
        if readonly && stream.guest_properties.has(path) {
            return Err(HostError::ReadOnly);
        }
        let added = path.len().saturating_add(value.len()).saturating_add(ENTRY_OVERHEAD);
        let bytes = stream.guest_property_bytes.saturating_add(added);
        if bytes > MAX_PROPERTY_BYTES {
            return Err(HostError::Full("properties' bytes", MAX_PROPERTY_BYTES));
        }
        stream.guest_property_bytes = bytes;
        stream.guest_properties.insert(&[path], PropertyValue::Bytes(value.to_vec()));
        Ok(())
    }

    /// Lets a held stream go on. Downstream there is nothing to let go, upstream Envoy has no way to.
    pub fn continue_stream(&mut self, direction: Direction) -> Result<(), HostError> {
        let action = match direction {
            Direction::Request => StreamAction::ContinueRequest,
            Direction::Response => StreamAction::ContinueResponse,
            Direction::Downstream => return Ok(()),
            Direction::Upstream => return Err(HostError::Unimplemented("continue_stream of an upstream")),
        };
        if let Some(stream) = self.stream_mut() {
            stream.release_request();
            self.push_action(action)?;
        }
        Ok(())
    }

    /// Resets an HTTP stream; for TCP directions there is nothing to close.
    pub fn close_stream(&mut self, direction: Direction) -> Result<(), HostError> {
        match direction {
            Direction::Request | Direction::Response if self.stream().is_some() => {
                self.push_action(StreamAction::Close)
            }
            Direction::Request | Direction::Response | Direction::Downstream | Direction::Upstream => Ok(()),
        }
    }

    fn push_action(&mut self, action: StreamAction) -> Result<(), HostError> {
        if self.actions.len() >= MAX_ACTIONS {
            return Err(HostError::Full("stream actions", MAX_ACTIONS));
        }
        self.actions.push((StreamId(self.context()), action));
        Ok(())
    }

    /// Answers the stream's request locally; of several replies the first counts. Elsewhere it does nothing.
    pub fn send_local_reply(&mut self, reply: LocalReply) {
        if let Some(stream) = self.stream_mut() {
            stream.local_reply.get_or_insert(reply);
            self.has_local_replies = true;
        }
    }

    /// The status of the call whose answer is being delivered, or of the last one that failed.
    pub fn status(&self) -> (u32, &str) {
        (self.status.0, &self.status.1)
    }
}

fn check_room(map: &HeaderMap, name: &[u8], value: &[u8]) -> Result<(), HostError> {
    let held = map.byte_size() + map.len() * ENTRY_OVERHEAD;
    if held.saturating_add(name.len()).saturating_add(value.len()) > MAX_MAP_BYTES {
        return Err(HostError::Full("map's bytes", MAX_MAP_BYTES));
    }
    Ok(())
}

/// The path of a property of the guest's own, by its name or by the one that Envoy gives it.
fn own_property(path: &[u8]) -> Option<&[u8]> {
    let path = path.strip_prefix(b"filter_state\0wasm.").unwrap_or(path);
    let name = path.strip_prefix(b"filter_state\0").unwrap_or(path);
    (!name.is_empty() && !name.contains(&0)).then_some(path)
}
