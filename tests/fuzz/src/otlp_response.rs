//! A collector's answer: read as the library of its protocol reads it, where that can.

use meshspan_filter::otlp::decode_response;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

/// The message's bytes.
pub fn check(message: &[u8]) {
    let ours = decode_response(message);
    let Ok(theirs) = ExportTraceServiceResponse::decode(message) else { return };
    let theirs = theirs.partial_success.unwrap_or_default();
    assert_eq!(ours.rejected, u64::try_from(theirs.rejected_spans).unwrap_or(0));
    assert_eq!(ours.message, theirs.error_message);
    assert!(!ours.is_foreign);
}
