//! The filter's counters of spans, as a real proxy shows them.

use crate::envoy::Envoy;
use crate::wait;

/// The proxy's counters of spans, over all workers and plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Begun.
    pub started: u64,
    /// Ended.
    pub finished: u64,
    /// Taken by the collector.
    pub exported: u64,
    /// Found the queue full.
    pub dropped_queue_full: u64,
    /// Given up.
    pub dropped_export_failed: u64,
    /// Refused by the collector in a partial success.
    pub rejected: u64,
    /// Waiting, or on their way.
    pub queued: u64,
    /// Exports that failed.
    pub exports_failed: u64,
    /// Exports attempted.
    pub exports_attempted: u64,
}

impl Counters {
    /// Whether every started span is in exactly one place.
    pub fn add_up(&self) -> bool {
        self.started == self.exported + self.dropped() + self.rejected + self.queued
    }

    /// Dropped for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.dropped_queue_full + self.dropped_export_failed
    }
}

/// The counters of a proxy now.
pub fn now(envoy: &Envoy) -> Counters {
    let stats = envoy.stats("wasmcustom.meshspan_");
    let stat = |name: &str| stats.get(name).copied().unwrap_or_default();
    Counters {
        started: stat("spans_started"),
        finished: stat("spans_finished"),
        exported: stat("spans_exported"),
        dropped_queue_full: stat("spans_dropped_queue_full"),
        dropped_export_failed: stat("spans_dropped_export_failed"),
        rejected: stat("spans_rejected"),
        queued: stat("queue_spans"),
        exports_failed: stat("exports_failed"),
        exports_attempted: stat("exports_attempted"),
    }
}

/// Waits until `started` spans were started, all of them have ended, none waits, and the counters add up.
pub fn settled(envoy: &Envoy, started: u64) -> Counters {
    wait::until_or(
        || {
            let counters = now(envoy);
            let over = (counters.started, counters.finished, counters.queued) == (started, started, 0);
            (over && counters.add_up()).then_some(counters)
        },
        || format!("{started} spans to settle; {:?}\n{}", now(envoy), envoy.log()),
    )
}
