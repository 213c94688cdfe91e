use super::*;
use crate::{
    collect::SpanKind,
    export::ExportFailure,
    view::{
        tests::{app, inbound, outbound},
        traces,
    },
};

pub(crate) fn summary() -> Summary {
    let traces = traces(vec![
        app(1, None, SpanKind::Client, 0, 1_000),
        outbound(2, 1, SpanKind::Server, 10, 990),
        outbound(3, 2, SpanKind::Client, 20, 980),
        inbound(4, 8, SpanKind::Server, 30, 970),
    ]);
    let stats = ReplayStats {
        exchanges: 2,
        passes: 3,
        filter_time: (1..=200).rev().map(Duration::from_micros).collect(),
        dropped: [("queue full".to_owned(), 1), ("never".to_owned(), 0)].into(),
        lost_context: [("web".to_owned(), 5)].into(),
        ..ReplayStats::default()
    };
    let export = ExportReport {
        exported: 3,
        dropped: [("HTTP 400".to_owned(), 1)].into(),
        failure: Some(ExportFailure { what: "it says no".to_owned(), advice: "ask".to_owned() }),
        ..ExportReport::default()
    };
    Summary::new(&stats, &traces, Some(&export), traces.first())
}

#[test]
fn everything_is_counted() {
    let summary = summary();
    assert_eq!((summary.exchanges, summary.proxy_passes, summary.traces, summary.orphans), (2, 3, 1, 1));
    let spans = &summary.spans;
    assert_eq!((spans.total, spans.proxy, spans.application), (4, 3, 1));
    assert_eq!(spans.by_kind, [("client".to_owned(), 2), ("server".to_owned(), 2)].into());
    assert_eq!(spans.by_service["web"], ServiceSpans { proxy: 2, application: 1 });
    assert_eq!(spans.by_service["emoji"], ServiceSpans { proxy: 1, application: 0 });
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
    assert_eq!((trace.duration_ns, trace.spans[2].start_offset_ns, trace.spans[2].depth), (1_000, 20, 2));
}

#[test]
fn percentiles_are_by_nearest_rank() {
    assert_eq!(summary().filter_time_per_pass, Some(FilterTime { p50_ns: 100_000, p99_ns: 198_000 }));
    let one = filter_time(&[Duration::from_nanos(7)]);
    assert_eq!(one, Some(FilterTime { p50_ns: 7, p99_ns: 7 }));
    assert_eq!(filter_time(&[]), None);
}

#[test]
fn the_document_carries_its_version_and_its_units() {
    let json = serde_json::to_value(summary()).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["export"]["failure"], "it says no; ask");
    assert_eq!(json["export"]["dropped"]["HTTP 400"], 1);
    assert_eq!(json["filter_time_per_pass"]["p50_ns"], 100_000);
    assert_eq!(json["trace"]["spans"][1]["direction"], "outbound");
    let none = serde_json::to_value(Summary::new(&ReplayStats::default(), &[], None, None)).unwrap();
    assert!(none["export"].is_null() && none["trace"].is_null() && none["filter_time_per_pass"].is_null());
}
