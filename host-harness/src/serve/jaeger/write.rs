//! A trace as version 1 of Jaeger's API has it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, span};
use serde_json::{Value, json};

/// One trace.
pub(super) fn trace_json(resources: &[ResourceSpans]) -> Value {
    let mut processes = BTreeMap::new();
    let mut spans = Vec::new();
    let mut trace_id = String::new();
    for (at, resource) in resources.iter().enumerate() {
        let process = format!("p{}", at + 1);
        let attributes = resource.resource.as_ref().map(|r| r.attributes.as_slice()).unwrap_or_default();
        let (names, tags): (Vec<_>, Vec<_>) = attributes.iter().partition(|pair| pair.key == "service.name");
        let name = names.first().and_then(|pair| text(pair.value.as_ref())).unwrap_or("unknown_service");
        let tags: Vec<Value> = tags.into_iter().map(tag).collect();
        processes.insert(process.clone(), json!({ "serviceName": name, "tags": tags }));
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                trace_id = hex::encode(&span.trace_id);
                spans.push(span_json(span, scope.scope.as_ref(), &process));
            }
        }
    }
    json!({ "traceID": trace_id, "spans": spans, "processes": processes, "warnings": null })
}

fn span_json(span: &Span, scope: Option<&InstrumentationScope>, process: &str) -> Value {
    let reference = |kind: &str, trace: &[u8], id: &[u8]| json!({ "refType": kind, "traceID": hex::encode(trace), "spanID": hex::encode(id) });
    let parent = (!span.parent_span_id.is_empty())
        .then(|| reference("CHILD_OF", &span.trace_id, &span.parent_span_id));
    let links = span.links.iter().map(|link| reference("FOLLOWS_FROM", &link.trace_id, &link.span_id));
    let logs = span.events.iter().map(|event| {
        let name = json!({ "key": "event", "type": "string", "value": event.name });
        let fields: Vec<Value> = std::iter::once(name).chain(event.attributes.iter().map(tag)).collect();
        json!({ "timestamp": event.time_unix_nano / 1_000, "fields": fields })
    });
    json!({
        "traceID": hex::encode(&span.trace_id),
        "spanID": hex::encode(&span.span_id),
        "operationName": span.name,
        "references": parent.into_iter().chain(links).collect::<Vec<_>>(),
        "startTime": span.start_time_unix_nano / 1_000,
        "duration": span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano) / 1_000,
        "tags": tags(span, scope),
        "logs": logs.collect::<Vec<_>>(),
        "processID": process,
        "warnings": null,
        "flags": span.flags & 0xFF,
    })
}

/// The span's attributes, and what Jaeger makes tags of beside them.
fn tags(span: &Span, scope: Option<&InstrumentationScope>) -> Vec<Value> {
    let mut tags: Vec<Value> = span.attributes.iter().map(tag).collect();
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            tags.push(json!({ "key": key, "type": "string", "value": value }));
        }
    };
    if let Some(scope) = scope {
        add("otel.scope.name", &scope.name);
        add("otel.scope.version", &scope.version);
    }
    let kind = match span.kind() {
        span::SpanKind::Unspecified => "",
        span::SpanKind::Internal => "internal",
        span::SpanKind::Server => "server",
        span::SpanKind::Client => "client",
        span::SpanKind::Producer => "producer",
        span::SpanKind::Consumer => "consumer",
    };
    add("span.kind", kind);
    add("w3c.tracestate", &span.trace_state);
    let status = span.status.as_ref();
    match status.map(|status| status.code()) {
        Some(StatusCode::Ok) => add("otel.status_code", "OK"),
        Some(StatusCode::Error) => {
            add("otel.status_code", "ERROR");
            add("otel.status_description", status.map(|status| status.message.as_str()).unwrap_or_default());
            tags.push(json!({ "key": "error", "type": "bool", "value": true }));
        }
        Some(StatusCode::Unset) | None => {}
    }
    tags
}

fn tag(pair: &KeyValue) -> Value {
    let (kind, value) = match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Otlp::StringValue(text)) => ("string", json!(text)),
        Some(Otlp::BoolValue(flag)) => ("bool", json!(flag)),
        Some(Otlp::IntValue(number)) => ("int64", json!(number)),
        Some(Otlp::DoubleValue(number)) => ("float64", json!(number)),
        Some(Otlp::BytesValue(bytes)) => ("binary", json!(STANDARD.encode(bytes))),
        // Jaeger shows these as their JSON.
        Some(other @ (Otlp::ArrayValue(_) | Otlp::KvlistValue(_) | Otlp::StringValueStrindex(_))) => {
            ("string", json!(serde_json::to_string(other).unwrap_or_default()))
        }
        None => ("string", json!("")),
    };
    json!({ "key": pair.key, "type": kind, "value": value })
}

fn text(value: Option<&AnyValue>) -> Option<&str> {
    match value?.value.as_ref()? {
        Otlp::StringValue(text) => Some(text),
        _ => None,
    }
}
