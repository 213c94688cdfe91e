//! Metrics as Prometheus reads them.
//! Spec: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//! `meshspan_receiver_spans_total{outcome="stored"} 12`

use std::fmt::{Display, Write};

use super::histogram::Histogram;
use crate::receive::{Protocol, Receiver};
use crate::store::StoreStats;

/// A receiver's metrics, and those of the store that it fills.
pub fn exposition(receiver: &Receiver, store: &StoreStats) -> String {
    let mut text = Text::default();
    received(&mut text, receiver);
    stored(&mut text, store);
    sent(&mut text, store);
    text.0
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
    text.histogram(
        "meshspan_receiver_request_bytes",
        "Size of messages, unpacked.",
        &metrics.request_bytes,
        1.0,
    );
    text.histogram("meshspan_receiver_store_seconds", "Until spans are stored.", &metrics.store_micros, 1e6);
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

/// The text so far, and the family that is written.
#[derive(Debug, Default)]
struct Text(String, &'static str);

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.1 = name;
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let name = self.1;
        self.sample(name, labels, value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// Its values are divided by `unit`.
    fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram, unit: f64) {
        self.family(name, "histogram", help);
        let mut all = 0;
        for (bound, count) in histogram.cumulative() {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| (bound as f64 / unit).to_string());
            self.sample(&format!("{name}_bucket"), &[("le", &bound)], count);
            all = count;
        }
        self.sample(&format!("{name}_sum"), &[], histogram.sum() as f64 / unit);
        self.sample(&format!("{name}_count"), &[], all);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.family("spans_total", "counter", "Spans.");
        text.value(&[("reason", "a \"b\"\\\n"), ("x", "y")], 3);
        let histogram = Histogram::new(&[100, 2_500]);
        [50, 200, 9_000].into_iter().for_each(|value| histogram.record(value));
        text.histogram("took_seconds", "Time.", &histogram, 1e6);
        let expected = "# HELP spans_total Spans.\n# TYPE spans_total counter\n\
                        spans_total{reason=\"a \\\"b\\\"\\\\\\n\",x=\"y\"} 3\n\
                        # HELP took_seconds Time.\n# TYPE took_seconds histogram\n\
                        took_seconds_bucket{le=\"0.0001\"} 1\ntook_seconds_bucket{le=\"0.0025\"} 2\n\
                        took_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_sum 0.00925\ntook_seconds_count 3\n";
        assert_eq!(text.0, expected);
    }
}
