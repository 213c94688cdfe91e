//! A filter as a proxy has it: its VM, and what becomes of the traffic when that fails.
//!
//! Knows neither where traffic comes from nor the time: both are handed in, so that it can be tested, and
//! replayed, without waiting. Policies and their timing are those of Envoy's
//! [`FailurePolicy`](https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/wasm/v3/wasm.proto).
//! trap → [`Outcome::Refused`], a 503 → the first new stream after the back-off → a new VM

use std::collections::BTreeMap;
use std::time::Duration;

use super::plugins::{PluginId, Plugins};
use super::{Filter, MetricValue, OutboundCall, PluginOptions, StreamId, Vm, VmError};
use crate::host::CallReply;
use crate::time::Timestamp;

/// What becomes of traffic when the filter has failed: trapped, or exceeded a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// All of it goes on without the filter, the streams under way too. (Envoy 1.40 fails the stream in which
    /// the failure happens, unless the policy is given by its deprecated `fail_open`.)
    FailOpen,
    /// All of it gets a 503. Envoy's default.
    #[default]
    FailClosed,
    /// It gets a 503 until the filter is started anew, which the first new stream after a back-off does; the
    /// streams of the VM that failed get a 503 even then.
    FailReload {
        /// The least time from one start to the next, as in Envoy, so that a VM that has run for longer is
        /// replaced at once. Up to a half of it is added by chance.
        back_off: Duration,
    },
}

impl FailurePolicy {
    /// [`FailReload`](Self::FailReload) with Envoy's back-off of 1 s.
    pub const RELOAD: Self = Self::FailReload { back_off: Duration::from_secs(1) };
}

/// What came of entering the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The filter's answer.
    Filtered(T),
    /// There is no filter, or none any more: the stream goes on as it is.
    Bypassed,
    /// There is no filter, or none any more: the stream is answered by a 503, or reset if its response has
    /// begun.
    Refused,
}

impl<T> Outcome<T> {
    /// The filter's answer, if it gave one.
    pub fn filtered(self) -> Option<T> {
        match self {
            Self::Filtered(answer) => Some(answer),
            Self::Bypassed | Self::Refused => None,
        }
    }

    /// The same outcome with another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Filtered(answer) => Outcome::Filtered(change(answer)),
            Self::Bypassed => Outcome::Bypassed,
            Self::Refused => Outcome::Refused,
        }
    }
}

/// Which of a plugin's VMs, counted from 0: what one of them began is not the next one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u32);

impl Generation {
    /// How many VMs there were before.
    pub const fn number(self) -> u32 {
        self.0
    }

    pub(super) fn after(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// What has happened to a plugin's VMs, as Envoy's `vm_reload_*` and our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginStats {
    /// VMs that failed.
    pub lost: u64,
    /// Starts after a failure that went well.
    pub reloads: u64,
    /// Starts after a failure that failed, too.
    pub reloads_failed: u64,
    /// Streams that came too soon after a start for another one.
    pub backed_off: u64,
    /// Entries that were bypassed.
    pub bypassed: u64,
    /// Entries that were refused.
    pub refused: u64,
}

/// A filter with its options and its failure policy, and the VM that it runs in: [`Plugins`] of one.
#[derive(Debug)]
pub struct Plugin(Plugins);

const ONLY: PluginId = PluginId::FIRST;

impl Plugin {
    /// Starts the filter at `options.start`. That must succeed whatever the policy: it is for what happens
    /// later, as in Envoy, where a configuration that a filter rejects is an error under every policy.
    ///
    /// # Errors
    /// As [`Filter::start`].
    pub fn start(filter: &Filter, options: PluginOptions, policy: FailurePolicy) -> Result<Self, VmError> {
        Plugins::start(filter, options, policy).map(Self)
    }

    /// Whether the VM is one that has not failed.
    pub fn is_running(&self) -> bool {
        self.0.is_running(ONLY)
    }

    /// Which VM it is.
    pub fn generation(&self) -> Generation {
        self.0.generation()
    }

    /// The policy.
    pub fn policy(&self) -> FailurePolicy {
        self.0.policy(ONLY)
    }

    /// What has happened so far.
    pub fn stats(&self) -> PluginStats {
        self.0.stats(ONLY)
    }

    /// Why a VM was lost, or could not be started anew, last.
    pub fn failure(&self) -> Option<&VmError> {
        self.0.failure(ONLY)
    }

    /// The VM, to read from; it may have failed.
    pub fn vm(&self) -> &Vm {
        self.0.vm()
    }

    /// The VM, for what does not run the guest: its log, its calls, streams' properties. To run the guest,
    /// use the methods here, which keep the policy.
    pub fn vm_mut(&mut self) -> &mut Vm {
        self.0.vm_mut()
    }

    /// A new stream, opened in the VM, which is started anew first if that is due. The stream belongs to the
    /// [`generation`](Self::generation) that the plugin then has.
    pub fn open(&mut self, now: Timestamp) -> Outcome<(Generation, StreamId)> {
        self.0.open(ONLY, now)
    }

    /// As [`open`](Self::open), by `open`: what it gives belongs to the generation beside it.
    pub fn open_with<T>(
        &mut self,
        now: Timestamp,
        open: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Outcome<(Generation, T)> {
        self.0.open_with(ONLY, now, |vm, _| open(vm))
    }

    /// Enters the filter for what belongs to one of its VMs: a stream.
    ///
    /// # Errors
    /// [`VmError`] if `enter` gives one that costs no VM: [`VmError::UnknownStream`], [`VmError::BodyLimit`].
    pub fn on<T>(
        &mut self,
        generation: Generation,
        now: Timestamp,
        enter: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Result<Outcome<T>, VmError> {
        self.0.on(ONLY, generation, now, enter)
    }

    /// As [`on`](Self::on), for what belongs to no stream: ticks, the plugin's end. `None` if there is no
    /// filter, or none any more.
    pub fn enter<T>(
        &mut self,
        now: Timestamp,
        enter: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Option<T> {
        self.0.enter(ONLY, now, |vm, _| enter(vm))
    }

    /// Answers a call that a VM of this generation made; nobody waits for one of an earlier VM.
    pub fn answer(&mut self, generation: Generation, now: Timestamp, token: u32, reply: CallReply) {
        self.0.answer(generation, now, token, reply);
    }

    /// The calls that the guest has made since the last time, to be answered with the
    /// [`generation`](Self::generation) that the plugin now has. Calls that a VM leaves behind when it is
    /// replaced are lost: take them after each entry.
    pub fn take_calls(&mut self) -> Vec<OutboundCall> {
        self.0.take_calls()
    }

    /// How often the guest wants a tick, if it does and runs.
    pub fn tick_period(&self) -> Option<Duration> {
        self.0.tick_period(ONLY)
    }

    /// The guest's metrics by name. Counters go on when a VM is replaced, as in Envoy; gauges and histograms
    /// are the last VM's.
    pub fn metrics(&self) -> BTreeMap<String, MetricValue> {
        self.0.metrics()
    }
}
