//! Looking into a VM, and making it fail: for those that were started
//! [`instrumented`](super::PluginOptions::instrumented).

use super::{Transcript, Vm, VmError};
use crate::abi::Probe;
use crate::time::Timestamp;

impl Vm {
    /// What the guest was told and asked for since the last time; empty of a VM without instruments.
    pub fn take_transcript(&mut self) -> Transcript {
        let probe = self.store.data_mut().probe.as_mut();
        probe.map(|probe| std::mem::take(&mut probe.transcript)).unwrap_or_default()
    }

    /// Ends the guest at its `n`-th hostcall from now, counted from 1, as if it had trapped there.
    ///
    /// # Errors
    /// [`VmError::NotInstrumented`].
    pub fn trap_at_hostcall(&mut self, n: u64) -> Result<(), VmError> {
        self.probe()?.trap_in = n.checked_sub(1);
        Ok(())
    }

    /// Has the guest's allocator give the host null at its `n`-th call from now, counted from 1.
    ///
    /// # Errors
    /// [`VmError::NotInstrumented`].
    pub fn fail_allocation(&mut self, n: u64) -> Result<(), VmError> {
        self.probe()?.starve_in = n.checked_sub(1);
        Ok(())
    }

    /// Sets the virtual clock, backwards, too: as if somebody had set the machine's.
    pub fn jump_to(&mut self, time: Timestamp) {
        self.state_mut().jump_to(time);
    }

    fn probe(&mut self) -> Result<&mut Probe, VmError> {
        self.store.data_mut().probe.as_deref_mut().ok_or(VmError::NotInstrumented)
    }
}
