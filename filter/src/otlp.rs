//! OTLP's protobuf messages: spans into an `ExportTraceServiceRequest`, and its response.
//! Written by hand: it neither allocates per field nor can it fail.
//! Spec: <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.11.0>

mod wire;

use crate::attributes::{SCHEMA_URL, Value};
use crate::span::{FinishedSpan, Parent, Status};
use wire::Field;

/// The instrumentation scope that all spans are from.
pub const SCOPE_NAME: &str = "meshspan";

/// The version that scope and resource carry.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `Span.flags`: whether the parent is remote is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// `Span.flags`: the parent is remote.
const IS_REMOTE: u32 = 0x200;

/// `ScopeSpans.spans`.
const SCOPE_SPANS_SPAN: u32 = 2;

/// Appends `span` to `out` as one complete `ScopeSpans.spans` field, so that spans concatenate.
pub fn encode_span(span: &FinishedSpan, out: &mut Vec<u8>) {
    wire::message(out, SCOPE_SPANS_SPAN, |out| encode_span_body(span, out));
}

fn encode_span_body(FinishedSpan { span, end, status }: &FinishedSpan, out: &mut Vec<u8>) {
    wire::bytes(out, 1, span.context.trace_id.as_bytes());
    wire::bytes(out, 2, span.context.span_id.as_bytes());
    if !span.context.trace_state.is_empty() {
        wire::bytes(out, 3, span.context.trace_state.as_str().as_bytes());
    }
    if let Some(parent) = span.parent {
        wire::bytes(out, 4, parent.span_id.as_bytes());
    }
    wire::bytes(out, 5, span.name.as_bytes());
    wire::integer(out, 6, span.kind as u64);
    wire::fixed64(out, 7, span.start.as_unix_nanos());
    wire::fixed64(out, 8, end.as_unix_nanos());
    for (key, value) in span.attributes.iter() {
        encode_attribute(out, 9, key, value);
    }
    if *status != Status::Unset {
        wire::message(out, 15, |out| wire::integer(out, 3, *status as u64));
    }
    wire::fixed32(out, 16, flags(span.context.flags.as_byte(), span.parent));
}

fn flags(trace_flags: u8, parent: Option<Parent>) -> u32 {
    let remote = if parent.is_some_and(|parent| parent.is_remote) { IS_REMOTE } else { 0 };
    u32::from(trace_flags) | HAS_IS_REMOTE | remote
}

fn encode_attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &Value) {
    wire::message(out, field, |out| {
        wire::bytes(out, 1, key.as_bytes());
        wire::message(out, 2, |out| match value {
            Value::Str(text) => wire::bytes(out, 1, text.as_bytes()),
            Value::Int(number) => wire::integer(out, 3, number.cast_unsigned()),
        });
    });
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
                encode_attribute(out, 1, key, &Value::from(value.clone()));
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
}

/// Reads an `ExportTraceServiceResponse`. Bytes that are not one say nothing: all was taken.
pub fn decode_response(message: &[u8]) -> PartialSuccess {
    let mut response = PartialSuccess::default();
    for (number, field) in wire::Fields(message) {
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
    response
}

#[cfg(test)]
mod tests;
