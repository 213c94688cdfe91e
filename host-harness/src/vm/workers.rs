//! Envoy's start of a plugin: a canary that nobody keeps, then one VM for each worker.
//! What the workers then do with their VMs is not known here.

use super::{Filter, LogLine, PluginOptions, Shared, Vm, VmError};

/// Most workers of one plugin.
pub const MAX_WORKERS: usize = 1024;

impl Filter {
    /// What Envoy does on its main thread before any worker has the plugin: a VM is started and configured
    /// only to see whether that succeeds, and thrown away without being told of its end. What it did is
    /// lost but for what it shared and its log, which is returned; calls that it made are never sent.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails, or rejects what it is started with.
    pub fn canary(&self, options: PluginOptions) -> Result<Vec<LogLine>, VmError> {
        self.start(options).map(|mut vm| vm.take_logs())
    }

    /// Starts a plugin as Envoy does: a [`canary`](Self::canary), then one VM for each worker, to be sent to
    /// the workers' threads. The VMs share data and queues, in the store of `options` if it has one, and have
    /// seeds that follow each other. A plugin is configured once more than there are workers.
    ///
    /// # Errors
    /// [`VmError`] of the first VM that cannot be started. Above [`MAX_WORKERS`] only that many are.
    pub fn workers(&self, mut options: PluginOptions, workers: usize) -> Result<Vec<Vm>, VmError> {
        options.shared.get_or_insert_with(Shared::default);
        // Held, so that what the canary shared is there for the workers, as by Envoy's base VM.
        let _base = options.shared.as_ref().map(|shared| shared.hold(&options.vm_id));
        self.canary(options.clone())?;
        (0..workers.min(MAX_WORKERS))
            .map(|worker| {
                let seed = options.seed.wrapping_add(u64::try_from(worker).unwrap_or(u64::MAX));
                self.start(PluginOptions { seed, ..options.clone() })
            })
            .collect()
    }
}
