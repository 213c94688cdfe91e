#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::attributes::Attributes;
use crate::context::{TraceFlags, TraceState};
use crate::ids::{SpanId, TraceId};
use crate::span::SpanKind;
use crate::time::Timestamp;

/// A span with nothing but what every span has.
fn plain<'a>(trace_state: &'a TraceState, attributes: &'a Attributes) -> FinishedSpan<'a> {
    FinishedSpan {
        trace_id: TraceId::from_bytes([1; 16]).unwrap(),
        span_id: SpanId::from_bytes([2; 8]).unwrap(),
        flags: TraceFlags::new(true, true),
        trace_state,
        parent: None,
        kind: SpanKind::Server,
        name: "GET",
        start: Timestamp::from_unix_nanos(5),
        end: Timestamp::from_unix_nanos(7),
        attributes,
        dropped_attributes: 0,
        events: [None; 2],
        status: Status::Unset,
    }
}

fn encoded(end: u64) -> Vec<u8> {
    let (trace_state, attributes) = Default::default();
    let mut out = Vec::new();
    let end = Timestamp::from_unix_nanos(end);
    encode_span(&FinishedSpan { end, ..plain(&trace_state, &attributes) }, &mut out);
    out
}

#[test]
fn a_span_is_written_byte_for_byte_as_protobuf_has_it() {
    let expected: [&[u8]; 9] = [
        &[0x12, 59],
        &[0x0a, 16, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        &[0x12, 8, 2, 2, 2, 2, 2, 2, 2, 2],
        &[0x2a, 3, b'G', b'E', b'T'],
        &[0x30, 2],
        &[0x39, 5, 0, 0, 0, 0, 0, 0, 0],
        &[0x41, 7, 0, 0, 0, 0, 0, 0, 0],
        &[0x85, 0x01, 0x03, 0x01, 0, 0],
        &[],
    ];
    assert_eq!(encoded(7), expected.concat());
}

#[test]
fn rule_46_a_span_never_ends_before_it_starts() {
    assert_eq!(encoded(4), encoded(5), "the start is 5");
}

#[test]
fn rule_39_reads_what_the_collector_refused() {
    let full = [&[0x0a, 6, 0x08, 3, 0x12, 2][..], b"no"].concat();
    let minus_one = [&[0x0a, 11, 0x08][..], &[0xff; 9], &[1]].concat();
    let cases: [(&[u8], u64, &str, &str); 11] = [
        (b"", 0, "", "all was taken"),
        (&[0x0a, 0], 0, "", "an empty partial success is as none"),
        (&full, 3, "no", "three were refused"),
        (&[0x0a, 4, 0x12, 2, b'h', b'm'], 0, "hm", "none refused: a warning"),
        (&[0x0a, 4, 0x12, 2, 0xff, b'm'], 0, "\u{fffd}m", "text that is not UTF-8"),
        (&minus_one, 0, "", "less than nothing refused"),
        (&[0x0a, 100, 0x08, 3], 0, "", "cut off"),
        (
            &[0x15, 1, 2, 3, 4, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 2, 0x08, 9],
            9,
            "",
            "unknown fields before it",
        ),
        (&[0x23, 0x0a, 2, 0x08, 7, 0x2b, 0x2c, 0x24, 0x0a, 2, 0x08, 9], 9, "", "unknown groups before it"),
        (&[0x23, 0x0a, 2, 0x08, 7], 0, "", "a group without end"),
        (b"<html>not protobuf</html>", 0, "", "not protobuf"),
    ];
    for (message, rejected, text, reason) in cases {
        let is_foreign = ["cut off", "not protobuf"].contains(&reason);
        let expected = PartialSuccess { rejected, message: text.to_owned(), is_foreign };
        assert_eq!(decode_response(message), expected, "{reason}");
    }
}

#[test]
fn rule_39_every_prefix_of_a_response_is_read_without_harm() {
    let response = [&[0x0a, 0x86, 0x01, 0x08, 0xff, 0xff, 0x7f, 0x12, 0x80, 0x01][..], &[b'x'; 128]].concat();
    for len in 0..response.len() {
        decode_response(&response[..len]);
    }
    assert_eq!(decode_response(&response).rejected, 0x1f_ffff);
}

#[test]
fn a_call_with_its_own_authority_names_both() {
    assert_eq!(grpc_upstream("otel", "otel"), b"otel", "a name is enough");
    let both = [&[0x0a, 9, 0x0a, 3][..], b"a|b", &[0x12, 2], b"b:"].concat();
    assert_eq!(grpc_upstream("a|b", "b:"), both, "cluster_name and authority of envoy_grpc");
}

#[cfg(not(target_arch = "wasm32"))]
mod differential;
