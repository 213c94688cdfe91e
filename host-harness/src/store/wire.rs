//! An encoded request → an encoded request with the spans of some traces, the others not decoded.
//! Spec: <https://protobuf.dev/programming-guides/encoding/>
//!
//! 512 spans of 64 traces → the 8 of one, in some microseconds instead of the best part of a millisecond

use prost::encode_length_delimiter;

use crate::collect::ScanError;
use crate::collect::scan::{key, value};

/// `ExportTraceServiceRequest.resource_spans`, `ResourceSpans.scope_spans`, `ScopeSpans.spans`: the fields on the
/// way down to a span.
const WAY: [u8; 3] = [1, 2, 2];

/// `Span.trace_id`
const TRACE_ID: u64 = 1;

/// The wire type of messages and bytes, in the last three bits of a field's key.
const LENGTH_DELIMITED: u8 = 2;

/// A field of a message.
struct Field<'a> {
    number: u64,
    /// All its bytes.
    whole: &'a [u8],
    /// Its value, if that is bytes.
    value: &'a [u8],
}

/// `request` with the spans of the `wanted` traces only, below their resources and scopes. What is no request comes back as it
/// is: decoding it will tell.
pub(super) fn only(request: &[u8], wanted: &dyn Fn(&[u8]) -> bool) -> Vec<u8> {
    match kept(request, &WAY, wanted) {
        Ok(kept) => kept.unwrap_or_default(),
        Err(_) => request.to_vec(),
    }
}

/// `message` without what lies on the `way` and is of no wanted trace; `None` if nothing there is.
fn kept(message: &[u8], way: &[u8], wanted: &dyn Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>, ScanError> {
    let [number, below @ ..] = way else {
        return Ok(is_of(message, wanted)?.then(|| message.to_vec()));
    };
    let (mut all, mut has_any, mut rest) = (Vec::new(), false, message);
    while let Some(field) = next(&mut rest)? {
        if field.number != u64::from(*number) {
            all.extend_from_slice(field.whole);
        } else if let Some(inner) = kept(field.value, below, wanted)? {
            has_any = true;
            // Numbers below 16 leave a key of one byte.
            all.push(*number << 3 | LENGTH_DELIMITED);
            // A Vec has always room.
            let _ = encode_length_delimiter(inner.len(), &mut all);
            all.extend_from_slice(&inner);
        }
    }
    Ok(has_any.then_some(all))
}

fn is_of(span: &[u8], wanted: &dyn Fn(&[u8]) -> bool) -> Result<bool, ScanError> {
    let mut rest = span;
    while let Some(field) = next(&mut rest)? {
        if field.number == TRACE_ID && wanted(field.value) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the first field off `rest`.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Field<'a>>, ScanError> {
    if rest.is_empty() {
        return Ok(None);
    }
    let all = *rest;
    let (number, wire_type) = key(rest)?;
    let value = value(rest, wire_type)?;
    let whole = all.get(..all.len() - rest.len()).unwrap_or_default();
    Ok(Some(Field { number, whole, value: if wire_type == LENGTH_DELIMITED { value } else { &[] } }))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    /// Spans of few traces, below some resources and scopes.
    fn requests() -> impl Strategy<Value = ExportTraceServiceRequest> {
        let span = (0_u8..3, ".{0,3}").prop_map(|(trace, name)| Span {
            trace_id: vec![trace; 16],
            start_time_unix_nano: u64::from(trace),
            flags: 7,
            name,
            ..Span::default()
        });
        let scope = (prop::collection::vec(span, 0..4), "[a-c]?")
            .prop_map(|(spans, schema_url)| ScopeSpans { scope: None, spans, schema_url });
        let resource = (prop::collection::vec(scope, 0..3), "[a-c]?")
            .prop_map(|(scope_spans, schema_url)| ResourceSpans { resource: None, scope_spans, schema_url });
        prop::collection::vec(resource, 0..4)
            .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
    }

    proptest! {
        #[test]
        fn it_is_what_decoding_all_would_keep(request in requests(), trace in 0_u8..4) {
            let mut expected = request.clone();
            for resource in &mut expected.resource_spans {
                for scope in &mut resource.scope_spans {
                    scope.spans.retain(|span| span.trace_id == [trace; 16]);
                }
                resource.scope_spans.retain(|scope| !scope.spans.is_empty());
            }
            expected.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
            let found = only(&request.encode_to_vec(), &|id| *id == [trace; 16]);
            prop_assert_eq!(ExportTraceServiceRequest::decode(found.as_slice()).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            only(&bytes, &|id| *id == [1; 16]);
        }
    }

    #[test]
    fn what_is_no_request_comes_back_as_it_is() {
        for (bytes, reason) in [
            (&b"\x0a\x05ab"[..], "cut"),
            (b"\x0b", "a group"),
            (b"\x0a\x02\x12\xff", "cut within"),
            (b"\x80", "half a number"),
        ] {
            assert_eq!(only(bytes, &|id| *id == [1; 16]), bytes, "{reason}");
        }
    }
}
