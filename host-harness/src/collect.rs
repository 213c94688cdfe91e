//! OTLP as the collector sees it: what a filter's callout carried, decoded, answered and turned into records.
//! Knows nothing of where spans are kept or sent.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/>
//! `POST /v1/traces` with a protobuf body → `ExportTraceServiceRequest` → one [`SpanRecord`] a span

mod decode;
mod json;
mod mend;
mod record;
pub(crate) mod scan;
mod split;

pub use decode::{CollectError, accept, decode_call, decode_http, keep_fit};
pub use json::{JsonLineError, from_json_lines, to_json_line};
pub use mend::mend_ids;
pub use record::{Direction, Event, Link, PROXY_SCOPE, SpanKind, SpanRecord, Status, records};
pub(crate) use record::{display, kind, record, service_name};
pub use scan::{Scan, ScanError, scan};
pub use split::by_trace;

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

/// Moves every timestamp, events' included, by `delta_ns`; an unset one (zero) stays unset.
pub fn shift_times(spans: &mut [ResourceSpans], delta_ns: i128) {
    let shift = |unix_nano: &mut u64| {
        if *unix_nano != 0 {
            let moved = i128::from(*unix_nano).saturating_add(delta_ns).clamp(1, i128::from(u64::MAX));
            *unix_nano = u64::try_from(moved).unwrap_or(u64::MAX);
        }
    };
    for span in each_span_mut(spans) {
        shift(&mut span.start_time_unix_nano);
        shift(&mut span.end_time_unix_nano);
        span.events.iter_mut().for_each(|event| shift(&mut event.time_unix_nano));
    }
}

/// The end of the span that ended last, in nanoseconds since the Unix epoch.
pub fn latest_end_unix_nano(spans: &[ResourceSpans]) -> Option<u64> {
    each_span(spans).map(|span| span.end_time_unix_nano).max()
}

/// How many spans there are.
pub fn span_count(spans: &[ResourceSpans]) -> u64 {
    u64::try_from(each_span(spans).count()).unwrap_or(u64::MAX)
}

pub(crate) fn each_span(spans: &[ResourceSpans]) -> impl Iterator<Item = &Span> {
    spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans)
}

fn each_span_mut(spans: &mut [ResourceSpans]) -> impl Iterator<Item = &mut Span> {
    spans.iter_mut().flat_map(|resource| &mut resource.scope_spans).flat_map(|scope| &mut scope.spans)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, span::Event};

    use super::*;

    fn spans(start: u64, event: u64, end: u64) -> Vec<ResourceSpans> {
        let span = Span {
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            events: vec![Event { time_unix_nano: event, ..Event::default() }],
            ..Span::default()
        };
        let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
        vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }]
    }

    #[test]
    fn every_timestamp_moves_and_none_wraps() {
        let cases: &[(u64, u64, i128, u64, &str)] = &[
            (100, 200, 50, 150, "later"),
            (100, 200, -50, 50, "earlier"),
            (0, 200, 50, 0, "an unset start stays unset"),
            (100, 200, -1_000, 1, "before the epoch: the first instant, never 0 = unset"),
            (100, 200, i128::MAX, u64::MAX, "beyond the last representable instant"),
        ];
        for &(start, end, delta, expected, reason) in cases {
            let mut moved = spans(start, start, end);
            shift_times(&mut moved, delta);
            let span = each_span(&moved).next().unwrap();
            assert_eq!(span.start_time_unix_nano, expected, "{reason}");
            assert_eq!(span.events[0].time_unix_nano, expected, "{reason}");
        }
        assert_eq!(latest_end_unix_nano(&spans(1, 2, 3)), Some(3));
        assert_eq!(latest_end_unix_nano(&[]), None);
        assert_eq!(span_count(&spans(1, 2, 3)), 1);
    }
}
