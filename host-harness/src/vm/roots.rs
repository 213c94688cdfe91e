//! Several plugins in one VM, as Envoy has those of one `vm_id`, VM configuration and code: each is started,
//! configured, ticked and ended by itself, and has its own streams.
//! `add_root` → `open_stream_of`, `tick_of` → `finish_root`

use std::time::Duration;

use super::{Lifecycle, StreamId, Vm, VmError, wasm_size};
use crate::host::{RootId, RootOptions, RootState};

impl Vm {
    /// Starts a further plugin in this VM: `proxy_on_context_create` of its own context, `proxy_on_vm_start` and
    /// `proxy_on_configure`. One that is there with equal options is that one, as in Envoy.
    ///
    /// One that is rejected leaves the VM and its other plugins as they are; that Envoy finds out before, in a VM
    /// of its own: [`Filter::canary`](super::Filter::canary).
    ///
    /// # Errors
    /// [`VmError`] if the guest fails, which costs all plugins of the VM, or rejects what the plugin is started
    /// with, which does not.
    pub fn add_root(&mut self, options: RootOptions) -> Result<RootId, VmError> {
        if self.poisoned {
            return Err(VmError::Poisoned);
        }
        let known = self.roots().into_iter().find(|root| {
            *self.state().root_options(*root) == options
                && self.state().root_state(*root) == RootState::Running
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let root = self.state_mut().add_root(options);
        let begun = self.begin(root);
        if begun.is_err() {
            self.state_mut().remove_root(root);
        }
        begun.map(|()| root)
    }

    /// The plugins that have not ended, the one that the VM was started with first.
    pub fn roots(&self) -> Vec<RootId> {
        self.state().root_ids()
    }

    /// The plugin that a stream belongs to.
    pub fn root_of(&self, stream: StreamId) -> RootId {
        self.state().root_of(stream.0)
    }

    /// A new HTTP stream of one plugin.
    ///
    /// # Errors
    /// [`VmError`] if the plugin has ended or the guest fails.
    pub fn open_stream_of(&mut self, root: RootId) -> Result<StreamId, VmError> {
        self.check_root(root)?;
        self.run_queues()?;
        let stream = self.state_mut().open_stream(root);
        let parameters = (stream.0, root.0);
        self.call("proxy_on_context_create", stream.0, |exports| &exports.context_create, parameters, ())?;
        Ok(stream)
    }

    /// How often one plugin wants [`tick_of`](Self::tick_of), if it does.
    pub fn tick_period_of(&self, root: RootId) -> Option<Duration> {
        self.state().tick_period(root)
    }

    /// `proxy_on_tick` of one plugin.
    ///
    /// # Errors
    /// [`VmError`] if the plugin has ended or the guest fails.
    pub fn tick_of(&mut self, root: RootId) -> Result<(), VmError> {
        self.check_root(root)?;
        self.run_queues()?;
        self.call("proxy_on_tick", root.0, |exports| &exports.tick, root.0, ())?;
        self.state_mut().collect_local_replies();
        Ok(())
    }

    /// `proxy_on_foreign_function` of one plugin: the embedder calls the guest, which reads `arguments` from the
    /// buffer of foreign arguments while the call lasts.
    ///
    /// # Errors
    /// [`VmError`] if the plugin has ended or the guest fails.
    pub fn call_foreign_function_of(
        &mut self,
        root: RootId,
        function: u32,
        arguments: Vec<u8>,
    ) -> Result<(), VmError> {
        self.check_root(root)?;
        let parameters = (root.0, function, wasm_size(arguments.len()));
        self.state_mut().set_foreign_arguments(arguments);
        let called = self.call(
            "proxy_on_foreign_function",
            root.0,
            |exports| &exports.foreign_function,
            parameters,
            (),
        );
        self.state_mut().set_foreign_arguments(Vec::new());
        self.state_mut().collect_local_replies();
        called
    }

    /// Ends one plugin: closes what it has open, then `proxy_on_done` and, if that does not ask to wait,
    /// `proxy_on_delete` (with `proxy_on_log` before it in the specification's order). Its calls are waited for
    /// no more; the VM's other plugins go on.
    ///
    /// False means: the guest waits; answer its calls, then call this again. One that has ended gives true.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn finish_root(&mut self, root: RootId) -> Result<bool, VmError> {
        if !self.roots().contains(&root) {
            return Ok(true);
        }
        for stream in self.state().open_streams_of(root) {
            self.close_stream(stream)?;
        }
        if !self.state().profile().ends_plugins() {
            self.state_mut().set_root_state(root, RootState::Deleted);
        }
        if self.state().root_state(root) == RootState::Running {
            // Waiting already while the guest runs, which may call `proxy_done` at once.
            self.state_mut().set_root_state(root, RootState::Waiting);
            let done = self.call("proxy_on_done", root.0, |exports| &exports.done, root.0, 1)?;
            if done != 0 {
                self.state_mut().set_root_state(root, RootState::Done);
            }
        }
        if self.state().root_state(root) == RootState::Done {
            if self.lifecycle == Lifecycle::Specification {
                self.call("proxy_on_log", root.0, |exports| &exports.log, root.0, ())?;
            }
            self.call("proxy_on_delete", root.0, |exports| &exports.delete, root.0, ())?;
            self.state_mut().set_root_state(root, RootState::Deleted);
        }
        Ok(self.state().root_state(root) == RootState::Deleted)
    }

    /// The start of a plugin's own context, and its configuration.
    pub(super) fn begin(&mut self, root: RootId) -> Result<(), VmError> {
        self.call("proxy_on_context_create", root.0, |exports| &exports.context_create, (root.0, 0), ())?;
        let steps = if self.state().profile().configures_first() {
            [Self::configure, Self::start_vm]
        } else {
            [Self::start_vm, Self::configure]
        };
        steps.into_iter().try_for_each(|step| step(self, root))
    }

    fn start_vm(&mut self, root: RootId) -> Result<(), VmError> {
        let start = (root.0, wasm_size(self.state().vm_configuration_size()));
        if self.call("proxy_on_vm_start", root.0, |exports| &exports.vm_start, start, 1)? == 0 {
            return Err(VmError::StartRejected { logs: self.take_logs() });
        }
        Ok(())
    }

    fn configure(&mut self, root: RootId) -> Result<(), VmError> {
        self.state_mut().set_configuring(Some(root));
        let size = self.state().plugin_configuration().map_or(0, <[u8]>::len);
        let configure = (root.0, wasm_size(size));
        let accepted = self.call("proxy_on_configure", root.0, |exports| &exports.configure, configure, 1)?;
        self.state_mut().set_configuring(None);
        if accepted == 0 {
            return Err(VmError::ConfigurationRejected { logs: self.take_logs() });
        }
        Ok(())
    }

    fn check_root(&self, root: RootId) -> Result<(), VmError> {
        if self.poisoned {
            return Err(VmError::Poisoned);
        }
        if self.state().has_root(root) { Ok(()) } else { Err(VmError::UnknownRoot(root)) }
    }
}
