use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};

use super::*;
use crate::{
    collect::SpanKind,
    export::ExportFailure,
    replay::Skipped,
    view::tests::{app, inbound, outbound},
};

/// A span on the wire.
fn wire(record: SpanRecord) -> ResourceSpans {
    let text = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    let direction = record.direction.map(|direction| text("direction", direction.as_str()));
    let span = Span {
        trace_id: record.trace_id.to_vec(),
        span_id: record.span_id.to_vec(),
        parent_span_id: record.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: record.name,
        kind: if record.kind == SpanKind::Server { 2 } else { 3 },
        start_time_unix_nano: record.start.as_unix_nanos(),
        end_time_unix_nano: record.end.as_unix_nanos(),
        attributes: direction.into_iter().collect(),
        ..Span::default()
    };
    let scope = InstrumentationScope { name: record.scope, ..InstrumentationScope::default() };
    let scope = ScopeSpans { scope: Some(scope), spans: vec![span], ..ScopeSpans::default() };
    let attributes = vec![text("service.name", &record.service)];
    let resource = Resource { attributes, ..Resource::default() };
    ResourceSpans { resource: Some(resource), scope_spans: vec![scope], ..ResourceSpans::default() }
}

pub(crate) fn summary() -> Summary {
    let spans = [
        app(1, None, SpanKind::Client, 0, 500_000_000),
        outbound(2, 1, SpanKind::Server, 10, 990),
        outbound(3, 2, SpanKind::Client, 20, 980),
        inbound(4, 8, SpanKind::Server, 30, 970),
    ];
    let mut tally = Tally::new(|_| (0, 0), &[0.5]);
    tally.add(&spans.map(wire), crate::time::Timestamp::default());
    tally.finish();
    let mut stats = ReplayStats {
        exchanges: 2,
        passes: 3,
        skipped: [("unknown parent".to_owned(), Skipped { count: 7, example: String::new() })].into(),
        dropped: [("queue full".to_owned(), 1), ("never".to_owned(), 0)].into(),
        lost_context: [("web".to_owned(), 5)].into(),
        ..ReplayStats::default()
    };
    (1..=200).rev().for_each(|micros| stats.filter_time.add(Duration::from_micros(micros)));
    let export = ExportReport {
        exported: 3,
        dropped: [("HTTP 400".to_owned(), 1)].into(),
        failure: Some(ExportFailure { what: "it says no".to_owned(), advice: "ask".to_owned() }),
        ..ExportReport::default()
    };
    let shown = tally.shown().next().cloned();
    Summary::new(&stats, &tally, Some(&export), shown.as_ref())
}

#[test]
fn everything_is_counted() {
    let summary = summary();
    assert_eq!((summary.exchanges, summary.proxy_passes, summary.traces, summary.orphans), (2, 3, 1, 1));
    let spans = &summary.spans;
    assert_eq!((spans.total, spans.proxy, spans.application), (4, 3, 1));
    assert_eq!(spans.by_kind, [("client".to_owned(), 2), ("server".to_owned(), 2)].into());
    let (web, emoji) = (&spans.by_service["web"], &spans.by_service["emoji"]);
    assert_eq!((web.proxy, web.application, emoji.proxy, emoji.application), (2, 1, 1, 0));
    assert_eq!((web.spans_per_second, emoji.spans_per_second), (Some(6.0), Some(2.0)), "in half a second");
    let volume = summary.volume.unwrap();
    assert_eq!(volume.bytes, web.bytes + emoji.bytes);
    assert_eq!((volume.seconds, volume.spans_per_second), (0.5, 8.0));
    assert_eq!(volume.bytes_per_day, volume.bytes as f64 * 2.0 * 86_400.0);
    assert_eq!((summary.what_if[0].ratio, summary.what_if[0].spans), (0.5, 0), "its id is low");
    assert_eq!(summary.skipped["unknown parent"], 7);
    assert_eq!((summary.proxy_passes, summary.recorded_passes), (3, 2));
    assert_eq!(
        summary.dropped,
        [("queue full".to_owned(), 1)].into(),
        "reasons that did not occur are left out"
    );
    assert!(
        summary.lost_context[0]
            .explanation
            .starts_with("web received a trace and sent 5 requests without it")
    );
    let trace = summary.trace.unwrap();
    assert_eq!(trace.spans[1].proxy_overhead_ns, Some(20));
    assert_eq!(trace.spans[0].proxy_overhead_ns, None);
    let third = &trace.spans[2];
    assert_eq!((trace.duration_ns, third.start_offset_ns, third.depth), (500_000_000, 20, 2));
}

#[test]
fn what_the_filter_did_is_taken_from_the_replay() {
    let stats = ReplayStats {
        local_replies: 1,
        not_sent: 2,
        pauses: 3,
        held: 4,
        vms_lost: 5,
        ..ReplayStats::default()
    };
    let filter = Summary::new(&stats, &Tally::new(|_| (0, 0), &[]), None, None).filter;
    let expected = FilterDeeds { answered: 1, not_sent: 2, held: 3, held_too_long: 4, vms_lost: 5 };
    assert_eq!(filter, expected);
}

#[test]
fn percentiles_have_three_figures() {
    let time = summary().filter_time_per_pass.unwrap();
    for (found, expected) in [(time.p50_ns, 100_000), (time.p90_ns, 180_000), (time.p99_ns, 198_000)] {
        assert!((expected..expected + expected / 1_000).contains(&found), "{time:?}");
    }
    assert_eq!(filter_time(&Times::default()), None);
}

#[test]
fn the_document_carries_its_version_and_its_units() {
    let json = serde_json::to_value(summary()).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["export"]["failure"], "it says no; ask");
    assert_eq!(json["export"]["dropped"]["HTTP 400"], 1);
    assert_eq!(json["trace"]["spans"][1]["direction"], "outbound");
    let none =
        serde_json::to_value(Summary::new(&ReplayStats::default(), &Tally::new(|_| (0, 0), &[]), None, None))
            .unwrap();
    assert!(none["volume"].is_null());
    assert!(none["export"].is_null() && none["trace"].is_null() && none["filter_time_per_pass"].is_null());
}
