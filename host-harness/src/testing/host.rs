//! A running plugin, its virtual clock, and what it did.

use std::collections::BTreeMap;
use std::time::Duration;

use super::builder::Setup;
use super::{Answer, Callout, Fate, RequestBuilder, TestHostBuilder};
use crate::collect::{self, SpanRecord};
use crate::host::{CallReply, CallbackRecord, MetricValue, StreamAction, StreamId};
use crate::time::Timestamp;
use crate::vm::{Filter, LogLine, Plugin, PluginOptions, Vm, VmError};

/// One plugin in a VM of its own, with a virtual clock.
#[derive(Debug)]
pub struct TestHost {
    pub(super) filter: Filter,
    pub(super) setup: Setup,
    pub(super) plugin: Plugin,
    pub(super) now: Timestamp,
    pub(super) logs: Vec<LogLine>,
    pub(super) callouts: Vec<Callout>,
    pub(super) spans: Vec<SpanRecord>,
    pub(super) callbacks: Vec<CallbackRecord>,
    pub(super) actions: Vec<(StreamId, StreamAction)>,
    tick: Option<(Duration, Timestamp)>,
    due: Vec<Due>,
    /// How many calls each cluster has answered.
    used: BTreeMap<String, usize>,
}

/// Answers that are on their way to a callout.
#[derive(Debug)]
struct Due {
    at: Timestamp,
    callout: usize,
    replies: Vec<CallReply>,
}

impl TestHost {
    /// A host for the filter in these bytes.
    #[expect(clippy::new_ret_no_self, reason = "the host is what the builder is for")]
    pub fn new(wasm: impl Into<Vec<u8>>) -> TestHostBuilder {
        TestHostBuilder::of_wasm(wasm.into())
    }

    /// A host for a filter that is compiled already, which many hosts can share.
    pub fn of(filter: &Filter) -> TestHostBuilder {
        TestHostBuilder::of_filter(filter.clone())
    }

    pub(super) fn start(filter: Filter, setup: Setup) -> Result<Self, VmError> {
        let plugin = Plugin::start(&filter, setup.options.clone(), setup.policy)?;
        let mut host = Self {
            filter,
            now: setup.options.start,
            setup,
            plugin,
            logs: Vec::new(),
            callouts: Vec::new(),
            spans: Vec::new(),
            callbacks: Vec::new(),
            actions: Vec::new(),
            tick: None,
            due: Vec::new(),
            used: BTreeMap::new(),
        };
        host.settle();
        Ok(host)
    }

    /// Another host as this one was at its start.
    ///
    /// # Errors
    /// As [`TestHostBuilder::start`].
    pub fn fresh(&self) -> Result<Self, VmError> {
        Self::start(self.filter.clone(), self.setup.clone())
    }

    /// An exchange to be sent through the filter.
    pub fn request(&mut self) -> RequestBuilder<'_> {
        RequestBuilder::new(self)
    }

    /// The virtual clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass: ticks and answers come when they are due.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now.plus(time);
        while self.step(end) {}
        self.now = end;
    }

    /// Moves the clock without anything happening meanwhile, as if the machine had slept; backwards, too.
    pub fn jump_to(&mut self, time: Timestamp) {
        self.now = time;
        self.plugin.vm_mut().jump_to(time);
        if let Some((period, next)) = &mut self.tick {
            *next = time.plus(*period);
        }
    }

    /// `proxy_on_tick`, now.
    pub fn tick(&mut self) {
        self.plugin.enter(self.now, Vm::tick);
        self.settle();
    }

    /// Ends the plugin: it is asked to finish, and what it still calls for is answered.
    ///
    /// # Errors
    /// [`VmError`] why, if the VM has failed.
    pub fn finish(&mut self) -> Result<(), VmError> {
        let end = self.now.plus(self.setup.patience);
        loop {
            let is_done = self.plugin.enter(self.now, Vm::finish);
            self.settle();
            if is_done != Some(false) || !self.step(end) {
                break;
            }
        }
        if self.plugin.is_running() { Ok(()) } else { Err(VmError::Poisoned) }
    }

    /// Starts the VM anew, as a proxy that was restarted; what the old one had not exported is lost.
    ///
    /// # Errors
    /// As [`TestHostBuilder::start`].
    pub fn restart(&mut self) -> Result<(), VmError> {
        let options = PluginOptions { start: self.now, ..self.setup.options.clone() };
        self.plugin = Plugin::start(&self.filter, options, self.setup.policy)?;
        self.due.clear();
        self.tick = None;
        let unanswered = self.callouts.iter_mut().filter(|callout| callout.fate == Fate::Unanswered);
        unanswered.for_each(|callout| callout.fate = Fate::Lost);
        self.settle();
        Ok(())
    }

    /// Ends the guest at its `n`-th hostcall from now, counted from 1.
    ///
    /// # Errors
    /// [`VmError::NotInstrumented`], never of a host that was started here.
    pub fn trap_at_hostcall(&mut self, n: u64) -> Result<(), VmError> {
        self.plugin.vm_mut().trap_at_hostcall(n)
    }

    /// Has the guest's `n`-th allocation for the host from now fail, counted from 1.
    ///
    /// # Errors
    /// As [`trap_at_hostcall`](Self::trap_at_hostcall).
    pub fn fail_allocation(&mut self, n: u64) -> Result<(), VmError> {
        self.plugin.vm_mut().fail_allocation(n)
    }

    /// From now on the cluster gives this answer.
    pub fn answer(&mut self, cluster: &str, answer: Answer) {
        self.used.remove(cluster);
        self.setup.answers.insert(cluster.to_owned(), vec![answer]);
    }

    /// The plugin, its policy and its VM.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Everything logged so far.
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    /// Every call made so far.
    pub fn callouts(&self) -> &[Callout] {
        &self.callouts
    }

    /// Every span exported so far, to a cluster that answers as a collector.
    pub fn spans(&self) -> &[SpanRecord] {
        &self.spans
    }

    /// Every callback so far, with its hostcalls.
    pub fn callbacks(&self) -> &[CallbackRecord] {
        &self.callbacks
    }

    /// The guest's metrics.
    pub fn metrics(&self) -> BTreeMap<String, MetricValue> {
        self.plugin.metrics()
    }

    /// Forgets what was logged, called, exported and written down so far, but for calls that wait for an answer.
    pub fn forget(&mut self) {
        self.logs.clear();
        self.spans.clear();
        self.callbacks.clear();
        if self.due.is_empty() {
            self.callouts.clear();
        }
    }

    /// Takes in what the guest left outside.
    pub(super) fn settle(&mut self) {
        let generation = self.plugin.generation();
        for call in self.plugin.take_calls() {
            let callout = self.callouts.len();
            self.callouts.push(Callout::new(&call, self.now, generation));
            let answer = self.next_answer(&String::from_utf8_lossy(&call.upstream));
            let Some((after, replies)) = answer.and_then(|answer| answer.to(&call)) else { continue };
            if let Some(Ok(export)) = collect::decode_call(&call) {
                self.spans.extend(collect::records(&export.resource_spans));
            }
            self.due.push(Due { at: self.now.plus(after), callout, replies });
        }
        let vm = self.plugin.vm_mut();
        self.logs.extend(vm.take_logs());
        self.callbacks.extend(vm.take_transcript().callbacks);
        self.actions.extend(vm.take_stream_actions());
        let period = self.plugin.tick_period();
        if self.tick.map(|(period, _)| period) != period {
            self.tick = period.map(|period| (period, self.now.plus(period)));
        }
    }

    fn next_answer(&mut self, cluster: &str) -> Option<Answer> {
        let answers = self.setup.answers.get(cluster)?;
        let used = self.used.entry(cluster.to_owned()).or_default();
        let answer = answers.get(*used).or(answers.last());
        *used += 1;
        answer.cloned()
    }

    /// Lets the next thing happen that is due until `end`; false if there is none.
    pub(super) fn step(&mut self, end: Timestamp) -> bool {
        let answer =
            self.due.iter().enumerate().min_by_key(|(_, due)| due.at).map(|(index, due)| (due.at, index));
        let tick = self.tick.map(|(_, at)| at);
        match (answer, tick) {
            (Some((at, index)), tick) if at <= end && tick.is_none_or(|tick| at <= tick) => {
                self.now = self.now.max(at);
                self.deliver(index);
            }
            (_, Some(at)) if at <= end => {
                self.now = self.now.max(at);
                if let Some((period, next)) = &mut self.tick {
                    *next = at.plus(*period);
                }
                self.tick();
            }
            _ => return false,
        }
        true
    }

    fn deliver(&mut self, index: usize) {
        let Due { callout, replies, .. } = self.due.swap_remove(index);
        let Some(callout) = self.callouts.get_mut(callout) else { return };
        let (generation, token) = (callout.generation, callout.token);
        let is_heard = generation == self.plugin.generation() && self.plugin.is_running();
        callout.fate = if is_heard { Fate::Answered } else { Fate::Lost };
        for reply in replies {
            self.plugin.answer(generation, self.now, token, reply);
            self.settle();
        }
    }
}
