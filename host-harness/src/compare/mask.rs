//! Ids in trace headers, masked: two replays draw different ones, and what they are says nothing.
//!
//! `00-4bf9…4736-00f0…02b7-01` → `00-<32 hex, kept>-<16 hex, new>-01`

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::host::HeaderMap;
use crate::replay::CONTEXT_HEADERS;

/// gRPC's, whose value is base64 of bytes.
const BINARY: &str = "grpc-trace-bin";
/// Other tracers' headers; their ids are decimal or lack leading zeros, so their length says nothing either.
const OTHER_HEADERS: [&str; 6] = [
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-datadog-parent-id",
    "x-datadog-trace-id",
    "sw8",
];
/// Fewer digits than this are flags and versions.
const SHORTEST_ID: usize = 8;
/// `tracestate`'s sampling threshold is written in as many digits, and no id.
const THRESHOLD: &str = "th:";

/// The ids that came to a proxy, in one text.
pub(super) fn ids(given: &HeaderMap) -> String {
    let mut ids = String::new();
    for (name, value) in given.iter() {
        let name = String::from_utf8_lossy(name);
        if is_trace_header(&name) {
            ids.push_str(&text(&name, value));
            ids.push(' ');
        }
    }
    ids
}

/// The header's value as it is compared; an id is `kept` if it is among those `given`, which are `None` where nobody
/// knows them.
pub(super) fn masked(name: &str, value: &[u8], given: Option<&str>) -> String {
    let text = text(name, value);
    if !is_trace_header(name) {
        return text;
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        masked.push_str(before);
        if digits.len() < SHORTEST_ID || masked.ends_with(THRESHOLD) {
            masked.push_str(digits);
        } else {
            push_mask(&mut masked, digits, OTHER_HEADERS.contains(&name), given);
        }
        rest = after;
    }
    masked.push_str(rest);
    masked
}

fn push_mask(masked: &mut String, digits: &str, has_any_length: bool, given: Option<&str>) {
    let origin = match given.map(|given| given.contains(digits)) {
        Some(true) => ", kept",
        Some(false) => ", new",
        None => "",
    };
    // Writing to a string cannot fail.
    let _ = match has_any_length {
        true => write!(masked, "<id{origin}>"),
        false => write!(masked, "<{} hex{origin}>", digits.len()),
    };
}

fn is_trace_header(name: &str) -> bool {
    CONTEXT_HEADERS.contains(&name) || OTHER_HEADERS.contains(&name)
}

/// The value; gRPC's in hex, as `traceparent` would have it.
fn text(name: &str, value: &[u8]) -> String {
    let binary = (name == BINARY).then(|| binary(value)).flatten();
    binary.unwrap_or_else(|| String::from_utf8_lossy(value).into_owned())
}

/// Version, then by number: 0 trace id, 1 span id, 2 flags.
/// Spec: <https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md>
fn binary(value: &[u8]) -> Option<String> {
    let bytes = STANDARD_NO_PAD.decode(value.trim_ascii_end().split(|byte| *byte == b'=').next()?).ok()?;
    let [version, 0, rest @ ..] = &*bytes else { return None };
    let (trace, [1, rest @ ..]) = rest.split_at_checked(16)? else { return None };
    let (span, [2, flags]) = rest.split_at_checked(8)? else { return None };
    Some(format!("{version:02x}-{}-{}-{flags:02x}", hex::encode(trace), hex::encode(span)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn ids_go_and_what_they_mean_stays() {
        let given = HeaderMap::from_pairs([
            ("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01")),
            ("x-request-id", "1111111111111111".to_owned()),
        ]);
        let given = ids(&given);
        let mut binary = vec![0, 0];
        binary.extend(hex::decode(TRACE).unwrap());
        binary.push(1);
        binary.extend([9; 8]);
        binary.extend([2, 1]);
        let binary = STANDARD_NO_PAD.encode(binary);
        for (reason, name, value, expected) in [
            (
                "a trace goes on",
                "traceparent",
                &*format!("00-{TRACE}-1111111111111111-01"),
                "00-<32 hex, kept>-<16 hex, new>-01",
            ),
            (
                "another begins",
                "b3",
                "0000000000000000000000000000000a-1111111111111111-1",
                "<32 hex, new>-<16 hex, new>-1",
            ),
            ("the length of an id is its format", "x-b3-traceid", "a3ce929d0e0e4736", "<16 hex, kept>"),
            ("flags are no ids", "x-b3-sampled", "1", "1"),
            (
                "a threshold is no id",
                "tracestate",
                "ot=th:fd70a3d70a3d71;rv:fd70a3d70a3d71",
                "ot=th:fd70a3d70a3d71;rv:<14 hex, new>",
            ),
            ("bytes are read", "grpc-trace-bin", &*binary, "00-<32 hex, kept>-<16 hex, new>-01"),
            ("other bytes are not", "grpc-trace-bin", "AA", "AA"),
            ("ids of any length", "uber-trace-id", "12345678901:abcdef123:0:1", "<id, new>:<id, new>:0:1"),
            ("no trace header", "etag", "4bf92f3577b34da6", "4bf92f3577b34da6"),
        ] {
            assert_eq!(masked(name, value.as_bytes(), Some(&given)), expected, "{reason}");
        }
        assert_eq!(masked("b3", TRACE.as_bytes(), None), "<32 hex>");
    }
}
