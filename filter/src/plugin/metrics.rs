//! The filter's own metrics, in the proxy's stats. Counts are kept here and handed over on the
//! tick, so that a request costs no metric hostcall. The README's table is made from what is written here.

use super::host::{Metric, MetricKind};
use super::proxy::Proxy;
use std::time::Duration;

/// A counter with what has not been handed over.
#[derive(Debug)]
pub(super) struct Counter {
    metric: Metric,
    pending: u64,
}

impl Counter {
    fn define(name: &str) -> Self {
        Self { metric: Metric::define(MetricKind::Counter, name), pending: 0 }
    }

    pub(super) fn add(&mut self, by: u64) {
        self.pending = self.pending.saturating_add(by);
    }

    fn publish(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.metric.increment(i64::try_from(pending).unwrap_or(i64::MAX));
    }
}

/// A gauge that every VM and every plugin in it adds its own share to, so that it shows their sum. In nginx,
/// where a gauge can only be set, it shows the share of the worker that set it last.
#[derive(Debug)]
struct Gauge {
    metric: Metric,
    published: i64,
}

impl Gauge {
    fn define(name: &str) -> Self {
        Self { metric: Metric::define(MetricKind::Gauge, name), published: 0 }
    }

    fn publish(&mut self, value: usize, proxy: Proxy) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        if proxy.is_whole() {
            self.metric.increment(value.saturating_sub(self.published));
        } else if value != self.published {
            self.metric.record(value.unsigned_abs());
        }
        self.published = value;
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters; every finished span is in exactly one of exported, rejected, dropped or queued.
        #[derive(Debug)]
        pub(super) struct Metrics {
            $($(#[$doc])* pub(super) $name: Counter,)*
            /// Spans that wait in all VMs, or are on their way.
            queue_spans: Gauge,
            /// Bytes of the spans that wait in all VMs, or are on their way.
            queue_bytes: Gauge,
            /// Milliseconds from an export's dispatch to its answer.
            export_latency_ms: Metric,
        }

        impl Metrics {
            pub(super) fn define() -> Self {
                Self {
                    $($name: Counter::define(concat!("meshspan_", stringify!($name))),)*
                    queue_spans: Gauge::define("meshspan_queue_spans"),
                    queue_bytes: Gauge::define("meshspan_queue_bytes"),
                    export_latency_ms: Metric::define(MetricKind::Histogram, "meshspan_export_latency_ms"),
                }
            }

            /// Hands all counts to the host.
            pub(super) fn publish(&mut self, queue_spans: usize, queue_bytes: usize, proxy: Proxy) {
                $(self.$name.publish();)*
                self.queue_spans.publish(queue_spans, proxy);
                self.queue_bytes.publish(queue_bytes, proxy);
            }
        }
    };
}

metrics! {
    /// Spans begun; those that are neither finished nor lost with their VM are still open.
    spans_started,
    /// Spans ended.
    spans_finished,
    /// Spans not recorded because of the sampling decision.
    spans_sampled_out,
    /// Spans that found the queue full.
    spans_dropped_queue_full,
    /// Spans given up after the last attempt, or after an answer that forbids another.
    spans_dropped_export_failed,
    /// Spans that the collector took.
    spans_exported,
    /// Spans that the collector refused in a partial success.
    spans_rejected,
    /// Export requests sent, or that the host would not send.
    exports_attempted,
    /// Of those, not answered with success.
    exports_failed,
    /// Of those attempted, second and later ones for the same batch.
    exports_retried,
    /// Trace contexts that were there and invalid.
    context_invalid,
    /// Outbound requests that carried no trace context: an application may have lost it.
    outbound_without_context,
}

impl Metrics {
    /// Observes the time from an export's dispatch to its answer.
    pub(super) fn observe_export(&self, latency: Duration) {
        self.export_latency_ms.record(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    }
}
