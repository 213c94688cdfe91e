//! Callbacks as no sound host makes them: any context, any order, any numbers. A guest has to live with a
//! host's bugs, too; fuzzing it needs one that has them.

use super::{Vm, VmError};

/// A callback that can be made at any time; its numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// `proxy_on_context_create` with the context's parent.
    ContextCreate(u32),
    /// `proxy_on_configure` with the size of a configuration.
    Configure(u32),
    /// `proxy_on_tick`.
    Tick,
    /// `proxy_on_request_headers` with the number of entries.
    RequestHeaders(u32),
    /// `proxy_on_response_headers` with the number of entries.
    ResponseHeaders(u32),
    /// `proxy_on_response_trailers` with the number of entries.
    ResponseTrailers(u32),
    /// `proxy_on_http_call_response` with token, number of headers and size of the body.
    HttpCallResponse(u32, u32, u32),
    /// `proxy_on_grpc_receive` with token and size of the message.
    GrpcReceive(u32, u32),
    /// `proxy_on_grpc_close` with token and status.
    GrpcClose(u32, u32),
    /// `proxy_on_done`.
    Done,
    /// `proxy_on_log`.
    Log,
    /// `proxy_on_delete`.
    Delete,
}

impl Vm {
    /// Makes `callback` to `context`, whether or not there is such a context. What the guest returns is
    /// passed over, and the host's own idea of the context does not change.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn callback(&mut self, context: u32, callback: Callback) -> Result<(), VmError> {
        let id = context;
        match callback {
            Callback::ContextCreate(parent) => {
                self.call("proxy_on_context_create", id, |exports| &exports.context_create, (id, parent), ())
            }
            Callback::Configure(size) => self
                .call("proxy_on_configure", id, |exports| &exports.configure, (id, size), 1)
                .map(|_: u32| ()),
            Callback::Tick => self.call("proxy_on_tick", id, |exports| &exports.tick, id, ()),
            Callback::RequestHeaders(count) => self
                .call("proxy_on_request_headers", id, |exports| &exports.request_headers, (id, count, 1), 0)
                .map(|_: u32| ()),
            Callback::ResponseHeaders(count) => self
                .call("proxy_on_response_headers", id, |exports| &exports.response_headers, (id, count, 1), 0)
                .map(|_: u32| ()),
            Callback::ResponseTrailers(count) => self
                .call("proxy_on_response_trailers", id, |exports| &exports.response_trailers, (id, count), 0)
                .map(|_: u32| ()),
            Callback::HttpCallResponse(token, headers, body) => {
                let numbers = (id, token, headers, body, 0);
                self.call(
                    "proxy_on_http_call_response",
                    id,
                    |exports| &exports.http_call_response,
                    numbers,
                    (),
                )
            }
            Callback::GrpcReceive(token, size) => {
                self.call("proxy_on_grpc_receive", id, |exports| &exports.grpc_receive, (id, token, size), ())
            }
            Callback::GrpcClose(token, status) => {
                self.call("proxy_on_grpc_close", id, |exports| &exports.grpc_close, (id, token, status), ())
            }
            Callback::Done => self.call("proxy_on_done", id, |exports| &exports.done, id, 1).map(|_: u32| ()),
            Callback::Log => self.call("proxy_on_log", id, |exports| &exports.log, id, ()),
            Callback::Delete => self.call("proxy_on_delete", id, |exports| &exports.delete, id, ()),
        }
    }
}
