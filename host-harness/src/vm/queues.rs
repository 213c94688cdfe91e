//! What reaches a guest from outside its streams: messages in its queues, and calls of the embedder.

use super::{Vm, VmError};
use crate::host::RootId;

impl Vm {
    /// `proxy_on_queue_ready`, once for each message put into a queue that this VM was the last to register,
    /// for the plugin that did, by whichever VM that shares it. Runs by itself whenever a stream opens, the timer ticks or an answer
    /// comes; call it where none of that happens. Returns the number of messages told.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn run_queues(&mut self) -> Result<usize, VmError> {
        let mut told = 0;
        let notices = self.state().take_queue_notices();
        for &(context, token) in &notices {
            // One of a plugin that has ended meanwhile is told to nobody, as in Envoy.
            if !self.state().has_root(RootId(context)) {
                continue;
            }
            self.call("proxy_on_queue_ready", context, |exports| &exports.queue_ready, (context, token), ())?;
            self.state_mut().collect_local_replies();
            told += 1;
        }
        Ok(told)
    }

    /// `proxy_on_foreign_function`: the embedder calls the guest, which reads `arguments` from the buffer of
    /// foreign arguments while the call lasts.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn call_foreign_function(&mut self, function: u32, arguments: Vec<u8>) -> Result<(), VmError> {
        self.call_foreign_function_of(RootId::FIRST, function, arguments)
    }
}
