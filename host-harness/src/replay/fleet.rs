//! The proxies of a mesh, each a VM that runs the filter. A VM that traps is lost and replaced, and
//! the traffic goes on without it.

use std::time::Duration;

use super::mesh::{Mesh, ProxyId};
use super::{ReplayError, ReplayOptions, ReplayStats, shard, stopwatch};
use crate::host::{HostProfile, LogLevel, LogLine, MetricValue, PropertyValue};
use crate::time::Timestamp;
use crate::vm::{Filter, OutboundCall, PluginOptions, StreamId, Vm, VmError};

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
    /// Callouts made and not yet taken.
    pub(super) calls: Vec<Call>,
    /// Tick periods set and not yet taken: proxy and period.
    pub(super) tick_changes: Vec<(usize, Option<Duration>)>,
}

struct Proxy {
    /// Such as `web inbound`.
    name: String,
    plugin: PluginOptions,
    /// None if the filter could not be started again.
    vm: Option<Vm>,
    /// Counts the VMs that this proxy has had.
    generation: u32,
    tick_period: Option<Duration>,
}

/// A callout, and the VM that made it.
pub(super) struct Call {
    pub(super) proxy: usize,
    pub(super) generation: u32,
    pub(super) call: OutboundCall,
}

/// A stream, and the VM that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) proxy: usize,
    generation: u32,
    id: StreamId,
}

impl<'a> Fleet<'a> {
    /// Proxies that start the filter when the first request comes to them.
    pub(super) fn new(filter: &'a Filter, mesh: Mesh<'a>, options: ReplayOptions, lane: usize) -> Self {
        let (proxies, calls, tick_changes) = (Vec::new(), Vec::new(), Vec::new());
        Self { filter, mesh, options, lane, proxies, calls, tick_changes }
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
        let plugin = self.mesh.plugin(id, &self.options);
        let seed = seed(self.options.seed, &name, self.lane, 0);
        let started = self.filter.start(PluginOptions { seed, start: now, ..plugin.clone() });
        let vm = started.map_err(|source| ReplayError::Start { proxy: name.clone(), source })?;
        *place = Some(Proxy { name, plugin, vm: Some(vm), generation: 0, tick_period: None });
        self.drain(index, stats);
        Ok(())
    }

    /// The proxy that the hosts behave as.
    pub(super) fn profile(&self) -> HostProfile {
        self.options.profile
    }

    pub(super) fn len(&self) -> usize {
        self.proxies.len()
    }

    /// Opens a stream at the head of a request; none if the filter failed.
    pub(super) fn open(
        &mut self,
        proxy: usize,
        now: Timestamp,
        stats: &mut ReplayStats,
    ) -> Timed<Option<Stream>> {
        let opened = self.enter(proxy, now, stats, Vm::open_stream);
        let generation = self.proxy(proxy).map_or(0, |proxy| proxy.generation);
        Timed { value: opened.value.map(|id| Stream { proxy, generation, id }), took: opened.took }
    }

    /// Enters the filter for a stream; none if its VM is gone or goes now.
    pub(super) fn on_stream<T>(
        &mut self,
        stream: Stream,
        now: Timestamp,
        stats: &mut ReplayStats,
        enter: impl FnOnce(&mut Vm, StreamId) -> Result<T, VmError>,
    ) -> Timed<Option<T>> {
        if !self.is_current(stream.proxy, stream.generation) {
            return Timed { value: None, took: Duration::ZERO };
        }
        self.enter(stream.proxy, now, stats, |vm| enter(vm, stream.id))
    }

    /// What the host knows of a stream; nothing happens if its VM is gone.
    pub(super) fn describe(&mut self, stream: Stream, properties: Vec<(&[&str], PropertyValue)>) {
        if !self.is_current(stream.proxy, stream.generation) {
            return;
        }
        if let Some(vm) = self.proxy_mut(stream.proxy).and_then(|proxy| proxy.vm.as_mut()) {
            for (path, value) in properties {
                vm.set_property(stream.id, path, value);
            }
        }
    }

    /// Reads from a stream's VM without entering it.
    pub(super) fn look<T>(&self, stream: Stream, look: impl FnOnce(&Vm, StreamId) -> T) -> Option<T> {
        let proxy = self.proxy(stream.proxy).filter(|proxy| proxy.generation == stream.generation)?;
        proxy.vm.as_ref().map(|vm| look(vm, stream.id))
    }

    /// Whether that VM still runs.
    pub(super) fn is_current(&self, proxy: usize, generation: u32) -> bool {
        self.proxy(proxy).is_some_and(|proxy| proxy.generation == generation && proxy.vm.is_some())
    }

    /// Whether every filter says that nothing waits for its export. One that does not say may have some.
    pub(super) fn is_idle(&self) -> bool {
        let is_empty = |vm: &Vm| matches!(vm.metrics().get(QUEUE_GAUGE), Some(MetricValue::Gauge(0)));
        self.proxies.iter().flatten().filter_map(|proxy| proxy.vm.as_ref()).all(is_empty)
    }

    /// Enters the filter and takes what it left outside; a failure costs the VM.
    pub(super) fn enter<T>(
        &mut self,
        index: usize,
        now: Timestamp,
        stats: &mut ReplayStats,
        enter: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Timed<Option<T>> {
        let Some(vm) = self.proxy_mut(index).and_then(|proxy| proxy.vm.as_mut()) else {
            return Timed { value: None, took: Duration::ZERO };
        };
        vm.set_time(now);
        let (result, took) = stopwatch::time(|| enter(vm));
        self.drain(index, stats);
        let value = result.map_err(|error| self.replace(index, now, &error, stats)).ok();
        Timed { value, took }
    }

    /// Ends every VM for good and adds up what it counted.
    pub(super) fn retire(&mut self, stats: &mut ReplayStats) {
        for vm in self.proxies.iter_mut().flatten().filter_map(|proxy| proxy.vm.take()) {
            stats.add_metrics(&vm);
        }
    }

    pub(super) fn log(&self, index: usize, level: LogLevel, message: String, stats: &mut ReplayStats) {
        let name = self.proxy(index).map(|proxy| proxy.name.clone()).unwrap_or_default();
        stats.add_log(name, LogLine { level, message });
    }

    fn drain(&mut self, index: usize, stats: &mut ReplayStats) {
        let Some(proxy) = self.proxies.get_mut(index).and_then(Option::as_mut) else { return };
        let Some(vm) = proxy.vm.as_mut() else { return };
        let generation = proxy.generation;
        self.calls.extend(vm.take_calls().into_iter().map(|call| Call { proxy: index, generation, call }));
        for line in vm.take_logs() {
            stats.add_log(proxy.name.clone(), line);
        }
        if proxy.tick_period != vm.tick_period() {
            proxy.tick_period = vm.tick_period();
            self.tick_changes.push((index, proxy.tick_period));
        }
    }

    /// Replaces a VM that failed. Its open streams go on without the filter.
    fn replace(&mut self, index: usize, now: Timestamp, error: &VmError, stats: &mut ReplayStats) {
        stats.vms_lost += 1;
        let message =
            format!("the filter failed and is started anew; requests under way go on without it: {error}");
        self.log(index, LogLevel::Error, message, stats);
        let Some(proxy) = self.proxies.get_mut(index).and_then(Option::as_mut) else { return };
        if let Some(vm) = proxy.vm.take() {
            stats.add_metrics(&vm);
        }
        proxy.generation += 1;
        proxy.tick_period = None;
        let seed = seed(self.options.seed, &proxy.name, self.lane, proxy.generation);
        match self.filter.start(PluginOptions { start: now, seed, ..proxy.plugin.clone() }) {
            Ok(vm) => {
                proxy.vm = Some(vm);
                self.drain(index, stats);
            }
            Err(error) => {
                let message =
                    format!("the filter cannot be started again; this proxy goes on without it: {error}");
                self.log(index, LogLevel::Error, message, stats);
            }
        }
    }

    fn proxy(&self, index: usize) -> Option<&Proxy> {
        self.proxies.get(index)?.as_ref()
    }

    fn proxy_mut(&mut self, index: usize) -> Option<&mut Proxy> {
        self.proxies.get_mut(index)?.as_mut()
    }
}

/// A result, and the real time that it took.
pub(super) struct Timed<T> {
    pub(super) value: T,
    pub(super) took: Duration,
}

/// A seed of its own for each VM, whichever other proxies there are.
fn seed(seed: u64, name: &str, lane: usize, generation: u32) -> u64 {
    let numbers = [seed.to_le_bytes(), lane.to_le_bytes(), u64::from(generation).to_le_bytes()];
    shard::hash(&[name.as_bytes(), &numbers.concat()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vm_has_a_seed_of_its_own() {
        let seeds = [
            seed(1, "web inbound", 0, 0),
            seed(1, "web outbound", 0, 0),
            seed(1, "web inbound", 1, 0),
            seed(1, "web inbound", 0, 1),
            seed(2, "web inbound", 0, 0),
        ];
        let different: std::collections::BTreeSet<_> = seeds.into_iter().collect();
        assert_eq!(different.len(), seeds.len());
        assert_eq!(seed(1, "web inbound", 0, 0), seeds[0]);
    }
}
