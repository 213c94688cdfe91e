use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn pair(value: Value) -> KeyValue {
    KeyValue { key: "k".to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

/// Every field of every message, with a value that is written.
fn full() -> ExportTraceServiceRequest {
    let inner = AnyValue { value: Some(Value::DoubleValue(1.5)) };
    let attributes = vec![
        pair(Value::StringValue("ü".to_owned())),
        pair(Value::BoolValue(true)),
        pair(Value::IntValue(-1)),
        pair(Value::ArrayValue(ArrayValue { values: vec![inner] })),
        pair(Value::KvlistValue(KeyValueList { values: vec![pair(Value::BytesValue(vec![0xff]))] })),
        KeyValue { key_strindex: 7, ..pair(Value::StringValueStrindex(3)) },
    ];
    let text = || "text".to_owned();
    let event = span::Event {
        time_unix_nano: 1,
        name: text(),
        attributes: attributes.clone(),
        dropped_attributes_count: 1,
    };
    let link = span::Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: text(),
        attributes: attributes.clone(),
        dropped_attributes_count: 1,
        flags: 1,
    };
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: text(),
        parent_span_id: vec![3; 8],
        flags: 0x301,
        name: text(),
        kind: 2,
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        attributes: attributes.clone(),
        dropped_attributes_count: 1,
        events: vec![event],
        dropped_events_count: 1,
        links: vec![link],
        dropped_links_count: 1,
        status: Some(Status { message: text(), code: 2 }),
    };
    let scope = InstrumentationScope {
        name: text(),
        version: text(),
        attributes: attributes.clone(),
        dropped_attributes_count: 1,
    };
    let entity = EntityRef {
        schema_url: text(),
        r#type: text(),
        id_keys: vec![text()],
        description_keys: vec![text()],
    };
    let resource = Resource { attributes, dropped_attributes_count: 1, entity_refs: vec![entity] };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: vec![span], schema_url: text() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, schema_url: text() }];
    ExportTraceServiceRequest { resource_spans }
}

fn of_span(span: Span) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

#[test]
fn every_field_of_every_message_is_known() {
    let bytes = full().encode_to_vec();
    let found = scan(&bytes).unwrap();
    assert_eq!((found.spans, found.unfit), (1, 0));
    // Of each of the five lists of attributes, twelve and five within them; the rest is named above.
    assert_eq!(found.messages, 5 * 17 + 10, "all are gone into");
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert_eq!(scan(cut).is_ok(), ExportTraceServiceRequest::decode(cut).is_ok(), "{length} bytes");
    }
}

#[test]
fn spans_with_unfit_ids_are_counted() {
    let fit = Span { trace_id: vec![1; 16], span_id: vec![2; 8], ..Span::default() };
    for (span, expected, reason) in [
        (fit.clone(), 0, "a root"),
        (Span { parent_span_id: vec![3; 8], ..fit.clone() }, 0, "a child"),
        (Span { trace_id: vec![1; 15], ..fit.clone() }, 1, "a short trace id"),
        (Span { trace_id: vec![0; 16], ..fit.clone() }, 1, "a trace id of zeros"),
        (Span { trace_id: vec![], ..fit.clone() }, 1, "no trace id"),
        (Span { span_id: vec![2; 9], ..fit.clone() }, 1, "a long span id"),
        (Span { span_id: vec![0; 8], ..fit.clone() }, 1, "a span id of zeros"),
        (Span { parent_span_id: vec![3; 7], ..fit.clone() }, 1, "a short parent"),
        (Span { parent_span_id: vec![0; 8], ..fit }, 1, "a parent of zeros"),
    ] {
        let found = scan(&of_span(span)).unwrap();
        assert_eq!((found.spans, found.unfit), (1, expected), "{reason}");
    }
}

#[test]
fn bytes_that_are_no_request_are_refused_by_name() {
    let text = |number: &str| ScanError::Text { message: "ResourceSpans", field: number.parse().unwrap() };
    let cases: &[(&[u8], ScanError, &str)] = &[
        (&[0x0a], ScanError::CutOff, "no length"),
        (&[0x0a, 1], ScanError::CutOff, "no value"),
        (
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            ScanError::CutOff,
            "a length of all bits",
        ),
        (&[0xff; 10], ScanError::Number, "a number of 70 bits"),
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2], ScanError::Number, "one of 65"),
        (&[0x02, 0], ScanError::Key(2), "field 0"),
        (&[0x0f], ScanError::Key(0xf), "wire type 7"),
        (&[0x0b, 0x0c], ScanError::Key(0xb), "a group, which nobody has sent for fifteen years"),
        (&[0x80, 0x80, 0x80, 0x80, 0x10], ScanError::Key(1 << 32), "a key of 33 bits"),
        (
            &[0x08, 0],
            ScanError::Type { message: "ExportTraceServiceRequest", field: 1, found: 0, expected: 2 },
            "a number",
        ),
        (&[0x0a, 3, 0x1a, 1, 0xff], text("3"), "no UTF-8"),
    ];
    for (bytes, expected, reason) in cases {
        assert_eq!(scan(bytes), Err(*expected), "{reason}");
        if !matches!(expected, ScanError::Key(0xb)) {
            assert!(ExportTraceServiceRequest::decode(*bytes).is_err(), "{reason}: prost agrees");
        }
    }
    assert_eq!(
        scan(&[0x12, 0, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]),
        Ok(Scan { messages: 1, ..Scan::default() }),
        "fields that are not known"
    );
}

#[test]
fn values_without_end_are_refused_before_they_are_too_deep_for_others() {
    let nested = |levels| {
        let mut value = AnyValue::default();
        for _ in 0..levels {
            value = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![value] })) };
        }
        let attributes = vec![KeyValue { value: Some(value), ..KeyValue::default() }];
        of_span(Span { attributes, ..Span::default() })
    };
    assert!(scan(&nested(29)).is_ok());
    assert!(ExportTraceServiceRequest::decode(nested(29).as_slice()).is_ok());
    assert_eq!(scan(&nested(30)), Err(ScanError::Depth));
    assert_eq!(scan(&nested(3_000)), Err(ScanError::Depth), "and no stack is exhausted");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What passes, decodes, and into as many spans; what does not pass does not decode, but for groups.
    #[test]
    fn it_agrees_with_prost(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let mut bytes = full().encode_to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match (scan(&bytes), ExportTraceServiceRequest::decode(bytes.as_slice())) {
            (Ok(found), Ok(decoded)) => {
                prop_assert_eq!(found.spans, crate::collect::span_count(&decoded.resource_spans));
            }
            (Err(ScanError::Key(key)), _) if matches!(key & 7, 3 | 4) => {}
            (found, decoded) => prop_assert!(found.is_err() && decoded.is_err(), "{found:?}, {decoded:?}"),
        }
    }
}
