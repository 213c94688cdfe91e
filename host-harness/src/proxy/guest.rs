//! A worker's filter: its VM, the exchanges that pass through it, its ticks and its calls.
//!
//! Every entry is short and under one lock, which only its own worker takes; what the filter decides about
//! other exchanges on the way wakes their drivers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::callout::Clusters;
use super::calls::Calls;
use super::clock;
use crate::flow::{Flow, FlowOptions, Output};
use crate::time::Timestamp;
use crate::vm::{
    FailurePolicy, Filter, Generation, LogLevel, LogLine, MetricValue, OutboundCall, Outcome, Plugin,
    PluginOptions, PluginStats, PropertyValue, StreamId, Vm, VmError,
};

/// How long a filter that has not finished is left alone before it is asked again.
const FINISH_AGAIN: Duration = Duration::from_millis(50);

/// What is known of a filter's VMs.
pub(super) type Report = (PluginStats, BTreeMap<String, MetricValue>);

/// Names an exchange: the VM that has it, and its stream there.
pub(super) type Key = (Generation, StreamId);

/// A filter in use.
pub(super) struct Guest {
    state: Mutex<State>,
    calls: Arc<Calls>,
    /// Ticks are due at other times than before, or the guest retires.
    changed: Notify,
    /// An exchange or a call has ended.
    ended: Arc<Notify>,
}

struct State {
    plugin: Plugin,
    slots: BTreeMap<Key, Slot>,
    tick_period: Option<Duration>,
    retired: bool,
}

struct Slot {
    flow: Flow,
    wake: Arc<Notify>,
}

impl Guest {
    /// Starts a filter on this worker's runtime.
    pub(super) fn start(
        filter: &Filter,
        options: PluginOptions,
        policy: FailurePolicy,
        clusters: Arc<Clusters>,
    ) -> Result<Arc<Self>, VmError> {
        let plugin = Plugin::start(filter, PluginOptions { start: clock::now(), ..options }, policy)?;
        let state = State { plugin, slots: BTreeMap::new(), tick_period: None, retired: false };
        let ended = Arc::new(Notify::new());
        let guest = Arc::new(Self {
            state: Mutex::new(state),
            calls: Arc::new(Calls::new(clusters, Arc::clone(&ended))),
            changed: Notify::new(),
            ended,
        });
        guest.enter(|_, _| ());
        tokio::spawn(Arc::clone(&guest).keep_time());
        Ok(guest)
    }

    /// Opens an exchange; `wake` is told when it has outputs that nobody asked for.
    pub(super) fn open(self: &Arc<Self>, options: FlowOptions, wake: &Arc<Notify>) -> Outcome<Key> {
        self.enter(|state, now| {
            let opened = state.plugin.open(now);
            opened.map(|(generation, stream)| {
                let slot = Slot { flow: Flow::on(stream, options), wake: Arc::clone(wake) };
                state.slots.insert((generation, stream), slot);
                (generation, stream)
            })
        })
    }

    /// Sets properties of an exchange.
    pub(super) fn describe(&self, key: Key, properties: Vec<(&[&str], PropertyValue)>) {
        let mut state = self.lock();
        if state.plugin.generation() == key.0 {
            for (path, value) in properties {
                state.plugin.vm_mut().set_property(key.1, path, value);
            }
        }
    }

    /// Lets an exchange go a step, and gives its outputs.
    pub(super) fn step(
        self: &Arc<Self>,
        key: Key,
        step: impl FnOnce(&mut Flow, &mut Vm) -> Result<(), VmError>,
    ) -> Vec<Output> {
        self.enter(|state, now| state.step(key, now, step));
        self.outputs(key)
    }

    /// What an exchange has to do.
    pub(super) fn outputs(&self, key: Key) -> Vec<Output> {
        self.lock().slots.get_mut(&key).map(|slot| slot.flow.take_outputs()).unwrap_or_default()
    }

    /// Ends an exchange.
    pub(super) fn close(self: &Arc<Self>, key: Key) {
        self.enter(|state, now| {
            let Some(slot) = state.slots.remove(&key) else { return };
            // A stream that is not there any more has ended with its VM.
            let _ = state.plugin.on(key.0, now, |vm| slot.flow.close(vm));
        });
        self.ended.notify_waiters();
    }

    /// Ends every exchange, wherever it is.
    pub(super) fn close_all(self: &Arc<Self>) {
        let keys: Vec<Key> = self.lock().slots.keys().copied().collect();
        keys.into_iter().for_each(|key| self.close(key));
    }

    /// Whether the VM has not failed.
    pub(super) fn is_running(&self) -> bool {
        self.lock().plugin.is_running()
    }

    /// What has happened so far.
    pub(super) fn report(&self) -> Report {
        let state = self.lock();
        (state.plugin.stats(), state.plugin.metrics())
    }

    /// Waits for the exchanges to end, lets the filter finish, and waits for its last calls; all of it for
    /// no longer than `limit`. Returns whether it came to its end.
    pub(super) async fn retire(self: Arc<Self>, limit: Duration) -> bool {
        let finishing = async {
            self.until(|guest| guest.lock().slots.is_empty()).await;
            loop {
                let done = self.enter(|state, now| state.plugin.enter(now, Vm::finish));
                if done != Some(false) && self.calls.count() == 0 {
                    return;
                }
                // A call ends, or a tick changes the filter's mind.
                let _ = tokio::time::timeout(FINISH_AGAIN, self.ended.notified()).await;
            }
        };
        let is_finished = tokio::time::timeout(limit, finishing).await.is_ok();
        self.lock().retired = true;
        self.changed.notify_waiters();
        is_finished
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if reached(self) {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // State is whole between hostcalls; a panic of the host elsewhere does not change that.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the filter and does what follows from it.
    fn enter<T>(self: &Arc<Self>, act: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = clock::now();
        let mut state = self.lock();
        let result = act(&mut state, now);
        state.settle(now);
        let generation = state.plugin.generation();
        let calls = state.plugin.take_calls();
        let logs = state.plugin.vm_mut().take_logs();
        let period = state.plugin.tick_period();
        let is_changed = std::mem::replace(&mut state.tick_period, period) != period;
        drop(state);
        if is_changed {
            self.changed.notify_waiters();
        }
        for call in calls {
            self.make(generation, call);
        }
        logs.iter().for_each(say);
        result
    }

    fn make(self: &Arc<Self>, generation: Generation, call: OutboundCall) {
        let (guest, token) = (Arc::clone(self), call.token);
        self.calls.take(generation, call, move |reply| {
            guest.enter(|state, now| state.plugin.answer(generation, now, token, reply));
        });
    }

    /// Ticks until the guest retires.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (period, retired) = {
                let state = self.lock();
                (state.tick_period, state.retired)
            };
            if retired {
                return;
            }
            let Some(period) = period else {
                changed.await;
                continue;
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(period) => {
                    self.enter(|state, now| state.plugin.enter(now, Vm::tick));
                }
            }
        }
    }
}

impl State {
    fn step(
        &mut self,
        key: Key,
        now: Timestamp,
        step: impl FnOnce(&mut Flow, &mut Vm) -> Result<(), VmError>,
    ) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        if slot.flow.is_bypassed() {
            // It does not touch the VM.
            let _ = step(&mut slot.flow, self.plugin.vm_mut());
            return;
        }
        let Slot { flow, .. } = slot;
        if let Err(error) = self.plugin.on(key.0, now, |vm| step(flow, vm)) {
            tracing::warn!("an exchange goes on without the filter: {error}");
            flow.bypass(self.plugin.vm_mut());
        }
    }

    /// Does what the filter decided beside the results of its callbacks, and lets go what a VM that failed
    /// has held.
    fn settle(&mut self, now: Timestamp) {
        loop {
            let generation = self.plugin.generation();
            let actions = self.plugin.vm_mut().take_stream_actions();
            if actions.is_empty() {
                break;
            }
            for (stream, action) in actions {
                let key = (generation, stream);
                self.step(key, now, |flow, vm| flow.apply(vm, action));
                if let Some(slot) = self.slots.get(&key) {
                    slot.wake.notify_one();
                }
            }
        }
        if self.plugin.is_running() {
            return;
        }
        let opens = self.plugin.policy() == FailurePolicy::FailOpen;
        let vm = self.plugin.vm_mut();
        for slot in self.slots.values_mut().filter(|slot| !slot.flow.is_bypassed()) {
            if opens {
                slot.flow.bypass(vm);
            } else {
                slot.flow.refuse(vm);
            }
            slot.wake.notify_one();
        }
    }
}

fn say(line: &LogLine) {
    let message = &line.message;
    match line.level {
        LogLevel::Trace => tracing::trace!(target: "meshspan::filter", "{message}"),
        LogLevel::Debug => tracing::debug!(target: "meshspan::filter", "{message}"),
        LogLevel::Info => tracing::info!(target: "meshspan::filter", "{message}"),
        LogLevel::Warn => tracing::warn!(target: "meshspan::filter", "{message}"),
        LogLevel::Error | LogLevel::Critical => tracing::error!(target: "meshspan::filter", "{message}"),
    }
}
