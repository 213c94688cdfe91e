//! A receiver's metrics, for Prometheus.
//! `meshspan_receiver_spans_total{outcome="stored"} 12`

use super::histogram::Histogram;
use crate::prometheus::Text;
use crate::receive::{Protocol, Receiver};
use crate::store::StoreStats;

/// A receiver's metrics, and those of the store that it fills.
pub fn exposition(receiver: &Receiver, store: &StoreStats) -> String {
    let mut text = Text::default();
    received(&mut text, receiver);
    stored(&mut text, store);
    sent(&mut text, store);
    text.finish()
}

fn received(text: &mut Text, receiver: &Receiver) {
    let metrics = receiver.metrics();
    text.family("meshspan_receiver_requests_total", "counter", "Requests, by outcome.");
    for ((protocol, outcome), requests) in metrics.by_protocol() {
        let protocol = match protocol {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
        };
        text.value(&[("protocol", protocol), ("outcome", outcome)], requests);
    }
    text.family("meshspan_receiver_spans_total", "counter", "Spans of requests that could be read.");
    text.value(&[("outcome", "stored")], metrics.stored());
    text.value(&[("outcome", "rejected")], metrics.rejected());
    text.value(&[("outcome", "failed")], metrics.failed());
    let connections = metrics.connections.load(std::sync::atomic::Ordering::Relaxed);
    text.family("meshspan_receiver_connections", "gauge", "Open connections.");
    text.value(&[], connections);
    text.family("meshspan_receiver_memory_bytes", "gauge", "Memory that requests hold.");
    text.value(&[], receiver.memory_bytes());
    text.family("meshspan_receiver_request_bytes", "histogram", "Size of messages, unpacked.");
    histogram(text, &metrics.request_bytes, 1.0);
    text.family("meshspan_receiver_store_seconds", "histogram", "Until spans are stored.");
    histogram(text, &metrics.store_micros, 1e6);
}

fn stored(text: &mut Text, store: &StoreStats) {
    text.family(
        "meshspan_store_received_spans_total",
        "counter",
        "Spans that came into the store, over its life.",
    );
    text.value(&[], store.received);
    text.family("meshspan_store_spans", "gauge", "Spans in the store.");
    text.value(&[], store.kept);
    text.family(
        "meshspan_store_evicted_spans_total",
        "counter",
        "Spans that went from the store, by reason.",
    );
    for (reason, spans) in &store.evicted {
        text.value(&[("reason", reason)], spans);
    }
    text.family("meshspan_store_file_bytes", "gauge", "Size of the store's file.");
    text.value(&[], store.file_bytes);
}

fn sent(text: &mut Text, store: &StoreStats) {
    text.family("meshspan_destination_queued_spans", "gauge", "Spans yet to be sent.");
    for (name, destination) in &store.destinations {
        text.value(&[("destination", name)], destination.queued);
    }
    text.family("meshspan_destination_spans_total", "counter", "Spans that are settled, by outcome.");
    for (name, destination) in &store.destinations {
        text.value(&[("destination", name), ("outcome", "exported")], destination.exported);
        text.value(&[("destination", name), ("outcome", "rejected")], destination.rejected);
    }
    text.family(
        "meshspan_destination_dropped_spans_total",
        "counter",
        "Spans that were given up, by reason.",
    );
    for (name, destination) in &store.destinations {
        for (reason, spans) in &destination.dropped {
            text.value(&[("destination", name), ("reason", reason)], spans);
        }
    }
}

/// The samples of a histogram, its values divided by `unit`.
fn histogram(text: &mut Text, histogram: &Histogram, unit: f64) {
    let mut all = 0;
    for (bound, count) in histogram.cumulative() {
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| (bound as f64 / unit).to_string());
        text.sample("_bucket", &[("le", &bound)], count);
        all = count;
    }
    text.sample("_sum", &[], histogram.sum() as f64 / unit);
    text.sample("_count", &[], all);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_its_buckets_sum_and_count() {
        let mut text = Text::default();
        let values = Histogram::new(&[100, 2_500]);
        [50, 200, 9_000].into_iter().for_each(|value| values.record(value));
        text.family("took_seconds", "histogram", "Time.");
        histogram(&mut text, &values, 1e6);
        let expected = "# HELP took_seconds Time.\n# TYPE took_seconds histogram\n\
                        took_seconds_bucket{le=\"0.0001\"} 1\ntook_seconds_bucket{le=\"0.0025\"} 2\n\
                        took_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_sum 0.00925\ntook_seconds_count 3\n";
        assert_eq!(text.finish(), expected);
    }
}
