//! OTLP's protobuf messages: spans into an `ExportTraceServiceRequest`, and its response.
//! Written by hand: it neither allocates per field nor can it fail, and what an attribute is on the
//! wire is written when it becomes known.
//! Spec: <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.11.0>

mod wire;

use std::borrow::Cow;

use crate::attributes::{SCHEMA_URL, Value};
use crate::span::{Event, FinishedSpan, Parent, Status};
use wire::{Field, field_len, varint_len};

/// The instrumentation scope that all spans are from.
pub const SCOPE_NAME: &str = "meshspan";

/// The version that scope and resource carry.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `Span.attributes`.
pub(crate) const SPAN_ATTRIBUTE: u32 = 9;

/// `Span.dropped_attributes_count`.
const DROPPED_ATTRIBUTES_COUNT: u32 = 10;
/// `Span.flags`: whether the parent is remote is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// `Span.flags`: the parent is remote.
const IS_REMOTE: u32 = 0x200;

/// `ScopeSpans.spans`.
const SCOPE_SPANS_SPAN: u32 = 2;
/// `Resource.attributes`.
const RESOURCE_ATTRIBUTE: u32 = 1;

/// `AnyValue.string_value`.
const STRING_VALUE: u32 = 1;
/// `AnyValue.bool_value`.
const BOOL_VALUE: u32 = 2;
/// `AnyValue.int_value`.
const INT_VALUE: u32 = 3;
/// `AnyValue.array_value`.
const ARRAY_VALUE: u32 = 5;

/// Appends `span` to `out` as one complete `ScopeSpans.spans` field, so that spans concatenate.
pub fn encode_span(span: &FinishedSpan<'_>, out: &mut Vec<u8>) {
    let len = span_len(span);
    out.reserve(field_len(len));
    wire::length(out, SCOPE_SPANS_SPAN, len);
    wire::bytes(out, 1, span.trace_id.as_bytes());
    wire::bytes(out, 2, span.span_id.as_bytes());
    if !span.trace_state.is_empty() {
        wire::bytes(out, 3, span.trace_state.as_str().as_bytes());
    }
    if let Some(parent) = span.parent {
        wire::bytes(out, 4, parent.span_id.as_bytes());
    }
    wire::bytes(out, 5, span.name.as_bytes());
    wire::integer(out, 6, span.kind as u64);
    wire::fixed64(out, 7, span.start.as_unix_nanos());
    wire::fixed64(out, 8, span.end.max(span.start).as_unix_nanos());
    out.extend_from_slice(span.attributes.as_bytes());
    if span.dropped_attributes > 0 {
        wire::integer(out, DROPPED_ATTRIBUTES_COUNT, span.dropped_attributes.into());
    }
    for event in span.events.iter().flatten() {
        wire::length(out, 11, event_len(event));
        wire::fixed64(out, 1, event.time.as_unix_nanos());
        wire::bytes(out, 2, event.name.as_bytes());
    }
    if span.status != Status::Unset {
        wire::length(out, 15, STATUS_LEN);
        wire::integer(out, 3, span.status as u64);
    }
    wire::fixed32(out, 16, flags(span.flags.as_byte(), span.parent));
}

/// A `Span.Event` with its time and its name.
fn event_len(event: &Event) -> usize {
    const TIME: usize = 1 + 8;
    TIME + field_len(event.name.len())
}

/// `Status` with its code alone.
const STATUS_LEN: usize = 2;

/// What the fields that [`encode_span`] writes take together.
fn span_len(span: &FinishedSpan<'_>) -> usize {
    const KIND: usize = 2;
    const TIMES: usize = 2 * (1 + 8);
    const FLAGS: usize = 2 + 4;
    let trace_state =
        if span.trace_state.is_empty() { 0 } else { field_len(span.trace_state.as_str().len()) };
    let parent = if span.parent.is_some() { field_len(size_of::<u64>()) } else { 0 };
    let status = if span.status == Status::Unset { 0 } else { field_len(STATUS_LEN) };
    let dropped = match span.dropped_attributes {
        0 => 0,
        dropped => 1 + varint_len(dropped.into()),
    };
    let events: usize = span.events.iter().flatten().map(|event| field_len(event_len(event))).sum();
    let ids = field_len(size_of::<u128>()) + field_len(size_of::<u64>()) + parent;
    let name = field_len(span.name.len());
    let attributes = span.attributes.as_bytes().len() + dropped;
    ids + trace_state + name + KIND + TIMES + attributes + events + status + FLAGS
}

fn flags(trace_flags: u8, parent: Option<Parent>) -> u32 {
    let remote = if parent.is_some_and(|parent| parent.is_remote) { IS_REMOTE } else { 0 };
    u32::from(trace_flags) | HAS_IS_REMOTE | remote
}

/// Appends a `KeyValue` as the field `field`, whose number is below 16.
pub(crate) fn encode_attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &Value<'_>) {
    match value {
        Value::Str(text) => encode_text_attribute(out, field, key, &[text.as_bytes()]),
        Value::Int(number) => {
            let number = number.cast_unsigned();
            attribute_head(out, field, key, 1 + varint_len(number));
            wire::integer(out, INT_VALUE, number);
        }
        Value::Bool(is_so) => {
            attribute_head(out, field, key, 2);
            wire::integer(out, BOOL_VALUE, u64::from(*is_so));
        }
        Value::List(texts) => {
            let element_len = |text: &Cow<'_, str>| field_len(text.len());
            let list_len = texts.iter().map(|text| field_len(element_len(text))).sum();
            attribute_head(out, field, key, field_len(list_len));
            wire::length(out, ARRAY_VALUE, list_len);
            for text in texts {
                wire::length(out, 1, element_len(text));
                wire::bytes(out, STRING_VALUE, text.as_bytes());
            }
        }
    }
}

/// As [`encode_attribute`], for the text that `parts` are together, which is UTF-8.
pub(crate) fn encode_text_attribute(out: &mut Vec<u8>, field: u32, key: &str, parts: &[&[u8]]) {
    let text_len = parts.iter().map(|part| part.len()).sum();
    attribute_head(out, field, key, field_len(text_len));
    wire::length(out, STRING_VALUE, text_len);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// All of a `KeyValue` but the `value_len` bytes of its `AnyValue`.
fn attribute_head(out: &mut Vec<u8>, field: u32, key: &str, value_len: usize) {
    let len = field_len(key.len()) + field_len(value_len);
    out.reserve(field_len(len));
    wire::length(out, field, len);
    wire::bytes(out, 1, key.as_bytes());
    wire::length(out, 2, value_len);
}

/// The keys of what [`encode_attribute`] wrote, one after another.
pub(crate) fn attribute_keys(encoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    wire::Fields(encoded).filter_map(|(_, field)| {
        let Field::Bytes(pair) = field else { return None };
        match wire::Fields(pair).next() {
            Some((_, Field::Bytes(key))) => Some(key),
            _ => None,
        }
    })
}

/// Reads what [`encode_attribute`] wrote, one after another.
pub(crate) fn decode_attributes(encoded: &[u8]) -> impl Iterator<Item = (&str, Value<'_>)> {
    wire::Fields(encoded).filter_map(|(_, field)| {
        let Field::Bytes(pair) = field else { return None };
        let mut fields = wire::Fields(pair);
        let (Some((_, Field::Bytes(key))), Some((_, Field::Bytes(value)))) = (fields.next(), fields.next())
        else {
            return None;
        };
        let value = match wire::Fields(value).next()? {
            (BOOL, Field::Integer(is_so)) => Value::Bool(is_so != 0),
            (_, Field::Integer(number)) => Value::Int(number.cast_signed()),
            (ARRAY, Field::Bytes(list)) => {
                Value::List(wire::Fields(list).filter_map(decode_element).collect())
            }
            (_, text) => Value::Str(decode_text(text)?),
        };
        Some((std::str::from_utf8(key).ok()?, value))
    })
}

/// [`ARRAY_VALUE`] as a field's number is read.
const ARRAY: u64 = ARRAY_VALUE as u64;

/// [`BOOL_VALUE`] as a field's number is read.
const BOOL: u64 = BOOL_VALUE as u64;

fn decode_element<'a>((_, element): (u64, Field<'a>)) -> Option<Cow<'a, str>> {
    let Field::Bytes(element) = element else { return None };
    wire::Fields(element).next().and_then(|(_, text)| decode_text(text))
}

fn decode_text(text: Field<'_>) -> Option<Cow<'_, str>> {
    let Field::Bytes(text) = text else { return None };
    std::str::from_utf8(text).ok().map(Cow::Borrowed)
}

/// Wraps encoded spans into requests that all name the same resource.
#[derive(Clone, Debug)]
pub struct RequestEncoder {
    /// `ResourceSpans.resource`.
    resource: Vec<u8>,
    /// `ScopeSpans.scope`.
    scope: Vec<u8>,
    /// `schema_url`, of the same field number in `ResourceSpans` and `ScopeSpans`.
    schema_url: Vec<u8>,
}

impl RequestEncoder {
    /// An encoder for spans of `resource`, whose keys are unique.
    pub fn new(resource: &[(String, String)]) -> Self {
        let mut encoder = Self { resource: Vec::new(), scope: Vec::new(), schema_url: Vec::new() };
        wire::message(&mut encoder.resource, 1, |out| {
            for (key, value) in resource {
                encode_attribute(out, RESOURCE_ATTRIBUTE, key, &Value::from(value.as_str()));
            }
        });
        wire::message(&mut encoder.scope, 1, |out| {
            wire::bytes(out, 1, SCOPE_NAME.as_bytes());
            wire::bytes(out, 2, VERSION.as_bytes());
        });
        wire::bytes(&mut encoder.schema_url, 3, SCHEMA_URL.as_bytes());
        encoder
    }

    /// An `ExportTraceServiceRequest` of `spans`, which [`encode_span`] wrote.
    pub fn encode(&self, spans: &[u8]) -> Vec<u8> {
        let scope_len = self.scope.len() + spans.len() + self.schema_url.len();
        let mut scope_head = Vec::with_capacity(8);
        wire::length(&mut scope_head, 2, scope_len);
        let resource_len = self.resource.len() + scope_head.len() + scope_len + self.schema_url.len();

        let mut out = Vec::with_capacity(resource_len + 8);
        wire::length(&mut out, 1, resource_len);
        for part in [&self.resource, &scope_head, &self.scope, spans, &self.schema_url, &self.schema_url] {
            out.extend_from_slice(part);
        }
        out
    }
}

/// What a collector did not take of a request that it answered with success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Spans that it refused.
    pub rejected: u64,
    /// Why, or a warning if it refused none.
    pub message: String,
    /// Whether the answer was no such message: a page of HTML, perhaps, of what is no collector.
    pub is_foreign: bool,
}

/// Whom a request over gRPC goes to, as Envoy's `grpc_call` takes it: the cluster's name or, where the request has
/// another authority, an `envoy.config.core.v3.GrpcService` with both.
pub fn grpc_upstream(cluster: &str, authority: &str) -> Vec<u8> {
    if authority == cluster {
        return cluster.into();
    }
    let mut service = Vec::new();
    wire::message(&mut service, 1, |envoy_grpc| {
        wire::bytes(envoy_grpc, 1, cluster.as_bytes());
        wire::bytes(envoy_grpc, 2, authority.as_bytes());
    });
    service
}

/// Reads an `ExportTraceServiceResponse`. Bytes that are not one say nothing but that: all was taken.
pub fn decode_response(message: &[u8]) -> PartialSuccess {
    let mut response = PartialSuccess::default();
    let mut fields = wire::Fields(message);
    for (number, field) in fields.by_ref() {
        let (1, Field::Bytes(partial_success)) = (number, field) else { continue };
        for field in wire::Fields(partial_success) {
            match field {
                (1, Field::Integer(count)) => {
                    response.rejected = u64::try_from(count.cast_signed()).unwrap_or(0);
                }
                (2, Field::Bytes(text)) => response.message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    // What is malformed is left.
    response.is_foreign = !fields.0.is_empty();
    response
}

#[cfg(test)]
mod tests;
