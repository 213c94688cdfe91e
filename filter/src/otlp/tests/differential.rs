//! What is encoded here, decoded by `opentelemetry-proto`, is what was meant; and its encoding of
//! the same is the same, byte for byte.

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::attributes::key;

/// A span that owns its parts.
#[derive(Clone, Debug)]
struct Owned {
    trace_state: TraceState,
    name: String,
    attributes: Attributes,
    /// The rest.
    span: FinishedSpan<'static>,
}

impl Owned {
    fn span(&self) -> FinishedSpan<'_> {
        let Self { trace_state, name, attributes, span } = self;
        FinishedSpan { trace_state, name, attributes, ..*span }
    }
}

fn value(given: &Value<'_>) -> AnyValue {
    let value = match given {
        Value::Str(text) => any_value::Value::StringValue(text.to_string()),
        Value::Int(number) => any_value::Value::IntValue(*number),
        Value::Bool(is_so) => any_value::Value::BoolValue(*is_so),
        Value::List(texts) => {
            let texts = texts.iter().map(|text| value(&Value::Str(text.clone())));
            any_value::Value::ArrayValue(ArrayValue { values: texts.collect() })
        }
    };
    AnyValue { value: Some(value) }
}

fn attribute(key: &str, text: &Value<'_>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value(text)), ..Default::default() }
}

fn event(event: &Event) -> proto::span::Event {
    let (time_unix_nano, name) = (event.time.as_unix_nanos(), event.name.to_owned());
    proto::span::Event { time_unix_nano, name, ..Default::default() }
}

/// The same span in the library's types.
fn model(span: &FinishedSpan<'_>) -> proto::Span {
    let remote = span.parent.is_some_and(|parent| parent.is_remote);
    let known = proto::SpanFlags::ContextHasIsRemoteMask as u32;
    let remote = if remote { proto::SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    proto::Span {
        trace_id: span.trace_id.as_bytes().to_vec(),
        span_id: span.span_id.as_bytes().to_vec(),
        trace_state: span.trace_state.as_str().to_owned(),
        parent_span_id: span.parent.map(|parent| parent.span_id.as_bytes().to_vec()).unwrap_or_default(),
        flags: u32::from(span.flags.as_byte()) | known | remote,
        name: span.name.to_string(),
        kind: match span.kind {
            SpanKind::Server => proto::span::SpanKind::Server.into(),
            SpanKind::Client => proto::span::SpanKind::Client.into(),
        },
        start_time_unix_nano: span.start.as_unix_nanos(),
        end_time_unix_nano: span.end.max(span.start).as_unix_nanos(),
        attributes: span.attributes.iter().map(|(key, value)| attribute(key, &value)).collect(),
        dropped_attributes_count: span.dropped_attributes,
        events: span.events.iter().flatten().map(event).collect(),
        status: (span.status == Status::Error)
            .then(|| proto::Status { message: String::new(), code: proto::status::StatusCode::Error.into() }),
        ..Default::default()
    }
}

fn attributes() -> impl Strategy<Value = Attributes> {
    const KEYS: [&str; 4] = [key::URL_FULL, key::SERVER_PORT, key::ERROR_TYPE, key::DIRECTION];
    let value = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ".{0,300}".prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..20)
            .prop_map(|bytes| Value::from(String::from_utf8_lossy(&bytes).into_owned())),
        proptest::collection::vec(".{0,100}", 0..4)
            .prop_map(|texts| Value::List(texts.into_iter().map(Into::into).collect())),
    ];
    proptest::collection::vec((proptest::sample::select(&KEYS[..]), value), 0..8).prop_map(|pairs| {
        let mut attributes = Attributes::default();
        for (key, value) in pairs {
            attributes.set_new(key, value);
        }
        attributes
    })
}

prop_compose! {
    fn span()(
        trace_id in any::<[u8; 16]>().prop_filter_map("zero", |id| TraceId::from_bytes(id).ok()),
        span_id in any::<[u8; 8]>().prop_filter_map("zero", |id| SpanId::from_bytes(id).ok()),
        parent in proptest::option::of((
            any::<[u8; 8]>().prop_filter_map("zero", |id| SpanId::from_bytes(id).ok()),
            any::<bool>(),
        )),
        flags in any::<u8>(),
        trace_state in "[a-z]{0,3}",
        server in any::<bool>(),
        name in ".{1,40}",
        times in (1..=u64::MAX, 1..=u64::MAX),
        failed in any::<bool>(),
        dropped_attributes in prop_oneof![Just(0), any::<u32>()],
        attributes in attributes(),
        events in proptest::array::uniform2(proptest::option::of(1..=u64::MAX)),
    ) -> Owned {
        static NOTHING: (TraceState, Attributes) = (TraceState(String::new()), Attributes::new());
        let span = FinishedSpan {
            trace_id,
            span_id,
            flags: TraceFlags::from_byte(flags),
            parent: parent.map(|(span_id, is_remote)| Parent { span_id, is_remote }),
            kind: if server { SpanKind::Server } else { SpanKind::Client },
            start: Timestamp::from_unix_nanos(times.0),
            end: Timestamp::from_unix_nanos(times.1),
            dropped_attributes,
            events: events.map(|time| {
                let name = Event::RESPONSE_START;
                time.map(|time| Event { name, time: Timestamp::from_unix_nanos(time) })
            }),
            status: if failed { Status::Error } else { Status::Unset },
            ..plain(&NOTHING.0, &NOTHING.1)
        };
        Owned { trace_state: TraceState(trace_state), name, attributes, span }
    }
}

proptest! {
    #[test]
    fn rule_46_the_library_reads_what_was_meant(spans in proptest::collection::vec(span(), 0..4)) {
        let resource = [("service.name".to_owned(), "web".to_owned()), ("k".to_owned(), "ü".repeat(90))];
        let mut encoded = Vec::new();
        spans.iter().for_each(|span| encode_span(&span.span(), &mut encoded));
        let request = RequestEncoder::new(&resource).encode(&encoded);

        let expected = ExportTraceServiceRequest {
            resource_spans: vec![proto::ResourceSpans {
                resource: Some(Resource {
                    attributes: resource.iter().map(|(k, v)| attribute(k, &Value::from(v.as_str()))).collect(),
                    ..Default::default()
                }),
                scope_spans: vec![proto::ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: "meshspan".to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                        ..Default::default()
                    }),
                    spans: spans.iter().map(|span| model(&span.span())).collect(),
                    schema_url: "https://opentelemetry.io/schemas/1.44.0".to_owned(),
                }],
                schema_url: "https://opentelemetry.io/schemas/1.44.0".to_owned(),
            }],
        };
        prop_assert_eq!(ExportTraceServiceRequest::decode(request.as_slice()).unwrap(), expected.clone());
        prop_assert_eq!(request, expected.encode_to_vec());
    }

    #[test]
    fn rule_39_reads_every_response_that_the_library_writes(rejected in any::<i64>(), message in ".{0,200}") {
        let response = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: message.clone(),
            }),
        };
        let expected = PartialSuccess { rejected: rejected.max(0).unsigned_abs(), message, is_foreign: false };
        prop_assert_eq!(decode_response(&response.encode_to_vec()), expected);
    }

    #[test]
    fn rule_48_no_response_does_harm(message in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode_response(&message);
    }
}
