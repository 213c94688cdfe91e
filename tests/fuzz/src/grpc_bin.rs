//! `grpc-trace-bin`: what is written is read back, and only what has all its fields is read.

use meshspan_filter::context::{SpanContext, TraceFlags, TraceState};
use meshspan_filter::propagation::grpc_bin;

/// One header value.
pub fn check(value: &[u8]) {
    let Ok((parent, sampled)) = grpc_bin::parse(value) else { return };
    // Version, two ids with their field numbers: 27 bytes in base64.
    assert!(value.len() >= 36 && value.iter().all(u8::is_ascii));
    assert!(!parent.random);
    let span = SpanContext {
        trace_id: parent.trace_id,
        span_id: parent.span_id,
        flags: TraceFlags::new(sampled, false),
        trace_state: TraceState::default(),
    };
    let written = grpc_bin::format(&span);
    assert_eq!(grpc_bin::parse(&written), Ok((parent, sampled)));
    let padded = [written.as_slice(), b"="].concat();
    assert_eq!(grpc_bin::parse(&padded), Ok((parent, sampled)), "with padding as without");
}
