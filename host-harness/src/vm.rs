//! Drives a filter's exports and hands back what it did.
//!
//! A hostcall never runs the guest but for its allocator: calls that the guest makes wait in
//! [`Vm::take_calls`], and their answers go in by [`Vm::answer`]. A guest that traps, runs for too long or
//! takes too much memory costs its own VM: from then on each call gives [`VmError::Poisoned`].
//! `open_stream` → `request_headers` → [`Verdict::Continue`] → … → `close_stream`

mod bounds;
mod cache;
mod calls;
mod error;
mod exports;
mod filter;
mod functions;
mod heads;
mod hostile;
mod plugin;
mod plugins;
mod probe;
mod queues;
mod roots;
mod streams;
#[cfg(test)]
mod tests;
mod workers;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use wasmtime::{Memory, Store, Trap, TypedFunc, WasmParams, WasmResults};

pub use crate::host::{
    AbiVersion, CallReply, ForeignError, ForeignFunctions, HeaderMap, HostProfile, Lifecycle, LocalReply,
    LogLevel, LogLine, MetricValue, OutboundCall, OutboundKind, PluginOptions, PropertyValue, RootId,
    RootOptions, Shared, StreamAction, StreamId, Transcript,
};
pub use bounds::{Bound, Unit, bounds};
pub use cache::{MAX_CACHED_MODULES, ModuleCache};
pub use error::VmError;
pub use filter::Filter;
pub use functions::{HostFunction, Number, host_functions};
pub use hostile::Callback;
pub use plugin::{FailurePolicy, Generation, Outcome, Plugin, PluginStats};
pub use plugins::{PluginId, Plugins};
pub use workers::MAX_WORKERS;

use crate::abi::VmData;
use crate::host::HostState;
use crate::time::Timestamp;
use exports::Exports;

/// What a guest may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, in bytes.
    pub memory_bytes: usize,
    /// Real time of one callback; kept to about 20 ms.
    pub call_deadline: Duration,
}

impl Default for Limits {
    /// 128 MiB and 1 s.
    fn default() -> Self {
        Self { memory_bytes: 128 * 1024 * 1024, call_deadline: Duration::from_secs(1) }
    }
}

/// What the guest wants done with what it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It is held back as the SDKs' `Pause` has it: a head with all behind it, where reading stops at the
    /// host's limit; a body with what follows, each piece shown with all before it, which is refused above the
    /// limit; trailers.
    Pause,
    /// Of a head: as [`Pause`](Self::Pause), but what is behind it is refused above the limit
    /// (`StopAllIterationAndBuffer`, 3).
    Buffer,
    /// Of a body: as [`Pause`](Self::Pause), but each piece is shown alone, and reading stops at the limit
    /// (`StopIterationAndWatermark`, 2).
    Watermark,
    /// Of a body: nothing goes on, and the piece is lost unless it was shown with what was held before
    /// (`StopIterationNoBuffer`, 3).
    Drop,
    /// The guest answers in place of the upstream.
    LocalReply(LocalReply),
}

/// One running instance of a filter, with one plugin in it, or [several](Vm::add_root).
///
/// Where no plugin is named, the one that the VM was started with is meant.
pub struct Vm {
    store: Store<VmData>,
    exports: Exports,
    memory: Memory,
    limits: Limits,
    ticks: u64,
    lifecycle: Lifecycle,
    poisoned: bool,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vm").field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

impl Vm {
    /// Sets the virtual clock; one that is earlier than it is now is left out.
    pub fn set_time(&mut self, now: Timestamp) {
        self.state_mut().set_time(now);
    }

    /// The virtual clock.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// How often the guest wants [`tick`](Self::tick), if it does.
    pub fn tick_period(&self) -> Option<Duration> {
        self.tick_period_of(RootId::FIRST)
    }

    /// `proxy_on_tick`.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn tick(&mut self) -> Result<(), VmError> {
        self.tick_of(RootId::FIRST)
    }

    /// The log since the last time, also of a poisoned VM.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        self.state_mut().take_logs()
    }

    /// Adds a line of the host, behind `host: `.
    pub(crate) fn log(&mut self, level: LogLevel, message: impl std::fmt::Display) {
        self.state_mut().note(level, message);
    }

    /// Puts lines before those not taken yet.
    pub(crate) fn log_before(&mut self, lines: Vec<LogLine>) {
        self.state_mut().log_before(lines);
    }

    /// Whether the VM has failed: every further call gives [`VmError::Poisoned`].
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// The guest's metrics by name.
    pub fn metrics(&self) -> BTreeMap<String, MetricValue> {
        self.state().metrics()
    }

    /// Size of the guest's memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// What the guest has executed since its start, in wasmtime's fuel: one for most instructions, the same
    /// for the same input on every machine. `None` unless compiled by [`Filter::compile_counting_fuel`].
    pub fn fuel_used(&self) -> Option<u64> {
        self.store.get_fuel().ok().map(|left| filter::FUEL - left)
    }

    /// How often the guest called which function of the host, by its name, since the last time.
    pub fn take_hostcalls(&mut self) -> BTreeMap<&'static str, u64> {
        self.state_mut().take_hostcalls()
    }

    /// Ends the plugin, or all of several: [`finish_root`](Self::finish_root).
    ///
    /// False means: the guest waits; answer its calls, then call this again.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn finish(&mut self) -> Result<bool, VmError> {
        let mut is_done = true;
        for root in self.roots() {
            is_done &= self.finish_root(root)?;
        }
        Ok(is_done)
    }

    fn state(&self) -> &HostState {
        &self.store.data().state
    }

    fn state_mut(&mut self) -> &mut HostState {
        &mut self.store.data_mut().state
    }

    /// Calls an export on behalf of a context; `absent` is the result if there is no such export.
    fn call<P: WasmParams + Debug, R: WasmResults + Debug>(
        &mut self,
        name: &'static str,
        context: u32,
        select: impl FnOnce(&Exports) -> &Option<TypedFunc<P, R>>,
        parameters: P,
        absent: R,
    ) -> Result<R, VmError> {
        if self.poisoned {
            return Err(VmError::Poisoned);
        }
        let Some(function) = select(&self.exports) else { return Ok(absent) };
        let data = self.store.data_mut();
        data.state.enter(context, name);
        data.limiter.refused = None;
        if let Some(probe) = &mut data.probe {
            probe.transcript.begin(context, name, format!("{parameters:?}"));
        }
        self.store.set_epoch_deadline(self.ticks);
        match function.call(&mut self.store, parameters) {
            Ok(result) => {
                if let Some(probe) = &mut self.store.data_mut().probe {
                    probe.transcript.end(format!("{result:?}"));
                }
                Ok(result)
            }
            Err(error) => Err(self.fail(name, &error)),
        }
    }

    /// As [`call`](Self::call), for a function that is no export of the ABI.
    fn run<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
        function: &TypedFunc<P, R>,
        parameters: P,
    ) -> Result<R, VmError> {
        self.store.set_epoch_deadline(self.ticks);
        function.call(&mut self.store, parameters).map_err(|error| self.fail(name, &error))
    }

    fn fail(&mut self, call: &'static str, error: &wasmtime::Error) -> VmError {
        self.poisoned = true;
        if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
            return VmError::Deadline { call, limit: self.limits.call_deadline };
        }
        if let Some(refused) = self.store.data().limiter.refused {
            return VmError::limit(call, refused, &self.limits);
        }
        VmError::Trap { call, cause: error::describe(error), logs: Vec::new() }
    }
}

fn wasm_size(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
