//! Several plugins in one VM, each with its failure policy: what a VM's failure comes to for each of them.
//!
//! As in Envoy: the failure is everybody's, and what follows is each one's own. Those that are to be started anew
//! come into one new VM, each when its own back-off is over.
//! trap → a 503 for one plugin's streams, and none for those of one that fails open

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::plugin::{FailurePolicy, Generation, Outcome, PluginStats};
use super::{
    Filter, LogLevel, MetricValue, OutboundCall, PluginOptions, RootId, RootOptions, StreamId, Vm, VmError,
};
use crate::host::CallReply;
use crate::time::Timestamp;

/// One of the plugins of a [`Plugins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(usize);

impl PluginId {
    /// The one that it was started with.
    pub const FIRST: Self = Self(0);
}

/// A filter's plugins with their policies, and the VM that they run in.
#[derive(Debug)]
pub struct Plugins {
    filter: Filter,
    /// What all plugins have together.
    options: PluginOptions,
    vm: Vm,
    generation: Generation,
    /// Counters of the VMs before.
    counters: BTreeMap<String, u64>,
    first: Member,
    others: Vec<Member>,
}

/// One plugin.
#[derive(Debug)]
struct Member {
    options: RootOptions,
    policy: FailurePolicy,
    /// Where it runs, or ran last.
    place: (Generation, RootId),
    /// When it was last started, or that was tried.
    started: Timestamp,
    /// When it may be next, if its VM failed.
    due: Timestamp,
    random: Xoshiro256PlusPlus,
    stats: PluginStats,
    failure: Option<Arc<VmError>>,
}

impl Member {
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

    /// Takes note that the VM was lost; what becomes of the traffic.
    fn lose(&mut self, now: Timestamp) -> String {
        self.stats.lost += 1;
        match self.policy {
            FailurePolicy::FailOpen => "traffic goes on without it".to_owned(),
            FailurePolicy::FailClosed => "traffic gets a 503".to_owned(),
            FailurePolicy::FailReload { back_off } => {
                self.back_off(back_off);
                let wait = self.due.since(now);
                format!(
                    "traffic gets a 503 until it is started anew, at the first stream in {wait:?} or later"
                )
            }
        }
    }

    /// Envoy draws at each new stream; once a failure makes the time independent of the traffic.
    fn back_off(&mut self, least: Duration) {
        let most_added = u64::try_from(least.as_nanos() / 2).unwrap_or(u64::MAX).max(1);
        let added = Duration::from_nanos(self.random.next_u64() % most_added);
        self.due = self.started.plus(least).plus(added);
    }
}

impl Plugins {
    /// Starts the filter at `options.start` with one plugin, [`PluginId::FIRST`]. That must succeed whatever the
    /// policy: it is for what happens later, as in Envoy, where a configuration that a filter rejects is an
    /// error under every policy.
    ///
    /// # Errors
    /// As [`Filter::start`].
    pub fn start(filter: &Filter, options: PluginOptions, policy: FailurePolicy) -> Result<Self, VmError> {
        let vm = filter.start(options.clone())?;
        let first = Member {
            options: RootOptions {
                configuration: options.configuration.clone(),
                plugin_name: options.plugin_name.clone(),
                root_id: options.root_id.clone(),
            },
            policy,
            place: (Generation::default(), RootId::FIRST),
            started: options.start,
            due: options.start,
            random: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            stats: PluginStats::default(),
            failure: None,
        };
        Ok(Self {
            filter: filter.clone(),
            vm,
            generation: Generation::default(),
            counters: BTreeMap::new(),
            first,
            others: Vec::new(),
            options,
        })
    }

    /// Adds a plugin to the VM. One that is there with equal options and policy is that one, and one with equal
    /// options and another policy has its context together with that one. As in Envoy it is tried in a VM of its own before, so that one that is rejected or traps costs nobody anything.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails, in its own VM or because the plugins' has failed before, or rejects what
    /// the plugin is started with.
    pub fn add(
        &mut self,
        options: RootOptions,
        policy: FailurePolicy,
        now: Timestamp,
    ) -> Result<PluginId, VmError> {
        let known = |member: &Member| member.options == options && member.policy == policy;
        if let Some(place) = std::iter::once(&self.first).chain(&self.others).position(known) {
            return Ok(PluginId(place));
        }
        self.filter.canary(self.alone(&options, now))?;
        self.vm.set_time(now);
        let root = match self.vm.add_root(options.clone()) {
            Ok(root) => root,
            Err(error) if self.vm.is_poisoned() => {
                self.lose(now, error);
                return Err(VmError::Poisoned);
            }
            Err(error) => return Err(error),
        };
        let seed = self.options.seed.wrapping_add(root.0.into());
        self.others.push(Member {
            options,
            policy,
            place: (self.generation, root),
            started: now,
            due: now,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            stats: PluginStats::default(),
            failure: None,
        });
        Ok(PluginId(self.others.len()))
    }

    /// What a VM with only this plugin is started with.
    fn alone(&self, root: &RootOptions, now: Timestamp) -> PluginOptions {
        let RootOptions { configuration, plugin_name, root_id } = root.clone();
        PluginOptions { configuration, plugin_name, root_id, start: now, ..self.options.clone() }
    }

    /// The plugin's; the first one's for an id of other plugins.
    fn member(&self, id: PluginId) -> &Member {
        id.0.checked_sub(1).and_then(|place| self.others.get(place)).unwrap_or(&self.first)
    }

    fn member_mut(&mut self, id: PluginId) -> &mut Member {
        id.0.checked_sub(1).and_then(|place| self.others.get_mut(place)).unwrap_or(&mut self.first)
    }

    /// Whether the plugin's VM is one that has not failed.
    pub fn is_running(&self, id: PluginId) -> bool {
        self.member(id).place.0 == self.generation && !self.vm.is_poisoned()
    }

    /// The plugin in the VM that it runs in, or ran in last.
    pub fn root(&self, id: PluginId) -> RootId {
        self.member(id).place.1
    }

    /// Which VM the last one is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The plugin's policy.
    pub fn policy(&self, id: PluginId) -> FailurePolicy {
        self.member(id).policy
    }

    /// What has happened to the plugin so far.
    pub fn stats(&self, id: PluginId) -> PluginStats {
        self.member(id).stats
    }

    /// Why the plugin's VM was lost, or why it could not be started anew, last.
    pub fn failure(&self, id: PluginId) -> Option<&VmError> {
        self.member(id).failure.as_deref()
    }

    /// The last VM, to read from; it may have failed.
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// The VM, for what does not run the guest: its log, its calls, streams' properties. To run the guest,
    /// use the methods here, which keep the policies.
    pub fn vm_mut(&mut self) -> &mut Vm {
        &mut self.vm
    }

    /// A new stream of a plugin, opened in the VM, into which the plugin is started anew first if that is due.
    /// The stream belongs to the [`generation`](Self::generation) that there then is.
    pub fn open(&mut self, id: PluginId, now: Timestamp) -> Outcome<(Generation, StreamId)> {
        self.open_with(id, now, Vm::open_stream_of)
    }

    /// As [`open`](Self::open), by `open`: what it gives belongs to the generation beside it.
    pub fn open_with<T>(
        &mut self,
        id: PluginId,
        now: Timestamp,
        open: impl FnOnce(&mut Vm, RootId) -> Result<T, VmError>,
    ) -> Outcome<(Generation, T)> {
        self.reload(id, now);
        let (generation, root) = self.member(id).place;
        match self.on(id, generation, now, |vm| open(vm, root)) {
            Ok(opened) => opened.map(|opened| (generation, opened)),
            // A VM that can open no stream is a VM that has failed.
            Err(_) => self.member_mut(id).absent(),
        }
    }

    /// Enters the filter for what belongs to one of its VMs: a plugin's stream.
    ///
    /// # Errors
    /// [`VmError`] if `enter` gives one that costs no VM: [`VmError::UnknownStream`], [`VmError::BodyLimit`].
    pub fn on<T>(
        &mut self,
        id: PluginId,
        generation: Generation,
        now: Timestamp,
        enter: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Result<Outcome<T>, VmError> {
        if generation != self.generation || self.vm.is_poisoned() {
            return Ok(self.member_mut(id).absent());
        }
        self.vm.set_time(now);
        match enter(&mut self.vm) {
            Ok(answer) => Ok(Outcome::Filtered(answer)),
            Err(error) if self.vm.is_poisoned() => {
                self.lose(now, error);
                Ok(self.member_mut(id).absent())
            }
            Err(error) => Err(error),
        }
    }

    /// As [`on`](Self::on), for what belongs to no stream: ticks, a plugin's end. `None` if there is no
    /// filter, or none any more.
    pub fn enter<T>(
        &mut self,
        id: PluginId,
        now: Timestamp,
        enter: impl FnOnce(&mut Vm, RootId) -> Result<T, VmError>,
    ) -> Option<T> {
        if !self.is_running(id) {
            return None;
        }
        let root = self.root(id);
        self.vm.set_time(now);
        match enter(&mut self.vm, root) {
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
        if generation != self.generation || self.vm.is_poisoned() {
            return;
        }
        self.vm.set_time(now);
        if let Err(error) = self.vm.answer(token, reply) {
            self.lose(now, error);
        }
    }

    /// The calls that the guest has made since the last time, to be answered with the
    /// [`generation`](Self::generation) that there now is. Calls that a VM leaves behind when it is replaced are
    /// lost: take them after each entry.
    pub fn take_calls(&mut self) -> Vec<OutboundCall> {
        self.vm.take_calls()
    }

    /// How often the plugin wants a tick, if it does and runs.
    pub fn tick_period(&self, id: PluginId) -> Option<Duration> {
        self.vm.tick_period_of(self.root(id)).filter(|_| self.is_running(id))
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

    /// The VM has failed: every plugin in it has lost it.
    fn lose(&mut self, now: Timestamp, error: VmError) {
        let error = Arc::new(error);
        let generation = self.generation;
        let members = std::iter::once(&mut self.first).chain(&mut self.others).enumerate();
        for (place, member) in members.filter(|(_, member)| member.place.0 == generation) {
            let fate = member.lose(now);
            let of = match place {
                0 => String::new(),
                _ => format!(" for plugin {:?}", member.options.plugin_name),
            };
            self.vm.log(LogLevel::Critical, format_args!("the filter failed{of}; {fate}: {error}"));
            member.failure = Some(Arc::clone(&error));
        }
    }

    /// Starts a plugin anew whose VM failed, if its policy has it so and the time has come: in a new VM, or in
    /// the one that another plugin was started anew in.
    fn reload(&mut self, id: PluginId, now: Timestamp) {
        let FailurePolicy::FailReload { back_off } = self.member(id).policy else { return };
        if self.is_running(id) {
            return;
        }
        let next = Generation::after(self.generation);
        let seed = self.options.seed.wrapping_add(next.number().into());
        let member = self.member_mut(id);
        if now < member.due {
            member.stats.backed_off += 1;
            return;
        }
        member.started = now;
        let options = member.options.clone();
        let is_lost = self.vm.is_poisoned();
        let started = if is_lost {
            let vm = self.filter.start(PluginOptions { seed, ..self.alone(&options, now) });
            vm.map(|vm| self.replace(vm, next))
        } else {
            self.vm.set_time(now);
            self.vm.add_root(options)
        };
        let generation = self.generation;
        let member = self.member_mut(id);
        match started {
            Ok(root) => {
                member.place = (generation, root);
                member.stats.reloads += 1;
                self.vm.log(LogLevel::Warn, "the filter was started anew");
            }
            Err(error) => {
                member.stats.reloads_failed += 1;
                member.back_off(back_off);
                let wait = member.due.since(now);
                let next = format_args!("tried again at the first stream in {wait:?} or later");
                let line = format!("the filter cannot be started anew, {next}: {error}");
                member.failure = Some(Arc::new(error));
                self.vm.log(LogLevel::Critical, line);
                if !is_lost && self.vm.is_poisoned() {
                    self.lose(now, VmError::Poisoned);
                }
            }
        }
    }

    fn replace(&mut self, vm: Vm, generation: Generation) -> RootId {
        let mut old = std::mem::replace(&mut self.vm, vm);
        self.generation = generation;
        for (name, value) in old.metrics() {
            if let MetricValue::Counter(value) = value {
                let sum = self.counters.entry(name).or_default();
                *sum = sum.saturating_add(value);
            }
        }
        self.vm.log_before(old.take_logs());
        RootId::FIRST
    }
}
