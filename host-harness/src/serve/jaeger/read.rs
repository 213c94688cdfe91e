//! Version 1 of Jaeger's JSON, as its page saves traces, back to OTLP.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use serde::Deserialize;
use serde_json::Value;

/// Most of what Jaeger writes may be missing; ids may lack leading zeros.
#[derive(Deserialize)]
struct JaegerTrace {
    spans: Vec<JaegerSpan>,
    #[serde(default)]
    processes: HashMap<String, Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JaegerSpan {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(rename = "parentSpanID", default)]
    parent_span_id: String,
    operation_name: String,
    #[serde(default)]
    references: Vec<Reference>,
    /// Microseconds since 1970.
    start_time: u64,
    /// Microseconds.
    duration: u64,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    logs: Option<Vec<Log>>,
    #[serde(rename = "processID", default)]
    process_id: String,
    /// Spans may carry their process themselves.
    process: Option<Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Log {
    timestamp: u64,
    #[serde(default)]
    fields: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// The spans of the `data` of an answer.
///
/// # Errors
/// What is missing, or no id.
pub(crate) fn from_v1(data: Value) -> Result<Vec<ResourceSpans>, String> {
    let traces: Vec<JaegerTrace> = serde_json::from_value(data).map_err(|error| error.to_string())?;
    let mut spans = Vec::new();
    for JaegerTrace { spans: own, processes } in traces {
        for span in own {
            let process = span.process.as_ref().or_else(|| processes.get(&span.process_id));
            let resource = process.map(resource).unwrap_or_default();
            spans.push(resource_spans(resource, span)?);
        }
    }
    Ok(spans)
}

fn resource(process: &Process) -> Resource {
    let name = KeyValue {
        key: "service.name".to_owned(),
        value: Some(AnyValue { value: Some(Otlp::StringValue(process.service_name.clone())) }),
        ..KeyValue::default()
    };
    let attributes = std::iter::once(name).chain(process.tags.iter().map(attribute)).collect();
    Resource { attributes, ..Resource::default() }
}

fn resource_spans(resource: Resource, span: JaegerSpan) -> Result<ResourceSpans, String> {
    let named = |key: &str| span.tags.iter().find(|tag| tag.key == key).and_then(|tag| tag.value.as_str());
    let scope = named("otel.scope.name").or_else(|| named("otel.library.name")).unwrap_or_default();
    let scope = InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() };
    let spans = vec![otlp(&span)?];
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    Ok(ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() })
}

fn otlp(span: &JaegerSpan) -> Result<Span, String> {
    let is_parent =
        |reference: &&Reference| reference.ref_type == "CHILD_OF" && reference.trace_id == span.trace_id;
    let parent = span.references.iter().find(is_parent).map(|reference| reference.span_id.as_str());
    let parent = parent.or((!span.parent_span_id.is_empty()).then_some(&span.parent_span_id));
    let links = span.references.iter().filter(|reference| !is_parent(reference));
    let link = |reference: &Reference| {
        let (trace_id, span_id) = (id(&reference.trace_id, 16)?, id(&reference.span_id, 8)?);
        Ok(span::Link { trace_id, span_id, ..span::Link::default() })
    };
    let start = span.start_time.saturating_mul(1_000);
    Ok(Span {
        trace_id: id(&span.trace_id, 16)?,
        span_id: id(&span.span_id, 8)?,
        parent_span_id: parent.map(|parent| id(parent, 8)).transpose()?.unwrap_or_default(),
        name: span.operation_name.clone(),
        kind: kind(span).into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(span.duration.saturating_mul(1_000)),
        attributes: span.tags.iter().filter(|tag| !is_structural(&tag.key)).map(attribute).collect(),
        events: span.logs.iter().flatten().map(event).collect(),
        links: links.map(link).collect::<Result<_, String>>()?,
        status: status(span),
        ..Span::default()
    })
}

/// What became a tag in Jaeger and is a field in OTLP.
fn is_structural(key: &str) -> bool {
    matches!(key, "span.kind" | "otel.status_code" | "otel.status_description" | "error" | "otel.scope.name")
}

fn kind(span: &JaegerSpan) -> span::SpanKind {
    let kind = span.tags.iter().find(|tag| tag.key == "span.kind").and_then(|tag| tag.value.as_str());
    match kind {
        Some("server") => span::SpanKind::Server,
        Some("client") => span::SpanKind::Client,
        Some("producer") => span::SpanKind::Producer,
        Some("consumer") => span::SpanKind::Consumer,
        _ => span::SpanKind::Internal,
    }
}

fn status(span: &JaegerSpan) -> Option<Status> {
    let tag = |key: &str| span.tags.iter().find(|tag| tag.key == key).map(|tag| &tag.value);
    let code = tag("otel.status_code").and_then(Value::as_str);
    let is_error =
        code == Some("ERROR") || tag("error").is_some_and(|error| *error == true || *error == "true");
    let message = tag("otel.status_description").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (is_error, code) {
        (true, _) => Some(Status { code: StatusCode::Error.into(), message }),
        (false, Some("OK")) => Some(Status { code: StatusCode::Ok.into(), message }),
        (false, _) => None,
    }
}

fn event(log: &Log) -> span::Event {
    let is_name = |tag: &&Tag| tag.key == "event";
    let name = log.fields.iter().find(is_name).and_then(|tag| tag.value.as_str()).unwrap_or("log").to_owned();
    let attributes = log.fields.iter().filter(|tag| !is_name(tag)).map(attribute).collect();
    span::Event {
        time_unix_nano: log.timestamp.saturating_mul(1_000),
        name,
        attributes,
        ..span::Event::default()
    }
}

fn attribute(tag: &Tag) -> KeyValue {
    let text = || match &tag.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let value = match (tag.kind.as_str(), &tag.value) {
        ("bool", Value::Bool(flag)) => Otlp::BoolValue(*flag),
        ("int64", value) if value.as_i64().is_some() => Otlp::IntValue(value.as_i64().unwrap_or_default()),
        ("float64", value) if value.as_f64().is_some() => {
            Otlp::DoubleValue(value.as_f64().unwrap_or_default())
        }
        ("binary", Value::String(text)) => {
            STANDARD.decode(text).map_or_else(|_| Otlp::StringValue(text.clone()), Otlp::BytesValue)
        }
        _ => Otlp::StringValue(text()),
    };
    KeyValue { key: tag.key.clone(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Hexadecimal, with leading zeros where they lack.
fn id(text: &str, bytes: usize) -> Result<Vec<u8>, String> {
    let digits = bytes * 2;
    let wrong = || format!("{text:?} is no id, expected up to {digits} hexadecimal digits");
    if text.is_empty() || text.len() > digits {
        return Err(wrong());
    }
    hex::decode(format!("{text:0>digits$}")).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::write::trace_json;
    use super::*;
    use crate::collect::{SpanKind, records};

    #[test]
    fn what_is_written_reads_back_the_same() {
        let text = |text: &str| Some(AnyValue { value: Some(Otlp::StringValue(text.to_owned())) });
        let pair = |key: &str, value| KeyValue { key: key.to_owned(), value, ..KeyValue::default() };
        let typed = [
            Otlp::BoolValue(true),
            Otlp::IntValue(-5),
            Otlp::DoubleValue(0.5),
            Otlp::BytesValue(vec![0, 255]),
        ];
        let typed = typed
            .into_iter()
            .enumerate()
            .map(|(at, v)| pair(&format!("k{at}"), Some(AnyValue { value: Some(v) })));
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            parent_span_id: vec![3; 8],
            name: "GET".to_owned(),
            kind: 3,
            start_time_unix_nano: 1_700_000_000_000_001_000,
            end_time_unix_nano: 1_700_000_000_000_003_000,
            attributes: typed.collect(),
            events: vec![span::Event {
                time_unix_nano: 1_700_000_000_000_002_000,
                name: "e".to_owned(),
                ..Default::default()
            }],
            links: vec![span::Link { trace_id: vec![9; 16], span_id: vec![8; 8], ..Default::default() }],
            status: Some(Status { code: 2, message: "no".to_owned() }),
            ..Span::default()
        };
        let scope = InstrumentationScope { name: "meshspan".to_owned(), ..Default::default() };
        let resource = Resource {
            attributes: vec![pair("service.name", text("web")), pair("host", text("a"))],
            ..Default::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: vec![span], ..Default::default() }];
        let spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..Default::default() }];
        assert_eq!(from_v1(json!([trace_json(&spans)])).unwrap(), spans);
        let written = trace_json(&spans);
        assert_eq!(written["spans"][0]["duration"], 2);
        assert_eq!(written["processes"]["p1"]["serviceName"], "web");
    }

    #[test]
    fn what_a_page_saved_long_ago_is_read() {
        let data = json!([{ "traceID": "ab", "spans": [{
            "traceID": "ab", "spanID": "1", "parentSpanID": "2", "operationName": "x", "startTime": 1, "duration": 2,
            "tags": [{ "key": "error", "value": "true" }, { "key": "span.kind", "type": "string", "value": "client" }],
            "logs": null, "process": { "serviceName": "old" },
        }] }]);
        let [record] = records(&from_v1(data).unwrap()).try_into().unwrap();
        assert_eq!(
            (record.service.as_str(), record.kind, record.is_error()),
            ("old", SpanKind::Client, true)
        );
        assert_eq!((record.trace_id[15], record.parent), (0xAB, Some([0, 0, 0, 0, 0, 0, 0, 2])));
    }

    #[test]
    fn an_id_that_is_none_is_named() {
        let data = json!([{ "spans": [{ "traceID": "x", "spanID": "1", "operationName": "", "startTime": 1, "duration": 2 }] }]);
        assert_eq!(from_v1(data).unwrap_err(), "\"x\" is no id, expected up to 32 hexadecimal digits");
    }
}
