//! The harness's own pair of sidecars, driven exchange by exchange, to compare with Envoy's.

use std::time::Duration;

use meshspan::collect::{accept, decode_call};
use meshspan::host::{HeaderMap, HostProfile, PluginOptions, PropertyValue};
use meshspan::time::Timestamp;
use meshspan::traffic::Exchange;
use meshspan::vm::{Filter, StreamId, Vm};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

/// An outbound and an inbound sidecar.
#[derive(Debug)]
pub struct HarnessPair {
    outbound: Vm,
    inbound: Vm,
    /// Where the inbound one and the application are said to listen.
    ports: Option<[u16; 2]>,
}

impl HarnessPair {
    /// Starts the filter twice, each with its own configuration.
    pub fn start(wasm: &[u8], outbound: &str, inbound: &str) -> HarnessPair {
        Self::start_as(HostProfile::Envoy, "otel_collector", wasm, [outbound, inbound])
    }

    /// Starts both in hosts that behave as `profile`, with each one's configuration; their exports go to
    /// `collector`.
    pub fn start_as(
        profile: HostProfile,
        collector: &str,
        wasm: &[u8],
        [outbound, inbound]: [&str; 2],
    ) -> HarnessPair {
        let filter = Filter::compile(wasm, meshspan::vm::Limits::default()).expect("the filter compiles");
        let start = |configuration: &str, direction, seed| {
            let options = PluginOptions {
                configuration: configuration.into(),
                properties: vec![(path(&["xds", "listener_direction"]), PropertyValue::Int(direction))],
                clusters: vec![collector.to_owned()],
                profile,
                start: Timestamp::from_unix_nanos(1_795_323_600_000_000_000),
                seed,
                ..PluginOptions::default()
            };
            filter.start(options).expect("the filter starts")
        };
        HarnessPair { outbound: start(outbound, 2, 1), inbound: start(inbound, 1, 2), ports: None }
    }

    /// Tells the filters addresses, too: where the inbound one and the application listen, and clients' ports.
    #[must_use]
    pub fn listening(self, inbound: u16, application: u16) -> HarnessPair {
        HarnessPair { ports: Some([inbound, application]), ..self }
    }

    /// Sends one exchange through both; what the application gets, and the spans of both.
    pub fn exchange(&mut self, exchange: &Exchange) -> (HeaderMap, Vec<ResourceSpans>) {
        let has_body = exchange.request.body_bytes > 0;
        let (outer, headers) = request(&mut self.outbound, request_head(exchange), has_body);
        let (inner, headers) = request(&mut self.inbound, headers, has_body);
        if let Some([inbound, application]) = self.ports {
            connect(&mut self.outbound, outer, 40_000, inbound);
            connect(&mut self.inbound, inner, 40_001, application);
        }
        respond(&mut self.inbound, inner, exchange);
        respond(&mut self.outbound, outer, exchange);
        let mut spans = flush(&mut self.outbound);
        spans.extend(flush(&mut self.inbound));
        (headers, spans)
    }
}

fn request(vm: &mut Vm, headers: HeaderMap, has_body: bool) -> (StreamId, HeaderMap) {
    let stream = vm.open_stream().expect("a stream opens");
    let protocol = if headers.first("te").is_some() { "HTTP/2" } else { "HTTP/1.1" };
    vm.set_property(stream, &["request", "protocol"], PropertyValue::Bytes(protocol.into()));
    vm.set_property(stream, &["request", "time"], PropertyValue::Timestamp(vm.now()));
    vm.request_headers(stream, headers, !has_body).expect("the filter takes the head");
    if has_body {
        vm.request_body(stream, vec![0; 5], true).expect("the filter takes the body");
    }
    (stream, vm.onward_request(stream))
}

fn connect(vm: &mut Vm, stream: StreamId, client: u16, upstream: u16) {
    for (end, port) in [("source", client), ("upstream", upstream)] {
        let address = format!("127.0.0.1:{port}");
        vm.set_property(stream, &[end, "address"], PropertyValue::Bytes(address.into()));
    }
}

fn respond(vm: &mut Vm, stream: StreamId, exchange: &Exchange) {
    let response = &exchange.response;
    let mut head = HeaderMap::from_pairs([(":status", response.status.to_string())]);
    response.headers.iter().for_each(|(name, value)| head.add(name.as_str(), value.as_bytes()));
    let (has_body, has_trailers) = (response.body_bytes > 0, !response.trailers.is_empty());
    vm.set_property(stream, &["response", "code"], PropertyValue::Int(response.status.into()));
    vm.response_headers(stream, head, !has_body && !has_trailers).expect("the filter takes the head");
    if has_body {
        vm.response_body(stream, vec![0; 5], !has_trailers).expect("the filter takes the body");
    }
    if has_trailers {
        let trailers = HeaderMap::from_pairs(response.trailers.iter().cloned());
        vm.response_trailers(stream, trailers).expect("the filter takes the trailers");
    }
    vm.close_stream(stream).expect("the stream closes");
}

/// Ticks until the batch is due, and answers the exports as a collector would.
fn flush(vm: &mut Vm) -> Vec<ResourceSpans> {
    let mut spans = Vec::new();
    for _ in 0..3 {
        vm.set_time(vm.now().plus(Duration::from_secs(1)));
        vm.tick().expect("the filter ticks");
        for call in vm.take_calls() {
            let export = decode_call(&call).expect("the filter only exports").expect("its export is OTLP");
            spans.extend(export.resource_spans);
            vm.answer(call.token, accept(&call)).expect("the filter takes the answer");
        }
    }
    spans
}

fn request_head(exchange: &Exchange) -> HeaderMap {
    let request = &exchange.request;
    let mut head = HeaderMap::from_pairs([
        (":method", request.method.as_str()),
        (":scheme", &request.scheme),
        (":authority", &request.authority),
        (":path", &request.path),
    ]);
    request.headers.iter().for_each(|(name, value)| head.add(name.to_ascii_lowercase(), value.as_bytes()));
    head
}

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}
