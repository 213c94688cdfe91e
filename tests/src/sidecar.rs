//! The filter in the harness's host: one VM, one plugin, a virtual clock that tests move.

use std::sync::LazyLock;
use std::time::Duration;

use meshspan::collect;
use meshspan::time::Timestamp;
use meshspan::vm::{
    CallReply, Filter, HeaderMap, Lifecycle, Limits, LogLine, MetricValue, OutboundCall, PluginOptions,
    PropertyValue, Vm, VmError,
};
use opentelemetry_proto::tonic::trace::v1::Span;

/// Compiled once for all tests of the process.
static FILTER: LazyLock<Filter> =
    LazyLock::new(|| Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap());

/// The cluster that the plugin exports to.
pub const CLUSTER: &str = "otel_collector";
/// A sampled `traceparent`.
pub const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A running plugin.
pub struct Sidecar {
    /// The VM, for what the methods below do not do.
    pub vm: Vm,
}

/// A plugin's start options for `configuration` (JSON).
pub fn options(configuration: &str) -> PluginOptions {
    PluginOptions {
        configuration: configuration.into(),
        clusters: vec![CLUSTER.to_owned()],
        properties: vec![(vec!["xds".to_owned(), "listener_direction".to_owned()], PropertyValue::Int(1))],
        start: Timestamp::from_unix_nanos(1_700_000_000_000_000_000),
        seed: 7,
        ..PluginOptions::default()
    }
}

impl Sidecar {
    /// Starts the filter with `configuration`, which has to be valid.
    pub fn start(configuration: &str) -> Self {
        Self::start_with(options(configuration)).unwrap()
    }

    /// Starts the filter.
    pub fn start_with(options: PluginOptions) -> Result<Self, VmError> {
        Ok(Self { vm: FILTER.start(options)? })
    }

    /// Lets `duration` pass, with the ticks that fall into it.
    pub fn pass(&mut self, duration: Duration) {
        let period = self.vm.tick_period().unwrap();
        let end = self.vm.now().plus(duration);
        while self.vm.now().plus(period) <= end {
            self.vm.set_time(self.vm.now().plus(period));
            self.vm.tick().unwrap();
        }
        self.vm.set_time(end);
    }

    /// One GET of 5 ms with these headers, answered with 200. Returns the headers that go onward.
    pub fn get(&mut self, headers: &[(&str, &[u8])]) -> HeaderMap {
        let pseudo: [(&str, &[u8]); 4] =
            [(":method", b"GET"), (":path", b"/api/list"), (":authority", b"web:80"), (":scheme", b"http")];
        let request = HeaderMap::from_pairs(pseudo.iter().chain(headers).copied());
        let stream = self.vm.open_stream().unwrap();
        self.vm.request_headers(stream, request, true).unwrap();
        let onward = self.vm.request_map(stream).clone();
        self.vm.set_time(self.vm.now().plus(Duration::from_millis(5)));
        self.vm.response_headers(stream, HeaderMap::from_pairs([(":status", "200")]), true).unwrap();
        self.vm.close_stream(stream).unwrap();
        onward
    }

    /// One sampled request: two spans.
    pub fn sampled_get(&mut self) {
        self.get(&[("traceparent", SAMPLED.as_bytes())]);
    }

    /// The only export that waits for an answer.
    pub fn export(&mut self) -> OutboundCall {
        let mut calls = self.vm.take_calls();
        assert_eq!(calls.len(), 1, "exports under way: {calls:?}");
        calls.remove(0)
    }

    /// Answers an export.
    pub fn answer(&mut self, call: &OutboundCall, reply: CallReply) {
        self.vm.answer(call.token, reply).unwrap();
    }

    /// A counter, with or without the prefix `meshspan_`; published on the tick.
    pub fn counter(&self, name: &str) -> u64 {
        match self.vm.metrics().get(&format!("meshspan_{name}")) {
            Some(MetricValue::Counter(value) | MetricValue::Gauge(value)) => *value,
            other => panic!("meshspan_{name} is {other:?}"),
        }
    }

    /// What the filter logged since the last time.
    pub fn logs(&mut self) -> Vec<LogLine> {
        self.vm.take_logs()
    }

    /// Asserts that every finished span is in exactly one place, and none is still open.
    pub fn assert_counters_add_up(&self) {
        let places = [
            "spans_exported",
            "spans_rejected",
            "spans_dropped_queue_full",
            "spans_dropped_export_failed",
            "queue_spans",
        ];
        let sum: u64 = places.iter().map(|name| self.counter(name)).sum();
        assert_eq!(self.counter("spans_finished"), sum, "{:?}", self.vm.metrics());
        assert_eq!(self.counter("spans_started"), self.counter("spans_finished"));
    }
}

/// The spans of an export.
pub fn spans(call: &OutboundCall) -> Vec<Span> {
    let request = collect::decode_call(call).expect("an OTLP export").expect("a decodable one");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// The lifecycle orders that hosts have.
pub const LIFECYCLES: [Lifecycle; 2] = [Lifecycle::Envoy, Lifecycle::Specification];
