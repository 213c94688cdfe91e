//! Ten thousand traces of a hundred spans, in the requests that ten services send.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use prost::bytes::Bytes;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub(crate) const TRACES: u64 = 10_000;
pub(crate) const SPANS: u64 = 100;
/// As SDKs send them.
const SPANS_A_REQUEST: usize = 512;
pub(crate) const SERVICES: u64 = 10;
pub(crate) const ROUTES: u64 = 20;
/// The first trace's start, and from one to the next.
const EPOCH: u64 = 1_795_323_600_000_000_000;
const STEP: u64 = 10_000_000;

/// A request and its spans.
pub(crate) type Request = (Bytes, u64);

/// Those of so many traces, in the order in which they are sent.
pub(crate) fn requests(traces: u64) -> Vec<Request> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut waiting: Vec<Vec<Span>> = vec![Vec::new(); usize::try_from(SERVICES).unwrap()];
    let mut requests = Vec::new();
    for trace in 0..traces {
        for at in 0..SPANS {
            let service = at * SERVICES / SPANS;
            let own = &mut waiting[usize::try_from(service).unwrap()];
            own.push(span(trace, at, &mut random));
            if own.len() == SPANS_A_REQUEST {
                requests.push(request(service, std::mem::take(own)));
            }
        }
    }
    let rest = waiting.into_iter().zip(0..).filter(|(spans, _)| !spans.is_empty());
    requests.extend(rest.map(|(spans, service)| request(service, spans)));
    requests
}

fn request(service: u64, spans: Vec<Span>) -> Request {
    let count = spans.len() as u64;
    let resource = Resource {
        attributes: vec![
            text("service.name", format!("service-{service}")),
            text("k8s.pod.name", format!("service-{service}-7d9f8-{}", count % 3)),
            text("k8s.namespace.name", "shop".to_owned()),
            text("telemetry.sdk.language", "rust".to_owned()),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "http".to_owned(), ..InstrumentationScope::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    (ExportTraceServiceRequest { resource_spans }.encode_to_vec().into(), count)
}

fn span(trace: u64, at: u64, random: &mut Xoshiro256PlusPlus) -> Span {
    let chance = |random: &mut Xoshiro256PlusPlus, of: u64| random.next_u64() % of;
    let route = chance(random, ROUTES);
    // One span in a thousand failed: one trace in ten.
    let failed = chance(random, 1_000) == 0;
    let start = EPOCH + trace * STEP + at * 100_000;
    Span {
        trace_id: u128::from(trace + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
            .to_be_bytes()
            .to_vec(),
        span_id: (at + 1).to_be_bytes().to_vec(),
        // A tree whose spans have up to three children.
        parent_span_id: if at == 0 { Vec::new() } else { ((at - 1) / 3 + 1).to_be_bytes().to_vec() },
        name: format!("GET /route-{route}"),
        kind: i32::try_from(2 + at % 2).unwrap(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 100_000 + chance(random, 1 + trace % 100 * 1_000_000),
        attributes: vec![
            text("http.request.method", "GET".to_owned()),
            text("http.route", format!("/route-{route}")),
            text("url.path", format!("/route-{route}/{}", chance(random, 1_000_000))),
            number("http.response.status_code", if failed { 500 } else { 200 }),
            text("server.address", format!("service-{}.shop.svc.cluster.local", at * SERVICES / SPANS)),
            text("network.peer.address", format!("10.0.{}.{}", chance(random, 4), chance(random, 250))),
            text("enduser.id", format!("user-{trace}")),
            number("thread.id", i64::try_from(chance(random, 16)).unwrap()),
        ],
        status: failed.then(|| Status { code: 2, ..Status::default() }),
        ..Span::default()
    }
}

fn text(key: &str, value: String) -> KeyValue {
    attribute(key, Value::StringValue(value))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
