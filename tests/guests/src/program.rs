//! What a program may do in each callback of a stream, and of its plugin.

use crate::host;

/// `proxy_action_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Continue,
    Pause,
}

/// What a gRPC call tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GrpcEvent {
    InitialMetadata,
    Message(usize),
    TrailingMetadata,
    Close,
}

/// A stream's program. Whatever it leaves out lets everything pass.
pub(crate) trait Program {
    fn request_headers(&mut self, _end: bool) -> Action {
        Action::Continue
    }

    fn request_body(&mut self, _size: usize, _end: bool) -> Action {
        Action::Continue
    }

    fn request_trailers(&mut self) -> Action {
        Action::Continue
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        Action::Continue
    }

    fn response_body(&mut self, _size: usize, _end: bool) -> Action {
        Action::Continue
    }

    fn response_trailers(&mut self) -> Action {
        Action::Continue
    }

    /// An answer to a call that this stream made, its body of `_size` bytes; the effective context is the stream.
    fn answered(&mut self, _size: usize) {}

    /// As [`answered`](Self::answered), for gRPC.
    fn grpc(&mut self, _token: u32, _event: GrpcEvent) {}

    fn log(&mut self) {}
}

/// What a plugin does outside its streams.
pub(crate) trait Root {
    /// A stream's program.
    fn stream(&mut self) -> Box<dyn Program>;

    fn configure(&mut self) {}

    fn tick(&mut self) {}

    fn queue_ready(&mut self, _queue: u32) {}
}

/// A plugin that does nothing outside its streams.
pub(crate) struct Streams(pub(crate) fn() -> Box<dyn Program>);

impl Root for Streams {
    fn stream(&mut self) -> Box<dyn Program> {
        (self.0)()
    }
}

/// The exchange's number, by which programs vary what they do; known while the request's head is.
pub(crate) fn exchange() -> usize {
    let number = host::value(host::REQUEST_HEADERS, "x-exchange").ok();
    number.and_then(|digits| std::str::from_utf8(&digits).ok()?.parse().ok()).unwrap_or(0)
}
