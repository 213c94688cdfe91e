//! OpenCensus binary trace context in gRPC's `grpc-trace-bin` header.
//! Reads base64 with and without padding, as gRPC wants; writes without, as grpc-go does.
//! Spec: <https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md>
//!
//! `AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE` → trace 4bf9…, parent 00f0…, accept

use super::{Carrier, Injector, Reading, Values, concat};
use crate::context::{Format, IncomingDecision, RemoteParent, SpanContext, TraceContext, TraceState};
use crate::ids::{IdError, SpanId, TraceId};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The header; its `-bin` tells gRPC that the value is base64.
pub const NAME: &str = "grpc-trace-bin";

/// Characters of the value that we write.
pub const LEN: usize = 39;

/// Bytes of a context with its three fields: version, then id and value of each.
const BYTES: usize = 1 + 1 + TraceId::SIZE + 1 + SpanId::SIZE + 1 + 1;
/// Longest context decoded: ours, and as much again for fields of the future.
const MAX_BYTES: usize = 2 * BYTES;

const VERSION: u8 = 0;
const TRACE_ID: u8 = 0;
const SPAN_ID: u8 = 1;
const OPTIONS: u8 = 2;
const OPTION_SAMPLED: u8 = 1;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a `grpc-trace-bin` is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrpcBinError {
    /// Not standard base64, or more than 58 bytes of it.
    #[error("grpc-trace-bin is not standard base64 of at most 58 bytes")]
    Base64,
    /// A version that we do not know.
    #[error("grpc-trace-bin has no version or another than 0")]
    Version,
    /// A field ends before its value does.
    #[error("grpc-trace-bin ends within a field")]
    Truncated,
    /// No trace id or no span id.
    #[error("grpc-trace-bin lacks a trace id or a span id")]
    Missing,
    /// An id of zeros.
    #[error("grpc-trace-bin: {0}")]
    Id(#[from] IdError),
}

/// Parses the value of `grpc-trace-bin` without surrounding white space to the caller's ids and
/// whether it samples. Options that are not there mean no; an unknown field ends the reading.
///
/// # Errors
/// [`GrpcBinError`] names the rule broken. OpenCensus, "BinaryEncoding".
pub fn parse(value: &[u8]) -> Result<(RemoteParent, bool), GrpcBinError> {
    let mut buffer = [0; MAX_BYTES];
    let len = BASE64.decode_slice(value, &mut buffer).map_err(|_| GrpcBinError::Base64)?;
    let bytes = buffer.get(..len).unwrap_or_default();
    let mut rest = bytes.strip_prefix(&[VERSION]).ok_or(GrpcBinError::Version)?;
    let (mut trace_id, mut span_id, mut options) = (None, None, 0);
    while let [id, fields @ ..] = rest {
        rest = match *id {
            TRACE_ID => field(fields, &mut |bytes| trace_id = Some(bytes))?,
            SPAN_ID => field(fields, &mut |bytes| span_id = Some(bytes))?,
            OPTIONS => field(fields, &mut |[byte]: [u8; 1]| options = byte)?,
            _ => break,
        };
    }
    let (trace_id, span_id) = trace_id.zip(span_id).ok_or(GrpcBinError::Missing)?;
    let parent = RemoteParent {
        trace_id: TraceId::from_bytes(trace_id)?,
        span_id: SpanId::from_bytes(span_id)?,
        random: false,
    };
    Ok((parent, options & OPTION_SAMPLED != 0))
}

/// Hands the first `N` of `bytes` to `keep` and returns the others.
fn field<'a, const N: usize>(
    bytes: &'a [u8],
    keep: &mut dyn FnMut([u8; N]),
) -> Result<&'a [u8], GrpcBinError> {
    let (value, rest) = bytes.split_first_chunk().ok_or(GrpcBinError::Truncated)?;
    keep(*value);
    Ok(rest)
}

/// The `grpc-trace-bin` that names `span` as parent.
pub fn format(span: &SpanContext) -> [u8; LEN] {
    let bytes: [u8; BYTES] = concat(&[
        &[VERSION, TRACE_ID],
        span.trace_id.as_bytes(),
        &[SPAN_ID],
        span.span_id.as_bytes(),
        &[OPTIONS, u8::from(span.flags.sampled())],
    ]);
    let mut out = [b'A'; LEN];
    // 29 bytes are 39 characters, so encoding cannot fail.
    let _ = BASE64.encode_slice(bytes, &mut out);
    out
}

/// A request's `grpc-trace-bin`.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried<'a>(Values<'a>);

impl<'a> Carrier<'a> for Carried<'a> {
    fn offer(&mut self, name: &[u8], value: &'a [u8]) {
        self.0.offer(NAME, name, value);
    }

    fn read(&self) -> Reading {
        if self.0.is_absent() {
            return Reading::Absent;
        }
        let Some(Ok((parent, sampled))) = self.0.only().map(parse) else {
            return Reading::Invalid;
        };
        Reading::Valid(TraceContext {
            format: Format::GrpcTraceBin,
            parent: Some(parent),
            decision: if sampled { IncomingDecision::Accept } else { IncomingDecision::Deny },
            trace_state: TraceState::default(),
        })
    }

    fn write(&self, span: &SpanContext, _debug: bool, out: &mut dyn Injector) {
        self.0.set(NAME, &format(span), out);
    }

    fn remove(&self, out: &mut dyn Injector) {
        self.0.remove(NAME, out);
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const TRACE: [u8; 18] = *b"\x00\x00\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36";
    const SPAN: [u8; 9] = *b"\x01\x00\xf0\x67\xaa\x0b\xa9\x02\xb7";

    fn encoded(parts: &[&[u8]]) -> String {
        BASE64.encode(parts.concat())
    }

    #[test]
    fn the_binary_form_is_read() {
        let rows = [
            (
                "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE".to_owned(),
                true,
                "as grpc-go sends it, without padding",
            ),
            ("AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE=".to_owned(), true, "with padding"),
            (encoded(&[&TRACE, &SPAN, b"\x02\x00"]), false, "not sampled"),
            (encoded(&[&TRACE, &SPAN]), false, "options that are not there are 0"),
            (encoded(&[&TRACE, &SPAN, b"\x02\xff"]), true, "other options are not known"),
            (encoded(&[&TRACE, &SPAN, b"\x03\x02\x01"]), false, "an unknown field ends the reading"),
            (encoded(&[&TRACE, &SPAN, b"\x02\x01", &[9; 29]]), true, "as long as may be"),
        ];
        for (value, expected, reason) in rows {
            let (parent, sampled) = parse(value.as_bytes()).expect(reason);
            assert_eq!(parent.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736", "{reason}");
            assert_eq!(parent.span_id.to_string(), "00f067aa0ba902b7", "{reason}");
            assert_eq!((parent.random, sampled), (false, expected), "{reason}");
        }
    }

    #[test]
    fn the_binary_form_is_read_strictly() {
        let valid = "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE";
        let rows = [
            (String::new(), GrpcBinError::Version, "empty"),
            (encoded(&[&[0]]), GrpcBinError::Missing, "a version alone"),
            (encoded(&[&[1], &TRACE[1..], &SPAN]), GrpcBinError::Version, "another version"),
            (encoded(&[&TRACE]), GrpcBinError::Missing, "no span id"),
            (encoded(&[&[0], &SPAN]), GrpcBinError::Missing, "no trace id"),
            (
                encoded(&[&[0, 7], &TRACE[1..], &SPAN]),
                GrpcBinError::Missing,
                "an unknown field before the ids",
            ),
            (encoded(&[&TRACE[..17]]), GrpcBinError::Truncated, "a trace id cut short"),
            (encoded(&[&TRACE, &SPAN[..8]]), GrpcBinError::Truncated, "a span id cut short"),
            (encoded(&[&TRACE, &SPAN, &[2]]), GrpcBinError::Truncated, "options cut short"),
            (encoded(&[&[0; 18], &SPAN]), GrpcBinError::Id(IdError::Zero), "zero trace id"),
            (
                encoded(&[&TRACE, &[1, 0, 0, 0, 0, 0, 0, 0, 0]]),
                GrpcBinError::Id(IdError::Zero),
                "zero span id",
            ),
            (encoded(&[&TRACE, &SPAN, &[2, 1], &[9; 30]]), GrpcBinError::Base64, "too long"),
            (format!("{valid},{valid}"), GrpcBinError::Base64, "two joined"),
            (format!("{valid}=="), GrpcBinError::Base64, "too much padding"),
            (valid.replace('+', "-"), GrpcBinError::Base64, "the URL-safe alphabet"),
            ("AABL\u{ff}".to_owned(), GrpcBinError::Base64, "not ASCII"),
        ];
        for (value, error, reason) in rows {
            assert_eq!(parse(value.as_bytes()).map(|_| ()), Err(error), "{reason}");
        }
    }
}
