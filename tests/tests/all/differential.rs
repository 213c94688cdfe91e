//! The same recordings through a real Envoy and through the harness: the application gets the same
//! headers, and the collector the same trees of spans, but for random ids.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use meshspan::collect::{SpanKind, SpanRecord, Status, records};
use meshspan::host::HeaderMap;
use meshspan::replay::CONTEXT_HEADERS;
use meshspan::topology::Emojivoto;
use meshspan::traffic::jsonl::JsonLines;
use meshspan::traffic::{Exchange, HeaderValue};
use meshspan_tests::client::Request;
use meshspan_tests::corpus;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::guests::{Uses, differences};
use meshspan_tests::harness::HarnessPair;
use meshspan_tests::process::free_port;
use meshspan_tests::upstream::{Recorded, Upstream};
use meshspan_tests::wait;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;

/// One exchange for each rule of propagation that two hosts could see differently.
const PROPAGATION: &[u8] = include_bytes!("../../recordings/propagation.jsonl");
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const PADDING_OPTIONAL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What one exchange came to, without anything that is random or belongs to the host.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Every context header and every header of the recording, as the application got it.
    headers: BTreeMap<String, Vec<String>>,
    /// The spans, outermost first.
    spans: Vec<Shape>,
}

/// A span without its ids, its times and the ports that the system gave to clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    parent: String,
    service: String,
    name: String,
    kind: &'static str,
    status: String,
    attributes: Vec<(String, String)>,
}

impl Outcome {
    fn lines(&self) -> Vec<String> {
        let headers = self.headers.iter();
        let headers =
            headers.flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {value}")));
        headers.chain(self.spans.iter().flat_map(Shape::lines)).collect()
    }
}

impl Shape {
    fn lines(&self) -> Vec<String> {
        let Shape { parent, service, name, kind, status, attributes } = self;
        let head = format!("{kind} span {name:?} of {service}, below {parent:?}: {status}");
        let attributes = attributes.iter().map(|(key, value)| format!("  {key}: {value}"));
        std::iter::once(head).chain(attributes).collect()
    }
}

#[test]
fn envoy_and_the_harness_agree_on_propagation() {
    compare(&mut JsonLines::new(PROPAGATION).map(Result::unwrap));
}

#[test]
fn envoy_and_the_harness_agree_on_emojivoto() {
    for variant in [Emojivoto::B3, Emojivoto::W3c] {
        compare(&mut JsonLines::new(variant.recording()).map(Result::unwrap).take(12));
    }
}

#[test]
fn envoy_and_the_harness_agree_on_the_corpus() {
    let uses = compare(&mut corpus::recorded().into_iter());
    assert_eq!(uses.stale().len(), 0, "allowed, and does not occur: {:#?}", uses.stale());
    uses.lines().for_each(|line| println!("{line}"));
}

/// Sends all through both; how often each row of [`CORPUS`](meshspan_tests::guests::CORPUS) explained a difference.
fn compare(exchanges: &mut dyn Iterator<Item = Exchange>) -> Uses {
    let mut real = RealPair::start();
    let mut harness = HarnessPair::start(meshspan::filter_wasm(), &real.plugins[0], &real.plugins[1])
        .listening(real.inbound, real.upstream.port());
    let (mut count, mut uses) = (0, Uses::of_corpus());
    for mut exchange in exchanges {
        // The client says itself how long its body is.
        exchange.request.headers.retain(|(name, _)| name != "content-length");
        let mut sent = exchange.clone();
        sent.request.headers.extend(content_length(&exchange));
        let (headers, spans) = harness.exchange(&sent);
        let ours = outcome(&exchange, text(&headers), &spans, &real);
        let theirs = real.exchange(&exchange, ours.spans.len());
        let name = exchange.id.rsplit_once(": ").map_or("", |(_, name)| name);
        let found = differences(&theirs.lines(), &ours.lines());
        let wrong: Vec<_> = found.into_iter().filter(|found| !uses.allow(name, found)).collect();
        assert!(wrong.is_empty(), "exchange {}: {wrong:#?} in {theirs:#?}", exchange.id);
        count += 1;
    }
    assert!(count > 0, "an empty recording proves nothing");
    println!("{count} exchanges through both");
    uses
}

/// What the test's client says: over HTTP/1.1 always, over HTTP/2 where there is a body or the method may have one.
fn content_length(exchange: &Exchange) -> Option<(String, HeaderValue)> {
    let Exchange { request, .. } = exchange;
    let recorded = request.body.as_ref().map(|body| body.iter().map(|chunk| chunk.data.len() as u64).sum());
    let length: u64 = recorded.unwrap_or(request.body_bytes);
    let says =
        !is_http2(exchange) || length > 0 || ["POST", "PUT", "PATCH"].contains(&request.method.as_str());
    says.then(|| ("content-length".to_owned(), length.to_string().into()))
}

/// Whether the test's client sends it so.
fn is_http2(exchange: &Exchange) -> bool {
    exchange.request.headers.iter().any(|(name, _)| name == "te")
}

/// A real Envoy with two sidecars, an application and a collector that keeps what it gets.
struct RealPair {
    _envoy: Envoy,
    upstream: Upstream,
    collector: Upstream,
    port: u16,
    inbound: u16,
    plugins: Vec<String>,
}

impl RealPair {
    fn start() -> RealPair {
        let (upstream, collector) = (Upstream::start(), Upstream::start());
        let (port, inbound) = (free_port(), free_port());
        let config = Config::new("envoy/sidecar-pair.yaml", meshspan::filter_wasm())
            .replace(r#""protocol": "grpc""#, r#""protocol": "grpc", "max_delay_ms": 20"#)
            .port(15001, port)
            .port(15006, inbound)
            .port(8080, upstream.port())
            .port(4317, collector.port());
        let plugins = config.plugin_configurations();
        RealPair { _envoy: config.start(), upstream, collector, port, inbound, plugins }
    }

    /// Waits for as many spans as are expected; more than those, of the next exchange, fail that one.
    fn exchange(&mut self, exchange: &Exchange, expected_spans: usize) -> Outcome {
        self.upstream.answer_next(&exchange.response);
        let request = Request::recorded(&exchange.request);
        let answer =
            if is_http2(exchange) { request.send_http2(self.port) } else { request.send_http1(self.port) };
        assert_eq!(answer.status, exchange.response.status, "exchange {}", exchange.id);
        let got = self.upstream.take_one();
        let mut spans = Vec::new();
        wait::until(&format!("{expected_spans} spans of exchange {}", exchange.id), || {
            spans.extend(self.collector.take().iter().flat_map(exported));
            (records(&spans).len() >= expected_spans).then_some(())
        });
        let headers = got.headers.into_iter();
        let headers =
            headers.map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect();
        outcome(exchange, headers, &spans, self)
    }
}

/// The spans of one export call: a gRPC message behind its five bytes of frame.
fn exported(call: &Recorded) -> Vec<ResourceSpans> {
    assert_eq!(call.path, EXPORT);
    ExportTraceServiceRequest::decode(call.body.slice(5..)).expect("OTLP").resource_spans
}

fn text(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn outcome(
    exchange: &Exchange,
    headers: Vec<(String, String)>,
    spans: &[ResourceSpans],
    real: &RealPair,
) -> Outcome {
    let chain = chain(records(spans));
    let labels = Labels::new(exchange, &chain);
    let recorded = exchange.request.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut names: BTreeSet<String> = recorded.collect();
    names.extend(CONTEXT_HEADERS.map(str::to_owned));
    names.insert("content-length".to_owned());
    let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers.into_iter().filter(|(name, _)| names.contains(name)) {
        let value = if name == "grpc-trace-bin" { fields(&value) } else { value };
        kept.entry(name).or_default().push(labels.label(&value));
    }
    let spans = chain.iter().map(|span| shape(span, &labels, real)).collect();
    Outcome { headers: kept, spans }
}

/// Each span after its parent; the first is the one whose parent is not among them.
fn chain(mut spans: Vec<SpanRecord>) -> Vec<SpanRecord> {
    let ids: BTreeSet<[u8; 8]> = spans.iter().map(|span| span.span_id).collect();
    let mut parent = spans
        .iter()
        .find(|span| !span.parent.is_some_and(|id| ids.contains(&id)))
        .and_then(|span| span.parent);
    let mut chain = Vec::new();
    while let Some(place) = spans.iter().position(|span| span.parent == parent) {
        let span = spans.remove(place);
        parent = Some(span.span_id);
        chain.push(span);
    }
    assert!(spans.is_empty(), "these hang on nothing: {spans:#?}");
    chain
}

fn shape(span: &SpanRecord, labels: &Labels, real: &RealPair) -> Shape {
    let mut attributes = span.attributes.clone();
    for (_, port) in
        attributes.iter_mut().filter(|(key, _)| key == "network.peer.port" || key == "client.port")
    {
        if ![real.inbound, real.upstream.port()].map(|known| known.to_string()).contains(port) {
            "<a client's port>".clone_into(port);
        }
    }
    attributes.sort();
    Shape {
        parent: span.parent.map_or_else(String::new, |id| labels.label(&hex(&id))),
        service: span.service.clone(),
        name: span.name.clone(),
        kind: SpanKind::as_str(span.kind),
        status: match &span.status {
            Status::Error(message) => format!("error {message}"),
            other => format!("{other:?}"),
        },
        attributes,
    }
}

/// Names for random ids: `<span 1>` for the chain's first, `<new span>` for one that was never exported.
struct Labels {
    spans: Vec<String>,
    known: BTreeSet<String>,
}

impl Labels {
    fn new(exchange: &Exchange, chain: &[SpanRecord]) -> Labels {
        let values = exchange.request.headers.iter();
        let values = values.map(|(name, value)| (name, value.to_str_lossy()));
        let values = values
            .map(|(name, value)| if name == "grpc-trace-bin" { fields(&value) } else { value.into_owned() });
        let known = values.flat_map(|value| tokens(&value).map(str::to_owned).collect::<Vec<_>>()).collect();
        Labels { spans: chain.iter().map(|span| hex(&span.span_id)).collect(), known }
    }

    fn label(&self, value: &str) -> String {
        let mut labelled = value.to_owned();
        for token in tokens(value).filter(|token| !self.known.contains(*token)) {
            let place = self.spans.iter().position(|id| id == token);
            let label = match (place, token.len()) {
                (Some(place), _) => format!("<span {}>", place + 1),
                (None, 16) => "<new span>".to_owned(),
                (None, 32) => "<new trace>".to_owned(),
                _ => continue,
            };
            labelled = labelled.replace(token, &label);
        }
        labelled
    }
}

/// The runs of hex digits.
fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(|character: char| !character.is_ascii_hexdigit())
}

/// `grpc-trace-bin` as text: trace, span and options; what is not 29 bytes stays as it is.
fn fields(value: &str) -> String {
    match PADDING_OPTIONAL.decode(value) {
        Ok(bytes) if bytes.len() == 29 => {
            format!("{}-{}-{:02x}", hex(&bytes[2..18]), hex(&bytes[19..27]), bytes[28])
        }
        _ => value.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
