//! The proxies of a mesh, each a VM that runs the filter. A VM that traps is lost and replaced, and
//! the traffic goes on without it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::schedule::{Plan, ProxyId};
use super::{ReplayError, ReplayOptions, ReplayStats, stopwatch};
use crate::collect::Direction;
use crate::host::{HostProfile, LogLevel, LogLine, MetricValue, PropertyValue};
use crate::time::Timestamp;
use crate::topology::{NGINX_COLLECTOR, Topology};
use crate::vm::{Filter, OutboundCall, PluginOptions, StreamId, Vm, VmError};

/// Log lines kept in a replay's statistics.
const MAX_LOG_LINES: usize = 10_000;
/// The gauge by which the filter says how many spans still wait for their export.
const QUEUE_GAUGE: &str = "meshspan_queue_spans";

/// The proxies, and what their filters want from outside.
pub(super) struct Fleet<'a> {
    filter: &'a Filter,
    seed: u64,
    options: Vec<PluginOptions>,
    proxies: Vec<Proxy>,
    /// Callouts made and not yet taken.
    pub(super) calls: Vec<Call>,
    /// Tick periods set and not yet taken: proxy and period.
    pub(super) tick_changes: Vec<(usize, Option<Duration>)>,
}

struct Proxy {
    /// Such as `web inbound`.
    name: String,
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
    /// Starts the filter in every proxy.
    pub(super) fn start(
        filter: &'a Filter,
        topology: &Topology,
        plan: &Plan,
        options: &ReplayOptions,
        stats: &mut ReplayStats,
    ) -> Result<Self, ReplayError> {
        let mut fleet = Self {
            filter,
            seed: options.seed,
            options: Vec::new(),
            proxies: Vec::new(),
            calls: Vec::new(),
            tick_changes: Vec::new(),
        };
        for (index, id) in plan.proxies.iter().enumerate() {
            let name = format!("{} {}", id.workload, id.direction.as_str());
            let plugin = plugin_options(topology, id, options, plan.start());
            let plugin = PluginOptions { seed: seed(fleet.seed, &name, 0), ..plugin };
            let started = filter.start(plugin.clone());
            let vm = started.map_err(|source| ReplayError::Start { proxy: name.clone(), source })?;
            fleet.options.push(plugin);
            fleet.proxies.push(Proxy { name, vm: Some(vm), generation: 0, tick_period: None });
            fleet.drain(index, stats);
        }
        Ok(fleet)
    }

    /// The proxy that the hosts behave as.
    pub(super) fn profile(&self) -> HostProfile {
        self.options.first().map_or(HostProfile::Envoy, |options| options.profile)
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
        let generation = self.proxies.get(proxy).map_or(0, |proxy| proxy.generation);
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
        if let Some(vm) = self.proxies.get_mut(stream.proxy).and_then(|proxy| proxy.vm.as_mut()) {
            for (path, value) in properties {
                vm.set_property(stream.id, path, value);
            }
        }
    }

    /// Reads from a stream's VM without entering it.
    pub(super) fn look<T>(&self, stream: Stream, look: impl FnOnce(&Vm, StreamId) -> T) -> Option<T> {
        let proxy = self.proxies.get(stream.proxy).filter(|proxy| proxy.generation == stream.generation)?;
        proxy.vm.as_ref().map(|vm| look(vm, stream.id))
    }

    /// Whether that VM still runs.
    pub(super) fn is_current(&self, proxy: usize, generation: u32) -> bool {
        self.proxies.get(proxy).is_some_and(|proxy| proxy.generation == generation && proxy.vm.is_some())
    }

    /// Whether every filter says that nothing waits for its export. One that does not say may have some.
    pub(super) fn is_idle(&self) -> bool {
        let is_empty = |vm: &Vm| matches!(vm.metrics().get(QUEUE_GAUGE), Some(MetricValue::Gauge(0)));
        self.proxies.iter().filter_map(|proxy| proxy.vm.as_ref()).all(is_empty)
    }

    /// Enters the filter and takes what it left outside; a failure costs the VM.
    pub(super) fn enter<T>(
        &mut self,
        index: usize,
        now: Timestamp,
        stats: &mut ReplayStats,
        enter: impl FnOnce(&mut Vm) -> Result<T, VmError>,
    ) -> Timed<Option<T>> {
        let Some(vm) = self.proxies.get_mut(index).and_then(|proxy| proxy.vm.as_mut()) else {
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
        for vm in self.proxies.iter_mut().filter_map(|proxy| proxy.vm.take()) {
            stats.add_metrics(&vm);
        }
    }

    pub(super) fn log(&self, index: usize, level: LogLevel, message: String, stats: &mut ReplayStats) {
        let name = self.proxies.get(index).map(|proxy| proxy.name.clone()).unwrap_or_default();
        stats.add_log(name, LogLine { level, message });
    }

    fn drain(&mut self, index: usize, stats: &mut ReplayStats) {
        let Some(proxy) = self.proxies.get_mut(index) else { return };
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
        let (Some(proxy), Some(options)) = (self.proxies.get_mut(index), self.options.get(index)) else {
            return;
        };
        if let Some(vm) = proxy.vm.take() {
            stats.add_metrics(&vm);
        }
        proxy.generation += 1;
        proxy.tick_period = None;
        let seed = seed(self.seed, &proxy.name, proxy.generation);
        match self.filter.start(PluginOptions { start: now, seed, ..options.clone() }) {
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
}

impl ReplayStats {
    fn add_log(&mut self, proxy: String, line: LogLine) {
        if self.logs.len() < MAX_LOG_LINES {
            self.logs.push((proxy, line));
        } else {
            self.logs_dropped += 1;
        }
    }

    fn add_metrics(&mut self, vm: &Vm) {
        for (name, value) in vm.metrics() {
            if let MetricValue::Counter(value) = value {
                *self.metrics.entry(name).or_default() += value;
            }
        }
    }

    /// The filter's own counts of spans that were not exported, by reason.
    pub(super) fn count_dropped(&mut self) {
        self.dropped = dropped(&self.metrics);
    }
}

/// `meshspan_dropped_queue_full` → `queue_full`, `meshspan_rejected` → `rejected`; zeros left out.
fn dropped(metrics: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let reason = |name: &str| match name.split_once("_dropped_") {
        Some((_, reason)) => Some(reason.to_owned()),
        None => name.ends_with("_rejected").then(|| "rejected".to_owned()),
    };
    let counted = metrics.iter().filter(|(_, count)| **count > 0);
    counted.filter_map(|(name, count)| Some((reason(name)?, *count))).collect()
}

/// A result, and the real time that it took.
pub(super) struct Timed<T> {
    pub(super) value: T,
    pub(super) took: Duration,
}

fn plugin_options(
    topology: &Topology,
    id: &ProxyId,
    options: &ReplayOptions,
    start: Timestamp,
) -> PluginOptions {
    // Envoy's core.v3.TrafficDirection.
    let direction = match id.direction {
        Direction::Inbound => 1,
        Direction::Outbound => 2,
    };
    let (configuration, clusters) = match options.profile {
        HostProfile::Envoy => (topology.plugin_configuration(&id.workload), topology.clusters.clone()),
        HostProfile::Nginx => (
            topology.nginx_configuration(&id.workload, id.direction.as_str()),
            vec![NGINX_COLLECTOR.to_owned()],
        ),
    };
    PluginOptions {
        configuration,
        profile: options.profile,
        properties: vec![(
            vec!["xds".to_owned(), "listener_direction".to_owned()],
            PropertyValue::Int(direction),
        )],
        clusters,
        lifecycle: options.lifecycle,
        start,
        ..PluginOptions::default()
    }
}

/// A seed of its own for each VM, whichever other proxies there are: FNV-1a of its name.
fn seed(seed: u64, name: &str, generation: u32) -> u64 {
    let bytes = name.bytes().chain(generation.to_le_bytes()).chain(seed.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_counters_say_why_spans_were_dropped() {
        let metrics = [
            ("meshspan_dropped_queue_full", 3),
            ("meshspan_spans_rejected", 2),
            ("meshspan_dropped_unsent", 0),
            ("meshspan_exported", 9),
        ];
        let metrics = metrics.map(|(name, count)| (name.to_owned(), count)).into();
        let expected = [("queue_full".to_owned(), 3), ("rejected".to_owned(), 2)].into();
        assert_eq!(dropped(&metrics), expected);
    }

    #[test]
    fn every_vm_has_a_seed_of_its_own() {
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
