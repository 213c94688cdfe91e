//! Spans as a proxy's filter makes them, in the form of each subject.

use std::time::{Duration, SystemTime};

use meshspan::collect::span_count;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use prost::Message;
use prost::bytes::Bytes;

/// What both senders put into a request.
pub(crate) const BATCH: usize = 512;

pub(crate) struct Spans {
    /// As the SDK has them.
    pub(crate) data: Vec<SpanData>,
    /// The same in batches, as OTLP has them.
    pub(crate) batches: Vec<Vec<ResourceSpans>>,
    /// The same, encoded.
    pub(crate) requests: Vec<Bytes>,
}

impl Spans {
    /// `count` spans of traces that no other round has: a store would look up those that come again.
    pub(crate) fn make(count: usize, round: usize) -> Self {
        let first = 1 + (round * count) as u64;
        let data: Vec<SpanData> = (first..first + count as u64).map(span).collect();
        let resource = ResourceAttributesWithSchema::from(&resource());
        let batches: Vec<_> = data
            .chunks(BATCH)
            .map(|batch| group_spans_by_resource_and_scope(batch.to_vec(), &resource))
            .collect();
        assert_eq!(batches.iter().map(|batch| span_count(batch)).sum::<u64>(), count as u64);
        let encoded = |resource_spans: &Vec<ResourceSpans>| {
            ExportTraceServiceRequest { resource_spans: resource_spans.clone() }.encode_to_vec().into()
        };
        let requests = batches.iter().map(encoded).collect();
        Self { data, batches, requests }
    }
}

pub(crate) fn resource() -> Resource {
    let attributes = [
        KeyValue::new("service.name", "web"),
        KeyValue::new("service.namespace", "emojivoto"),
        KeyValue::new("k8s.pod.name", "web-5f86686c4d-2xk7p"),
        KeyValue::new("telemetry.sdk.name", "meshspan"),
    ];
    Resource::builder_empty().with_attributes(attributes).build()
}

fn span(number: u64) -> SpanData {
    let scattered = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (random, trace) = (scattered(number), number / 4);
    let start =
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_800_000) + Duration::from_micros(number * 37);
    let trace_id =
        TraceId::from_bytes((u128::from(scattered(trace + 1)) << 64 | u128::from(trace)).to_be_bytes());
    let span_id = SpanId::from_bytes(random.to_be_bytes());
    let context = SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::NONE);
    SpanData {
        span_context: context,
        parent_span_id: SpanId::from_bytes(random.rotate_left(17).to_be_bytes()),
        parent_span_is_remote: true,
        span_kind: if number.is_multiple_of(2) { SpanKind::Server } else { SpanKind::Client },
        name: "GET".into(),
        start_time: start,
        end_time: start + Duration::from_micros(900 + random % 4_000),
        attributes: attributes(number, random),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("meshspan").with_version("0.1.0").build(),
    }
}

fn attributes(number: u64, random: u64) -> Vec<KeyValue> {
    vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("url.path", format!("/api/vote/{}", number % 97)),
        KeyValue::new("url.query", format!("choice=:doughnut:&round={}", random % 1_000)),
        KeyValue::new("server.address", "web-svc.emojivoto"),
        KeyValue::new("server.port", 80),
        KeyValue::new("network.protocol.version", "1.1"),
        KeyValue::new("network.peer.address", format!("10.42.0.{}", random % 250)),
        KeyValue::new("user_agent.original", "Go-http-client/1.1"),
        KeyValue::new("http.response.status_code", 200),
        KeyValue::new("http.response.body.size", (random % 90_000) as i64),
        KeyValue::new("direction", if number.is_multiple_of(2) { "inbound" } else { "outbound" }),
    ]
}
