//! The exporter against real loopback servers that answer by script.

mod grpc;
mod http;
mod sizes;
mod tls;

use std::time::SystemTime;

use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};

use super::*;

/// Waits short enough for tests; the attempts are those of the default.
fn config(endpoint: &str, protocol: Protocol) -> ExporterConfig {
    let flags = ExportFlags {
        endpoint: Some(endpoint.to_owned()),
        protocol: Some(protocol),
        ..ExportFlags::default()
    };
    let config = ExporterConfig::resolve(&flags, &|_| None, || SystemTime::UNIX_EPOCH);
    let mut config = config.unwrap().unwrap();
    config.timeout = Duration::from_millis(300);
    config.retry = RetryPolicy {
        initial_backoff: Duration::from_millis(2),
        max_backoff: Duration::from_millis(5),
        ..RetryPolicy::default()
    };
    config
}

fn spans(count: u8) -> Vec<ResourceSpans> {
    let spans = (1..=count)
        .map(|id| Span {
            trace_id: vec![1; 16],
            span_id: vec![id; 8],
            name: "GET".to_owned(),
            ..Span::default()
        })
        .collect();
    let scope = ScopeSpans { spans, ..ScopeSpans::default() };
    vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }]
}

async fn export(config: ExporterConfig, count: u8) -> ExportReport {
    let mut settled = 0;
    let mut exporter = Exporter::connect(config).unwrap();
    let report = exporter.export(spans(count), &mut |spans| settled += spans).await;
    assert_eq!(settled, u64::from(count), "progress ends at the number of spans");
    let total = report.exported + report.rejected + report.dropped_total();
    assert_eq!(total, u64::from(count), "every span is counted once: {report:?}");
    report
}

/// An address at which nothing listens.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_dead_collector_costs_one_round_of_retries_not_one_a_request() {
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let endpoint = format!("http://127.0.0.1:{}", closed_port());
        let config = ExporterConfig { max_batch_spans: 1, ..config(&endpoint, protocol) };
        let report = export(config, 10).await;
        assert_eq!(report.dropped, [("connection failed".to_owned(), 10)].into(), "{report:?}");
        assert_eq!(report.retries, 4, "five attempts for the first request, one for each of the others");
        assert!(report.unreachable);
        let failure = report.failure.unwrap().to_string();
        for part in [&endpoint, "refused", "check that a collector listens there", "(tried 5 times)"] {
            assert!(failure.contains(part), "{failure} lacks {part}");
        }
    }
}

#[tokio::test]
async fn a_span_too_large_for_any_request_is_counted() {
    let endpoint = format!("http://127.0.0.1:{}", closed_port());
    let report =
        export(ExporterConfig { max_batch_bytes: 10, ..config(&endpoint, Protocol::HttpProtobuf) }, 2).await;
    assert_eq!(report.dropped, [("too large".to_owned(), 2)].into());
    assert!(!report.unreachable, "nothing was sent");
}
