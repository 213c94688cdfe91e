//! Requests that are larger than the collector takes.

use std::{convert::Infallible, sync::Arc, sync::Mutex};

use ::http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::net::TcpListener;

use super::*;

/// What the collector was sent: bytes, and spans if it took them.
type Seen = Arc<Mutex<Vec<(usize, Option<u64>)>>>;

/// A collector for OTLP/HTTP that takes requests of up to `max_bytes`, and refuses others as told.
async fn serve(max_bytes: usize, refusal: (u16, &'static str)) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let shared = Arc::clone(&seen);
    let answer = move |request: Request<Incoming>| {
        let seen = Arc::clone(&shared);
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let (bytes, request) = (body.len(), ExportTraceServiceRequest::decode(body).unwrap());
            let taken = (bytes <= max_bytes).then(|| span_count(&request.resource_spans));
            seen.lock().unwrap().push((bytes, taken));
            let (status, text) = if taken.is_some() { (200, "") } else { refusal };
            let answer = Response::builder().status(status).body(Full::new(Bytes::from(text)));
            Ok::<_, Infallible>(answer.unwrap())
        }
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(answer.clone());
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    (endpoint, seen)
}

fn large_spans(count: u8, name_bytes: usize) -> Vec<ResourceSpans> {
    let mut large = spans(count);
    for span in &mut large[0].scope_spans[0].spans {
        span.name = "n".repeat(name_bytes);
    }
    large
}

#[tokio::test]
async fn what_is_too_large_is_sent_in_halves_and_the_limit_is_kept_to() {
    for refusal in [(413, ""), (400, "http: request body too large")] {
        let (endpoint, seen) = serve(100_000, refusal).await;
        let mut exporter = Exporter::connect(config(&endpoint, Protocol::HttpProtobuf)).unwrap();
        let report = exporter.export(large_spans(64, 5_000), &mut |_| ()).await;
        assert_eq!((report.exported, report.retries), (64, 0), "{report:?}");
        let sent = std::mem::take(&mut *seen.lock().unwrap());
        let taken: Vec<u64> = sent.iter().filter_map(|(_, taken)| *taken).collect();
        assert_eq!(taken, [16, 16, 16, 16], "halves of halves");
        assert_eq!(sent.len(), 6, "of which two were too large, and no more were tried: {sent:?}");

        let report = exporter.export(large_spans(64, 5_000), &mut |_| ()).await;
        assert_eq!(report.exported, 64);
        let sent = seen.lock().unwrap().clone();
        assert!(sent.iter().all(|(_, taken)| taken.is_some()), "none is too large any more: {sent:?}");
    }
}

#[tokio::test]
async fn a_span_that_alone_is_too_large_is_dropped_alone() {
    let (endpoint, _) = serve(100_000, (413, "")).await;
    let mut mixed = large_spans(3, 100);
    mixed[0].scope_spans[0].spans[1].name = "n".repeat(200_000);
    let mut exporter = Exporter::connect(config(&endpoint, Protocol::HttpProtobuf)).unwrap();
    let report = exporter.export(mixed, &mut |_| ()).await;
    assert_eq!(report.exported, 2);
    assert_eq!(report.dropped, [("too large".to_owned(), 1)].into());
    assert!(report.failure.unwrap().what.contains("413"));
}

#[tokio::test]
async fn a_tonic_servers_limit_is_found_too() {
    let (endpoint, collector) = super::grpc::serve(vec![super::grpc::ok()]).await;
    let mut config = config(&endpoint, Protocol::Grpc);
    config.timeout = Duration::from_secs(10);
    config.max_batch_bytes = 16 << 20;
    let mut exporter = Exporter::connect(config).unwrap();
    // Beyond the 4 MiB that tonic takes.
    let report = exporter.export(large_spans(100, 60_000), &mut |_| ()).await;
    assert_eq!((report.exported, report.retries), (100, 0), "{report:?}");
    assert_eq!(collector.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn requests_are_under_way_at_once_when_one_was_taken() {
    let (endpoint, collector) = super::grpc::serve(vec![super::grpc::ok(), None]).await;
    let mut config = config(&endpoint, Protocol::Grpc);
    (config.max_batch_spans, config.max_in_flight) = (1, 3);
    config.timeout = Duration::from_secs(60);
    let mut exporter = Exporter::connect(config).unwrap();
    let flush = exporter.flush_handle();
    let exporting = tokio::spawn(async move { exporter.export(spans(9), &mut |_| ()).await });
    let deadline = Instant::now() + Duration::from_secs(10);
    while collector.requests.lock().unwrap().len() < 4 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(collector.requests.lock().unwrap().len(), 4, "one, then three at once");
    flush.flush_within(Duration::ZERO);
    let report = exporting.await.unwrap();
    assert_eq!((report.exported, report.dropped_total()), (1, 8));
}
