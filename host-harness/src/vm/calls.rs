//! Calls that the guest made, and their answers.

use super::{CallReply, OutboundCall, StreamAction, StreamId, Vm, VmError, wasm_size};
use crate::host::{ReplyEvent, RootId};

impl Vm {
    /// The calls that the guest has made since the last time.
    pub fn take_calls(&mut self) -> Vec<OutboundCall> {
        self.state_mut().take_calls()
    }

    /// What the guest has decided about streams beside the results of their callbacks, since the last time.
    pub fn take_stream_actions(&mut self) -> Vec<(StreamId, StreamAction)> {
        self.state_mut().take_stream_actions()
    }

    /// Delivers an answer to the calling plugin's own context, as Envoy does whichever context made the call; the
    /// Rust SDK finds the stream, and drops the answer if that is gone.
    ///
    /// An answer that no call waits for, or of the wrong kind, is dropped with a log line.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn answer(&mut self, token: u32, reply: CallReply) -> Result<(), VmError> {
        if self.poisoned {
            return Err(VmError::Poisoned);
        }
        self.run_queues()?;
        let Some((root, event)) = self.state_mut().begin_reply(token, reply) else { return Ok(()) };
        self.tell(root, token, event)?;
        self.state_mut().end_reply();
        self.state_mut().collect_local_replies();
        Ok(())
    }

    fn tell(&mut self, RootId(root): RootId, token: u32, event: ReplyEvent) -> Result<(), VmError> {
        let sized = |size: usize| (root, token, wasm_size(size));
        match event {
            ReplyEvent::Http { headers, body, trailers } => {
                let parameters = (root, token, wasm_size(headers), wasm_size(body), wasm_size(trailers));
                self.call(
                    "proxy_on_http_call_response",
                    root,
                    |exports| &exports.http_call_response,
                    parameters,
                    (),
                )
            }
            ReplyEvent::GrpcInitialMetadata(count) => self.call(
                "proxy_on_grpc_receive_initial_metadata",
                root,
                |exports| &exports.grpc_receive_initial_metadata,
                sized(count),
                (),
            ),
            ReplyEvent::GrpcMessage(size) => {
                self.call("proxy_on_grpc_receive", root, |exports| &exports.grpc_receive, sized(size), ())
            }
            ReplyEvent::GrpcTrailingMetadata(count) => self.call(
                "proxy_on_grpc_receive_trailing_metadata",
                root,
                |exports| &exports.grpc_receive_trailing_metadata,
                sized(count),
                (),
            ),
            ReplyEvent::GrpcClose(status) => {
                let parameters = (root, token, status);
                self.call("proxy_on_grpc_close", root, |exports| &exports.grpc_close, parameters, ())
            }
        }
    }
}
