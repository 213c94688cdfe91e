//! The proxies of a mesh, each a plugin with its VM and its failure policy.

use std::collections::HashMap;
use std::time::Duration;

use super::mesh::{Mesh, ProxyId};
use super::{ReplayError, ReplayOptions, ReplayStats, shard, stopwatch};
use crate::flow::Flow;
use crate::host::{LogLevel, LogLine, MetricValue, PropertyValue};
use crate::time::Timestamp;
use crate::vm::{
    CallReply, FailurePolicy, Filter, Generation, OutboundCall, Outcome, Plugin, PluginOptions, StreamAction,
    StreamId, Vm, VmError,
};

/// The gauge by which the filter says how many spans still wait for their export.
const QUEUE_GAUGE: &str = "meshspan_queue_spans";

/// The proxies, and what their filters want from outside.
pub(super) struct Fleet<'a> {
    filter: &'a Filter,
    mesh: Mesh<'a>,
    options: ReplayOptions,
    /// Which of the proxies' sets of VMs this is.
    lane: usize,
    /// By number; none where no request has come yet.
    proxies: Vec<Option<Proxy>>,
    /// What the filters want, and nobody has taken yet.
    pub(super) wishes: Wishes,
}

/// What filters left outside.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) calls: Vec<Call>,
    /// Tick periods set: proxy and period.
    pub(super) ticks: Vec<(usize, Option<Duration>)>,
    /// What they decided about passes beside the results of their callbacks.
    pub(super) actions: Vec<(Place, StreamAction)>,
    /// Passes whose VM was lost.
    pub(super) forsaken: Vec<Place>,
}

/// A pass: the exchange's number, and the hop's index.
pub(super) type Place = (u64, usize);

struct Proxy {
    /// Such as `web inbound`.
    name: String,
    plugin: Plugin,
    /// Whose the open streams of the VM are.
    places: HashMap<StreamId, Place>,
    tick_period: Option<Duration>,
}

/// A callout, and the VM that made it.
pub(super) struct Call {
    pub(super) proxy: usize,
    pub(super) generation: Generation,
    pub(super) call: OutboundCall,
}

/// A stream, and the VM that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    proxy: usize,
    generation: Generation,
    id: StreamId,
}

impl Stream {
    pub(super) fn id(self) -> StreamId {
        self.id
    }
}

impl Wishes {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.ticks.is_empty() && self.actions.is_empty() && self.forsaken.is_empty()
    }
}

impl<'a> Fleet<'a> {
    /// Proxies that start the filter when the first request comes to them.
    pub(super) fn new(filter: &'a Filter, mesh: Mesh<'a>, options: ReplayOptions, lane: usize) -> Self {
        Self { filter, mesh, options, lane, proxies: Vec::new(), wishes: Wishes::default() }
    }

    /// Starts the filter in this proxy, if it has not been.
    pub(super) fn ensure(
        &mut self,
        index: usize,
        id: &ProxyId,
        now: Timestamp,
        stats: &mut ReplayStats,
    ) -> Result<(), ReplayError> {
        if self.proxies.len() <= index {
            self.proxies.resize_with(index + 1, || None);
        }
        let Some(place @ None) = self.proxies.get_mut(index) else { return Ok(()) };
        let name = id.to_string();
        let options = self.mesh.plugin(id, &self.options);
        let seed = seed(self.options.seed, &name, self.lane);
        let options = PluginOptions { seed, start: now, ..options };
        let started = Plugin::start(self.filter, options, self.options.failure_policy);
        let plugin = started.map_err(|source| ReplayError::Start { proxy: name.clone(), source })?;
        *place = Some(Proxy { name, plugin, places: HashMap::new(), tick_period: None });
        self.drain(index, stats);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.proxies.len()
    }

    /// Opens a stream at the head of a request, and takes the time of that.
    pub(super) fn open(
        &mut self,
        proxy: usize,
        place: Place,
        now: Timestamp,
        stats: &mut ReplayStats,
    ) -> (Outcome<Stream>, Duration) {
        let Some(Proxy { plugin, places, .. }) = self.proxy_mut(proxy) else {
            return (Outcome::Bypassed, Duration::ZERO);
        };
        let (opened, took) = stopwatch::time(|| plugin.open(now));
        let opened = opened.map(|(generation, id)| Stream { proxy, generation, id });
        if let Outcome::Filtered(stream) = opened {
            places.insert(stream.id, place);
        }
        self.drain(proxy, stats);
        (opened, took)
    }

    /// Lets a flow go a step, and takes the filter's time. A flow whose VM is lost goes it without the filter.
    pub(super) fn step(
        &mut self,
        proxy: usize,
        stream: Option<Stream>,
        flow: &mut Flow,
        (now, stats): (Timestamp, &mut ReplayStats),
        step: impl FnOnce(&mut Flow, &mut Vm) -> Result<(), VmError>,
    ) -> Duration {
        let Some(Proxy { plugin, .. }) = self.proxy_mut(proxy) else { return Duration::ZERO };
        forsake(plugin, stream, flow);
        let Some(stream) = stream.filter(|_| !flow.is_bypassed()) else {
            // It does not touch the VM.
            let _ = step(flow, plugin.vm_mut());
            return Duration::ZERO;
        };
        let (entered, took) = stopwatch::time(|| plugin.on(stream.generation, now, |vm| step(flow, vm)));
        if let Err(error) = entered {
            flow.bypass(plugin.vm_mut());
            self.log(
                proxy,
                LogLevel::Error,
                format!("an exchange goes on without the filter: {error}"),
                stats,
            );
        } else {
            forsake(plugin, Some(stream), flow);
        }
        self.drain(proxy, stats);
        took
    }

    /// Ends a stream, and takes the filter's time.
    pub(super) fn close(
        &mut self,
        stream: Stream,
        flow: Flow,
        (now, stats): (Timestamp, &mut ReplayStats),
    ) -> Duration {
        let Some(Proxy { plugin, places, .. }) = self.proxy_mut(stream.proxy) else { return Duration::ZERO };
        if plugin.generation() == stream.generation {
            places.remove(&stream.id);
        }
        if flow.is_bypassed() {
            return Duration::ZERO;
        }
        let (_, took) = stopwatch::time(|| plugin.on(stream.generation, now, |vm| flow.close(vm)));
        self.drain(stream.proxy, stats);
        took
    }

    /// What the host knows of a stream; nothing happens if its VM is gone.
    pub(super) fn describe(&mut self, stream: Stream, properties: Vec<(&[&str], PropertyValue)>) {
        let Some(Proxy { plugin, .. }) = self.proxy_mut(stream.proxy) else { return };
        if is_current(plugin, stream.generation) {
            for (path, value) in properties {
                plugin.vm_mut().set_property(stream.id, path, value);
            }
        }
    }

    /// Whether every filter says that nothing waits for its export. One that does not say may have some.
    pub(super) fn is_idle(&self) -> bool {
        let is_empty = |vm: &Vm| matches!(vm.metrics().get(QUEUE_GAUGE), Some(MetricValue::Gauge(0)));
        let running = self.proxies.iter().flatten().filter(|proxy| proxy.plugin.is_running());
        running.map(|proxy| proxy.plugin.vm()).all(is_empty)
    }

    /// Enters the filter for what belongs to no stream; none if there is no filter, or none any more.
    pub(super) fn enter<T>(
        &mut self,
        index: usize,
        now: Timestamp,
        stats: &mut ReplayStats,
        enter: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Option<T> {
        let entered = self.proxy_mut(index).and_then(|proxy| proxy.plugin.enter(now, enter));
        self.drain(index, stats);
        entered
    }

    /// Answers a call, if the VM that made it still runs.
    pub(super) fn answer(&mut self, call: &Call, reply: CallReply, now: Timestamp, stats: &mut ReplayStats) {
        if let Some(proxy) = self.proxy_mut(call.proxy) {
            proxy.plugin.answer(call.generation, now, call.call.token, reply);
            self.drain(call.proxy, stats);
        }
    }

    /// Ends every VM for good and adds up what it counted.
    pub(super) fn retire(&mut self, stats: &mut ReplayStats) {
        for proxy in std::mem::take(&mut self.proxies).into_iter().flatten() {
            stats.add_plugin(&proxy.plugin);
        }
    }

    pub(super) fn log(&self, index: usize, level: LogLevel, message: String, stats: &mut ReplayStats) {
        let proxy = self.proxies.get(index).and_then(Option::as_ref);
        let name = proxy.map(|proxy| proxy.name.clone()).unwrap_or_default();
        stats.add_log(name, LogLine { level, message });
    }

    fn drain(&mut self, index: usize, stats: &mut ReplayStats) {
        let Some(proxy) = self.proxies.get_mut(index).and_then(Option::as_mut) else { return };
        let Proxy { plugin, places, .. } = proxy;
        let (generation, wishes) = (plugin.generation(), &mut self.wishes);
        wishes.calls.extend(plugin.take_calls().into_iter().map(|call| Call {
            proxy: index,
            generation,
            call,
        }));
        let actions = plugin.vm_mut().take_stream_actions().into_iter();
        wishes.actions.extend(actions.filter_map(|(stream, action)| Some((*places.get(&stream)?, action))));
        for line in plugin.vm_mut().take_logs() {
            stats.add_log(proxy.name.clone(), line);
        }
        if !plugin.is_running() {
            let mut forsaken: Vec<Place> = places.drain().map(|(_, place)| place).collect();
            forsaken.sort_unstable();
            wishes.forsaken.extend(forsaken);
        }
        if proxy.tick_period != plugin.tick_period() {
            proxy.tick_period = plugin.tick_period();
            wishes.ticks.push((index, proxy.tick_period));
        }
    }

    fn proxy_mut(&mut self, index: usize) -> Option<&mut Proxy> {
        self.proxies.get_mut(index)?.as_mut()
    }
}

fn is_current(plugin: &Plugin, generation: Generation) -> bool {
    plugin.is_running() && plugin.generation() == generation
}

/// Has the flow go on, or end, without its VM, if that is lost.
fn forsake(plugin: &mut Plugin, stream: Option<Stream>, flow: &mut Flow) {
    let is_lost = stream.is_some_and(|stream| !is_current(plugin, stream.generation));
    if flow.is_bypassed() || !is_lost {
        return;
    }
    let policy = plugin.policy();
    match policy {
        FailurePolicy::FailOpen => flow.bypass(plugin.vm_mut()),
        FailurePolicy::FailClosed | FailurePolicy::FailReload { .. } => flow.refuse(plugin.vm_mut()),
    }
}

/// A seed of its own for each plugin, whichever other proxies there are.
fn seed(seed: u64, name: &str, lane: usize) -> u64 {
    let numbers = [seed.to_le_bytes(), lane.to_le_bytes()];
    shard::hash(&[name.as_bytes(), &numbers.concat()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_has_a_seed_of_its_own() {
        let seeds = [
            seed(1, "web inbound", 0),
            seed(1, "web outbound", 0),
            seed(1, "web inbound", 1),
            seed(2, "web inbound", 0),
        ];
        let different: std::collections::BTreeSet<_> = seeds.into_iter().collect();
        assert_eq!(different.len(), seeds.len());
        assert_eq!(seed(1, "web inbound", 0), seeds[0]);
    }
}
