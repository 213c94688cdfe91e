//! Trace headers as a modelled application reads and writes them: strict about its own format, blind
//! to all others. Written apart from any filter, so that the two check each other.
//!
//! `x-b3-traceid: 463a…`, `x-b3-spanid: a2fb…`, `x-b3-sampled: 1` ⇄ [`SpanContext`]

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::host::HeaderMap;
use crate::topology::Format;

/// Every header that says to which trace a request belongs. `baggage` is not among them.
pub const CONTEXT_HEADERS: [&str; 9] = [
    "traceparent",
    "tracestate",
    "grpc-trace-bin",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
];

/// Writes no padding, as grpc-go does, and reads both.
const BINARY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One span's identity. Neither id is ever zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpanContext {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) sampled: bool,
    /// `tracestate`'s value; empty unless the format has it.
    pub(super) trace_state: Vec<u8>,
}

/// The context that `headers` hold in this format; `None` if absent or invalid.
pub(super) fn extract(format: Format, headers: &HeaderMap) -> Option<SpanContext> {
    match format {
        Format::TraceContext => trace_context(headers),
        Format::B3Multi => b3_multi(headers),
        Format::B3Single => b3_single(headers.first("b3")?),
        Format::GrpcTraceBin => grpc_trace_bin(headers.first("grpc-trace-bin")?),
    }
}

/// Writes `context` in this format. Whatever else the headers hold stays.
pub(super) fn inject(format: Format, context: &SpanContext, headers: &mut HeaderMap) {
    let SpanContext { trace_id, span_id, sampled, trace_state } = context;
    let sampled = u8::from(*sampled);
    match format {
        Format::TraceContext => {
            headers.replace("traceparent", format!("00-{trace_id:032x}-{span_id:016x}-{sampled:02x}"));
            if !trace_state.is_empty() {
                headers.replace("tracestate", trace_state.clone());
            }
        }
        Format::B3Multi => {
            headers.replace("x-b3-traceid", format!("{trace_id:032x}"));
            headers.replace("x-b3-spanid", format!("{span_id:016x}"));
            headers.replace("x-b3-sampled", sampled.to_string());
        }
        Format::B3Single => headers.replace("b3", format!("{trace_id:032x}-{span_id:016x}-{sampled}")),
        Format::GrpcTraceBin => {
            let mut bytes = Vec::with_capacity(29);
            bytes.extend([0, 0]);
            bytes.extend(trace_id.to_be_bytes());
            bytes.push(1);
            bytes.extend(span_id.to_be_bytes());
            bytes.extend([2, sampled]);
            headers.replace("grpc-trace-bin", BINARY.encode(bytes));
        }
    }
}

/// The traces that `headers` name, in whatever format.
pub(super) fn trace_ids(headers: &HeaderMap) -> Vec<u128> {
    let formats = [Format::TraceContext, Format::GrpcTraceBin, Format::B3Single, Format::B3Multi];
    formats
        .into_iter()
        .filter_map(|format| extract(format, headers))
        .map(|context| context.trace_id)
        .collect()
}

fn trace_context(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parts = headers.first("traceparent")?.split(|byte| *byte == b'-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != b"00" || parts.next().is_some() || trace.len() != 32 || flags.len() != 2 {
        return None;
    }
    let sampled = number(flags)? & 1 == 1;
    let trace_state = headers.first("tracestate").unwrap_or_default().to_vec();
    Some(SpanContext { trace_id: trace_id(trace)?, span_id: span_id(span)?, sampled, trace_state })
}

fn b3_multi(headers: &HeaderMap) -> Option<SpanContext> {
    Some(SpanContext {
        trace_id: trace_id(headers.first("x-b3-traceid")?)?,
        span_id: span_id(headers.first("x-b3-spanid")?)?,
        sampled: headers.first("x-b3-sampled") == Some(b"1") || headers.first("x-b3-flags") == Some(b"1"),
        trace_state: Vec::new(),
    })
}

fn b3_single(value: &[u8]) -> Option<SpanContext> {
    let mut parts = value.split(|byte| *byte == b'-');
    let (trace, span, state) = (parts.next()?, parts.next()?, parts.next());
    let sampled = matches!(state, Some(b"1" | b"d"));
    Some(SpanContext {
        trace_id: trace_id(trace)?,
        span_id: span_id(span)?,
        sampled,
        trace_state: Vec::new(),
    })
}

fn grpc_trace_bin(value: &[u8]) -> Option<SpanContext> {
    let bytes: [u8; 29] = BINARY.decode(value).ok()?.try_into().ok()?;
    let (&[0, 0], rest) = bytes.split_first_chunk()? else { return None };
    let (trace, rest) = rest.split_first_chunk::<16>()?;
    let (&[1], rest) = rest.split_first_chunk()? else { return None };
    let (span, rest) = rest.split_first_chunk::<8>()?;
    let &[2, options] = rest else { return None };
    let (trace_id, span_id) = (u128::from_be_bytes(*trace), u64::from_be_bytes(*span));
    let valid = trace_id != 0 && span_id != 0;
    valid.then(|| SpanContext { trace_id, span_id, sampled: options & 1 == 1, trace_state: Vec::new() })
}

fn trace_id(hex: &[u8]) -> Option<u128> {
    number(hex).filter(|id| *id != 0 && matches!(hex.len(), 16 | 32))
}

fn span_id(hex: &[u8]) -> Option<u64> {
    let id = number(hex).filter(|id| *id != 0 && hex.len() == 16)?;
    u64::try_from(id).ok()
}

/// Lower-case hex of at most 32 digits.
fn number(hex: &[u8]) -> Option<u128> {
    let digits = hex.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !digits || hex.len() > 32 {
        return None;
    }
    u128::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "463ac35c9f6413ad48485a3953bb6124";

    fn context() -> SpanContext {
        SpanContext {
            trace_id: 0x463a_c35c_9f64_13ad_4848_5a39_53bb_6124,
            span_id: 7,
            sampled: true,
            trace_state: vec![],
        }
    }

    #[test]
    fn each_format_reads_what_it_wrote_and_nothing_else() {
        let formats = [Format::TraceContext, Format::B3Multi, Format::B3Single, Format::GrpcTraceBin];
        for written in formats {
            for sampled in [false, true] {
                let context = SpanContext { sampled, ..context() };
                let mut headers = HeaderMap::new();
                inject(written, &context, &mut headers);
                assert!(
                    headers
                        .iter()
                        .all(|(name, _)| CONTEXT_HEADERS.iter().any(|known| known.as_bytes() == name))
                );
                assert_eq!(trace_ids(&headers), [context.trace_id]);
                for read in formats {
                    let expected = (read == written).then(|| context.clone());
                    assert_eq!(extract(read, &headers), expected, "{written:?} read as {read:?}");
                }
            }
        }
    }

    #[test]
    fn grpc_go_writes_39_characters_without_padding() {
        let mut headers = HeaderMap::new();
        inject(Format::GrpcTraceBin, &context(), &mut headers);
        let value = headers.first("grpc-trace-bin").unwrap();
        assert_eq!(value, b"AABGOsNcn2QTrUhIWjlTu2EkAQAAAAAAAAAHAgE");
        headers.replace("grpc-trace-bin", [value, b"="].concat());
        assert_eq!(extract(Format::GrpcTraceBin, &headers), Some(context()), "padded is read as well");
    }

    #[test]
    fn invalid_headers_are_no_context() {
        let span = "00f067aa0ba902b7";
        let rows = [
            (Format::TraceContext, "traceparent", format!("01-{TRACE}-{span}-01"), "version"),
            (Format::TraceContext, "traceparent", format!("00-{TRACE}-{span}-01-x"), "trailing"),
            (Format::TraceContext, "traceparent", format!("00-{TRACE}-{span}-"), "no flags"),
            (
                Format::TraceContext,
                "traceparent",
                format!("00-{}-{span}-01", TRACE.to_uppercase()),
                "upper case",
            ),
            (Format::TraceContext, "traceparent", format!("00-{}-{span}-01", "0".repeat(32)), "zero trace"),
            (Format::TraceContext, "traceparent", format!("00-{TRACE}-{}-01", "0".repeat(16)), "zero span"),
            (Format::TraceContext, "traceparent", format!("00-{span}-{span}-01"), "short trace"),
            (Format::B3Single, "b3", "0".to_owned(), "a decision alone names no trace"),
            (Format::B3Single, "b3", format!("{TRACE}-+0f067aa0ba902b7-1"), "sign"),
            (Format::GrpcTraceBin, "grpc-trace-bin", "AAB".to_owned(), "cut off"),
            (Format::GrpcTraceBin, "grpc-trace-bin", "é".to_owned(), "no base64"),
        ];
        for (format, name, value, reason) in rows {
            let headers = HeaderMap::from_pairs([(name, value.as_str())]);
            assert_eq!(extract(format, &headers), None, "{reason}");
        }
        let half = HeaderMap::from_pairs([("x-b3-traceid", TRACE)]);
        assert_eq!(extract(Format::B3Multi, &half), None, "no span id");
    }

    #[test]
    fn a_64_bit_b3_trace_id_is_padded_on_the_left() {
        let headers = HeaderMap::from_pairs([("b3", "48485a3953bb6124-0000000000000007-d")]);
        let expected = SpanContext { trace_id: 0x4848_5a39_53bb_6124, ..context() };
        assert_eq!(extract(Format::B3Single, &headers), Some(expected));
    }
}
