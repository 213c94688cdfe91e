//! What reaches a guest from outside its streams: messages in its queues, and calls of the embedder.

use super::{Vm, VmError, wasm_size};
use crate::host::ROOT_CONTEXT;

impl Vm {
    /// `proxy_on_queue_ready`, once for each message put into a queue that this VM was the last to register,
    /// by whichever VM that shares it. Runs by itself whenever a stream opens, the timer ticks or an answer
    /// comes; call it where none of that happens. Returns the number of messages told.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn run_queues(&mut self) -> Result<usize, VmError> {
        let notices = self.state().take_queue_notices();
        for &(context, token) in &notices {
            self.call("proxy_on_queue_ready", context, |exports| &exports.queue_ready, (context, token), ())?;
            self.state_mut().collect_local_replies();
        }
        Ok(notices.len())
    }

    /// `proxy_on_foreign_function`: the embedder calls the guest, which reads `arguments` from the buffer of
    /// foreign arguments while the call lasts.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn call_foreign_function(&mut self, function: u32, arguments: Vec<u8>) -> Result<(), VmError> {
        let parameters = (ROOT_CONTEXT, function, wasm_size(arguments.len()));
        self.state_mut().set_foreign_arguments(arguments);
        let called = self.call(
            "proxy_on_foreign_function",
            ROOT_CONTEXT,
            |exports| &exports.foreign_function,
            parameters,
            (),
        );
        self.state_mut().set_foreign_arguments(Vec::new());
        self.state_mut().collect_local_replies();
        called
    }
}
