//! `traceparent`: exactly what the grammar takes is taken, and what is written is read back.

use meshspan_filter::context::{SpanContext, TraceState};
use meshspan_filter::propagation::w3c;

/// One header value.
pub fn check(value: &[u8]) {
    let parsed = w3c::parse(value);
    assert_eq!(parsed.is_ok(), is_valid(value), "{parsed:?}");
    let Ok((trace_id, span_id, flags)) = parsed else { return };
    assert!(flags.as_byte() <= 3, "only known flags");
    let span = SpanContext { trace_id, span_id, flags, trace_state: TraceState::default() };
    let written = w3c::format(&span);
    assert!(written.starts_with(b"00-"));
    assert_eq!(w3c::parse(&written), Ok((trace_id, span_id, flags)));
    assert_eq!(written[3..52], value[3..52], "ids are as they came");
}

/// The grammar once more, by fields instead of places.
fn is_valid(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value.get(..55).unwrap_or_default()) else { return false };
    let rest = value.get(55..).unwrap_or_default();
    let fields: Vec<&str> = text.split('-').collect();
    let hex = |field: &str, len| {
        field.len() == len && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some_bit = |field: &str| field.bytes().any(|byte| byte != b'0');
    let [version, trace_id, span_id, flags] = fields[..] else { return false };
    hex(version, 2)
        && version != "ff"
        && hex(trace_id, 32)
        && some_bit(trace_id)
        && hex(span_id, 16)
        && some_bit(span_id)
        && hex(flags, 2)
        && (rest.is_empty() || version != "00" && rest.starts_with(b"-"))
}
