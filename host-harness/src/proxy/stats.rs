//! What a proxy has done, counted by all workers together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::vm::{MetricValue, PluginStats};

/// What a proxy has done so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyStats {
    /// Connections accepted.
    pub connections: u64,
    /// Requests received.
    pub requests: u64,
    /// Exchanges that came to the end of their response.
    pub completed: u64,
    /// Exchanges that the client left.
    pub abandoned: u64,
    /// Exchanges ended in the middle by the filter, the upstream or the proxy.
    pub reset: u64,
    /// Responses that the filter or the proxy gave in the upstream's place.
    pub answered: u64,
    /// Requests that no response came to from the upstream.
    pub upstream_failures: u64,
    /// Exchanges that passed without the filter, which had failed.
    pub unfiltered: u64,
    /// Bytes of requests' bodies received.
    pub request_bytes: u64,
    /// Bytes of responses' bodies received.
    pub response_bytes: u64,
    /// Exchanges written to the recording.
    pub recorded: u64,
    /// Exchanges that could not be written to the recording.
    pub not_recorded: u64,
    /// What has happened to the filter's VMs, summed.
    pub plugin: PluginStats,
    /// The filter's counters, summed over its VMs.
    pub metrics: BTreeMap<String, u64>,
    /// The filter's gauges, summed over its VMs.
    pub gauges: BTreeMap<String, u64>,
}

/// The counts under way.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) reset: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) upstream_failures: AtomicU64,
    pub(super) unfiltered: AtomicU64,
    pub(super) request_bytes: AtomicU64,
    pub(super) response_bytes: AtomicU64,
    pub(super) recorded: AtomicU64,
    pub(super) not_recorded: AtomicU64,
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Counts several.
pub(super) fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}

impl Counts {
    pub(super) fn stats(&self) -> ProxyStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProxyStats {
            connections: get(&self.connections),
            requests: get(&self.requests),
            completed: get(&self.completed),
            abandoned: get(&self.abandoned),
            reset: get(&self.reset),
            answered: get(&self.answered),
            upstream_failures: get(&self.upstream_failures),
            unfiltered: get(&self.unfiltered),
            request_bytes: get(&self.request_bytes),
            response_bytes: get(&self.response_bytes),
            recorded: get(&self.recorded),
            not_recorded: get(&self.not_recorded),
            plugin: PluginStats::default(),
            metrics: BTreeMap::new(),
            gauges: BTreeMap::new(),
        }
    }
}

impl ProxyStats {
    /// Adds what one VM says of itself.
    pub(super) fn include(&mut self, plugin: PluginStats, metrics: BTreeMap<String, MetricValue>) {
        let sum = &mut self.plugin;
        sum.lost += plugin.lost;
        sum.reloads += plugin.reloads;
        sum.reloads_failed += plugin.reloads_failed;
        sum.backed_off += plugin.backed_off;
        sum.bypassed += plugin.bypassed;
        sum.refused += plugin.refused;
        for (name, value) in metrics {
            match value {
                MetricValue::Counter(value) => *self.metrics.entry(name).or_default() += value,
                MetricValue::Gauge(value) => *self.gauges.entry(name).or_default() += value,
                MetricValue::Histogram(_) => {}
            }
        }
    }
}
