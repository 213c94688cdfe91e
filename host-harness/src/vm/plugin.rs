//! A filter as a proxy has it: its VM, and what becomes of the traffic when that fails.
//!
//! Knows neither where traffic comes from nor the time: both are handed in, so that it can be tested, and
//! replayed, without waiting. Policies and their timing are those of Envoy's
//! [`FailurePolicy`](https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/wasm/v3/wasm.proto).
//! trap → [`Outcome::Refused`], a 503 → the first new stream after the back-off → a new VM

use std::collections::BTreeMap;
use std::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Filter, LogLevel, MetricValue, OutboundCall, PluginOptions, StreamId, Vm, VmError};
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

/// A filter with its options and its failure policy, and the VM that it runs in.
#[derive(Debug)]
pub struct Plugin {
    filter: Filter,
    options: PluginOptions,
    policy: FailurePolicy,
    vm: Vm,
    generation: Generation,
    /// When a VM was last started, or tried to.
    started: Timestamp,
    /// When the next may be, of a VM that failed.
    due: Timestamp,
    random: Xoshiro256PlusPlus,
    stats: PluginStats,
    failure: Option<VmError>,
    /// Counters of the VMs before.
    counters: BTreeMap<String, u64>,
}

impl Plugin {
    /// Starts the filter at `options.start`. That must succeed whatever the policy: it is for what happens
    /// later, as in Envoy, where a configuration that a filter rejects is an error under every policy.
    ///
    /// # Errors
    /// As [`Filter::start`].
    pub fn start(filter: &Filter, options: PluginOptions, policy: FailurePolicy) -> Result<Self, VmError> {
        let vm = filter.start(options.clone())?;
        Ok(Self {
            filter: filter.clone(),
            policy,
            vm,
            generation: Generation::default(),
            started: options.start,
            due: options.start,
            random: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            stats: PluginStats::default(),
            failure: None,
            counters: BTreeMap::new(),
            options,
        })
    }

    /// Whether the VM is one that has not failed.
    pub fn is_running(&self) -> bool {
        !self.vm.is_poisoned()
    }

    /// Which VM it is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The policy.
    pub fn policy(&self) -> FailurePolicy {
        self.policy
    }

    /// What has happened so far.
    pub fn stats(&self) -> PluginStats {
        self.stats
    }

    /// Why a VM was lost, or could not be started anew, last.
    pub fn failure(&self) -> Option<&VmError> {
        self.failure.as_ref()
    }

    /// The VM, to read from; it may have failed.
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// The VM, for what does not run the guest: its log, its calls, streams' properties. To run the guest,
    /// use the methods here, which keep the policy.
    pub fn vm_mut(&mut self) -> &mut Vm {
        &mut self.vm
    }

    /// A new stream, opened in the VM, which is started anew first if that is due. The stream belongs to the
    /// [`generation`](Self::generation) that the plugin then has.
    pub fn open(&mut self, now: Timestamp) -> Outcome<(Generation, StreamId)> {
        self.open_with(now, Vm::open_stream)
    }

    /// As [`open`](Self::open), by `open`: what it gives belongs to the generation beside it.
    pub fn open_with<T>(
        &mut self,
        now: Timestamp,
        open: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Outcome<(Generation, T)> {
        self.reload(now);
        match self.on(self.generation, now, open) {
            Ok(opened) => opened.map(|opened| (self.generation, opened)),
            // A VM that can open no stream is a VM that has failed.
            Err(_) => self.absent(),
        }
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
        if generation != self.generation || self.vm.is_poisoned() {
            return Ok(self.absent());
        }
        self.vm.set_time(now);
        match enter(&mut self.vm) {
            Ok(answer) => Ok(Outcome::Filtered(answer)),
            Err(error) if self.vm.is_poisoned() => {
                self.lose(now, error);
                Ok(self.absent())
            }
            Err(error) => Err(error),
        }
    }

    /// As [`on`](Self::on), for what belongs to no stream: ticks, the plugin's end. `None` if there is no
    /// filter, or none any more.
    pub fn enter<T>(
        &mut self,
        now: Timestamp,
        enter: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Option<T> {
        if self.vm.is_poisoned() {
            return None;
        }
        self.vm.set_time(now);
        match enter(&mut self.vm) {
            Ok(answer) => Some(answer),
            Err(error) => {
                if self.vm.is_poisoned() {
                    self.lose(now, error);
                }
                None
            }
        }
    }

    /// Answers a call that a VM of this generation made; nobody waits for one of an earlier VM.
    pub fn answer(&mut self, generation: Generation, now: Timestamp, token: u32, reply: CallReply) {
        if generation == self.generation {
            self.enter(now, |vm| vm.answer(token, reply));
        }
    }

    /// The calls that the guest has made since the last time, to be answered with the
    /// [`generation`](Self::generation) that the plugin now has. Calls that a VM leaves behind when it is
    /// replaced are lost: take them after each entry.
    pub fn take_calls(&mut self) -> Vec<OutboundCall> {
        self.vm.take_calls()
    }

    /// How often the guest wants a tick, if it does and runs.
    pub fn tick_period(&self) -> Option<Duration> {
        self.vm.tick_period().filter(|_| self.is_running())
    }

    /// The guest's metrics by name. Counters go on when a VM is replaced, as in Envoy; gauges and histograms
    /// are the last VM's.
    pub fn metrics(&self) -> BTreeMap<String, MetricValue> {
        let mut metrics = self.vm.metrics();
        for (name, before) in &self.counters {
            match metrics.get_mut(name) {
                Some(MetricValue::Counter(value)) => *value = value.saturating_add(*before),
                Some(MetricValue::Gauge(_) | MetricValue::Histogram(_)) => {}
                None => {
                    metrics.insert(name.clone(), MetricValue::Counter(*before));
                }
            }
        }
        metrics
    }

    /// What an entry without a filter comes to.
    fn absent<T>(&mut self) -> Outcome<T> {
        match self.policy {
            FailurePolicy::FailOpen => {
                self.stats.bypassed += 1;
                Outcome::Bypassed
            }
            FailurePolicy::FailClosed | FailurePolicy::FailReload { .. } => {
                self.stats.refused += 1;
                Outcome::Refused
            }
        }
    }

    fn lose(&mut self, now: Timestamp, error: VmError) {
        self.stats.lost += 1;
        let fate = match self.policy {
            FailurePolicy::FailOpen => "traffic goes on without it".to_owned(),
            FailurePolicy::FailClosed => "traffic gets a 503".to_owned(),
            FailurePolicy::FailReload { back_off } => {
                self.back_off(back_off);
                let wait = self.due.since(now);
                format!(
                    "traffic gets a 503 until it is started anew, at the first stream in {wait:?} or later"
                )
            }
        };
        self.vm.log(LogLevel::Critical, format_args!("the filter failed; {fate}: {error}"));
        self.failure = Some(error);
    }

    /// Envoy draws at each new stream; once a failure makes the time independent of the traffic.
    fn back_off(&mut self, least: Duration) {
        let most_added = u64::try_from(least.as_nanos() / 2).unwrap_or(u64::MAX).max(1);
        let added = Duration::from_nanos(self.random.next_u64() % most_added);
        self.due = self.started.plus(least).plus(added);
    }

    /// Starts a VM in place of one that failed, if the policy has it so and the time has come.
    fn reload(&mut self, now: Timestamp) {
        let FailurePolicy::FailReload { back_off } = self.policy else { return };
        if self.is_running() {
            return;
        }
        if now < self.due {
            self.stats.backed_off += 1;
            return;
        }
        self.started = now;
        let next = Generation(self.generation.0.wrapping_add(1));
        let seed = self.options.seed.wrapping_add(next.0.into());
        match self.filter.start(PluginOptions { start: now, seed, ..self.options.clone() }) {
            Ok(vm) => self.replace(vm, next),
            Err(error) => {
                self.stats.reloads_failed += 1;
                self.back_off(back_off);
                let wait = self.due.since(now);
                let next = format_args!("tried again at the first stream in {wait:?} or later");
                self.vm.log(
                    LogLevel::Critical,
                    format_args!("the filter cannot be started anew, {next}: {error}"),
                );
                self.failure = Some(error);
            }
        }
    }

    fn replace(&mut self, vm: Vm, generation: Generation) {
        self.stats.reloads += 1;
        let mut old = std::mem::replace(&mut self.vm, vm);
        self.generation = generation;
        for (name, value) in old.metrics() {
            if let MetricValue::Counter(value) = value {
                let sum = self.counters.entry(name).or_default();
                *sum = sum.saturating_add(value);
            }
        }
        self.vm.log_before(old.take_logs());
        self.vm.log(LogLevel::Warn, "the filter was started anew");
    }
}
