//! Streams: what passes through the proxy is shown to the guest step by step.

use super::{HeaderMap, HostProfile, Lifecycle, PropertyValue, StreamId, Verdict, Vm, VmError, wasm_size};
use crate::host::{Direction, Hold, MAX_BODY_BYTES, RootId};

impl Vm {
    /// A new HTTP stream.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn open_stream(&mut self) -> Result<StreamId, VmError> {
        self.open_stream_of(RootId::FIRST)
    }

    /// Sets a property of one stream; of one that is not open, does nothing.
    pub fn set_property(&mut self, stream: StreamId, path: &[&str], value: PropertyValue) {
        self.state_mut().set_property(stream, path, value);
    }

    /// The request's head.
    ///
    /// # Errors
    /// [`VmError`] if the stream is not open or the guest fails; so for the other steps.
    pub fn request_headers(
        &mut self,
        stream: StreamId,
        headers: HeaderMap,
        end_of_stream: bool,
    ) -> Result<Verdict, VmError> {
        self.headers(stream, Direction::Request, headers, end_of_stream)
    }

    /// A piece of the request's body.
    ///
    /// # Errors
    /// As [`request_headers`](Self::request_headers); [`VmError::BodyLimit`] if the guest holds back too much.
    pub fn request_body(
        &mut self,
        stream: StreamId,
        bytes: Vec<u8>,
        end_of_stream: bool,
    ) -> Result<Verdict, VmError> {
        self.body(stream, Direction::Request, bytes, end_of_stream)
    }

    /// The request's trailers.
    ///
    /// # Errors
    /// As [`request_headers`](Self::request_headers).
    pub fn request_trailers(&mut self, stream: StreamId, trailers: HeaderMap) -> Result<Verdict, VmError> {
        self.trailers(stream, Direction::Request, trailers)
    }

    /// The response's head. Before the request's head the guest is told of nothing, as in Envoy.
    ///
    /// # Errors
    /// As [`request_headers`](Self::request_headers).
    pub fn response_headers(
        &mut self,
        stream: StreamId,
        headers: HeaderMap,
        end_of_stream: bool,
    ) -> Result<Verdict, VmError> {
        self.headers(stream, Direction::Response, headers, end_of_stream)
    }

    /// A piece of the response's body.
    ///
    /// # Errors
    /// As [`request_body`](Self::request_body).
    pub fn response_body(
        &mut self,
        stream: StreamId,
        bytes: Vec<u8>,
        end_of_stream: bool,
    ) -> Result<Verdict, VmError> {
        self.body(stream, Direction::Response, bytes, end_of_stream)
    }

    /// The response's trailers.
    ///
    /// # Errors
    /// As [`request_headers`](Self::request_headers).
    pub fn response_trailers(&mut self, stream: StreamId, trailers: HeaderMap) -> Result<Verdict, VmError> {
        self.trailers(stream, Direction::Response, trailers)
    }

    /// The request's head as the guest left it; without entries for a stream that is not open.
    pub fn request_map(&self, stream: StreamId) -> &HeaderMap {
        self.state().headers(stream, Direction::Request)
    }

    /// The response's head as the guest left it; without entries for a stream that is not open.
    pub fn response_map(&self, stream: StreamId) -> &HeaderMap {
        self.state().headers(stream, Direction::Response)
    }

    /// The request's trailers as the guest left them.
    pub fn request_trailers_map(&self, stream: StreamId) -> &HeaderMap {
        self.state().trailers(stream, Direction::Request)
    }

    /// The response's trailers as the guest left them.
    pub fn response_trailers_map(&self, stream: StreamId) -> &HeaderMap {
        self.state().trailers(stream, Direction::Response)
    }

    /// What the guest holds back of the request's body, or what it let go last.
    pub fn request_body_bytes(&self, stream: StreamId) -> &[u8] {
        self.state().body(stream, Direction::Request)
    }

    /// What the guest holds back of the response's body, or what it let go last.
    pub fn response_body_bytes(&self, stream: StreamId) -> &[u8] {
        self.state().body(stream, Direction::Response)
    }

    /// Takes what [`request_body_bytes`](Self::request_body_bytes) shows, which the guest then cannot reach
    /// any more; the next piece begins anew.
    pub fn take_request_body(&mut self, stream: StreamId) -> Vec<u8> {
        self.state_mut().take_body(stream, Direction::Request)
    }

    /// As [`take_request_body`](Self::take_request_body), of the response.
    pub fn take_response_body(&mut self, stream: StreamId) -> Vec<u8> {
        self.state_mut().take_body(stream, Direction::Response)
    }

    /// Takes the trailers that the guest made, with the last piece of the body, where none came.
    pub fn take_made_trailers(&mut self, stream: StreamId, direction: Direction) -> Option<HeaderMap> {
        self.state_mut().take_made_trailers(stream, direction)
    }

    /// The proxy that the host behaves as.
    pub fn profile(&self) -> HostProfile {
        self.state().profile()
    }

    /// The request's head as the proxy sends it on; as HTTP/2 has it, whatever the host's profile.
    pub fn onward_request(&self, stream: StreamId) -> HeaderMap {
        self.state().profile().onward_head(self.request_map(stream).clone())
    }

    /// Pairs of the request's head that the guest removed. In nginx the stock proxy module sends them on
    /// nevertheless, unless its configuration sets them by `proxy_set_header`.
    pub fn removed_request_headers(&self, stream: StreamId) -> &HeaderMap {
        self.state().removed_request_headers(stream)
    }

    /// The stream's end, in the order of the plugin's [`Lifecycle`]; afterwards the stream is gone.
    ///
    /// # Errors
    /// [`VmError`] if the stream is not open or the guest fails.
    pub fn close_stream(&mut self, stream: StreamId) -> Result<(), VmError> {
        self.check(stream)?;
        let ended = match self.lifecycle {
            Lifecycle::Envoy => self.log_stream(stream).and_then(|()| self.end_stream(stream)),
            Lifecycle::Specification => self.end_stream(stream).and_then(|()| self.log_stream(stream)),
        };
        let ended = ended
            .and_then(|()| self.call("proxy_on_delete", stream.0, |exports| &exports.delete, stream.0, ()));
        self.state_mut().remove_stream(stream);
        ended
    }

    fn log_stream(&mut self, stream: StreamId) -> Result<(), VmError> {
        self.state_mut().set_logging(stream, true);
        self.call("proxy_on_log", stream.0, |exports| &exports.log, stream.0, ())?;
        self.state_mut().set_logging(stream, false);
        Ok(())
    }

    /// A stream's wish to wait is not granted, as in Envoy.
    fn end_stream(&mut self, stream: StreamId) -> Result<(), VmError> {
        self.call("proxy_on_done", stream.0, |exports| &exports.done, stream.0, 1).map(|_| ())
    }

    fn headers(
        &mut self,
        stream: StreamId,
        direction: Direction,
        headers: HeaderMap,
        end_of_stream: bool,
    ) -> Result<Verdict, VmError> {
        self.check(stream)?;
        let told = direction == Direction::Request || self.state().has_request(stream);
        let count = self.state_mut().deliver_headers(stream, direction, headers);
        let is_end = end_of_stream && self.state().profile().tells_end_with_head();
        let parameters = (stream.0, wasm_size(count), u32::from(is_end));
        let action = match direction {
            _ if !told => 0,
            direction => self.tell_head(direction, parameters)?,
        };
        let verdict = self.verdict(stream, of_head(action));
        if verdict == Verdict::Continue {
            self.state_mut().release_headers(stream, direction);
        }
        Ok(verdict)
    }

    fn body(
        &mut self,
        stream: StreamId,
        direction: Direction,
        bytes: Vec<u8>,
        end_of_stream: bool,
    ) -> Result<Verdict, VmError> {
        self.check(stream)?;
        let told = self.state().has_request(stream);
        let size = self.state_mut().deliver_body(stream, direction, bytes);
        let size = size.map_err(|_| VmError::BodyLimit(MAX_BODY_BYTES))?;
        if end_of_stream {
            self.state_mut().end_body(stream, direction);
        }
        let parameters = (stream.0, wasm_size(size), u32::from(end_of_stream));
        let action = match direction {
            _ if !told => 0,
            Direction::Response | Direction::Upstream => self.call(
                "proxy_on_response_body",
                stream.0,
                |exports| &exports.response_body,
                parameters,
                0,
            )?,
            Direction::Request | Direction::Downstream => {
                self.call("proxy_on_request_body", stream.0, |exports| &exports.request_body, parameters, 0)?
            }
        };
        let verdict = self.verdict(stream, of_body(action));
        match verdict {
            Verdict::Continue => self.state_mut().release_body(stream, direction),
            Verdict::Pause | Verdict::Buffer => self.state_mut().hold_body(stream, direction, Hold::Shown),
            Verdict::Watermark => self.state_mut().hold_body(stream, direction, Hold::Unseen),
            Verdict::Drop => self.state_mut().hold_body(stream, direction, Hold::Lost),
            Verdict::LocalReply(_) => {}
        }
        Ok(verdict)
    }

    fn trailers(
        &mut self,
        stream: StreamId,
        direction: Direction,
        trailers: HeaderMap,
    ) -> Result<Verdict, VmError> {
        self.check(stream)?;
        let told = self.state().has_request(stream) && self.state().profile().tells_trailers();
        let count = self.state_mut().deliver_trailers(stream, direction, trailers);
        let parameters = (stream.0, wasm_size(count));
        let action = match direction {
            _ if !told => 0,
            Direction::Response | Direction::Upstream => self.call(
                "proxy_on_response_trailers",
                stream.0,
                |exports| &exports.response_trailers,
                parameters,
                0,
            )?,
            Direction::Request | Direction::Downstream => self.call(
                "proxy_on_request_trailers",
                stream.0,
                |exports| &exports.request_trailers,
                parameters,
                0,
            )?,
        };
        let verdict = self.verdict(stream, of_trailers(action));
        if verdict == Verdict::Continue {
            self.state_mut().release_trailers(stream, direction);
        }
        Ok(verdict)
    }

    fn check(&self, stream: StreamId) -> Result<(), VmError> {
        if self.poisoned {
            return Err(VmError::Poisoned);
        }
        if self.state().has_stream(stream) { Ok(()) } else { Err(VmError::UnknownStream(stream)) }
    }

    /// A local reply counts for more than the action.
    fn verdict(&mut self, stream: StreamId, action: Verdict) -> Verdict {
        self.state_mut().take_local_reply(stream).map_or(action, Verdict::LocalReply)
    }
}

/// proxy-wasm-cpp-host's `FilterHeadersStatus`, of which Envoy does not know `ContinueAndEndStream` (2). Both
/// `StopIteration` and numbers that there are not become `StopAllIterationAndWatermark`.
fn of_head(action: u32) -> Verdict {
    match action {
        0 | 2 => Verdict::Continue,
        3 => Verdict::Buffer,
        _ => Verdict::Pause,
    }
}

/// Its `FilterDataStatus`; numbers that there are not become `StopIterationNoBuffer`.
fn of_body(action: u32) -> Verdict {
    match action {
        0 => Verdict::Continue,
        1 => Verdict::Pause,
        2 => Verdict::Watermark,
        _ => Verdict::Drop,
    }
}

/// Its `FilterTrailersStatus`; numbers that there are not become `StopIteration`.
fn of_trailers(action: u32) -> Verdict {
    if action == 0 { Verdict::Continue } else { Verdict::Pause }
}
