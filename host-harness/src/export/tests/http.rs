use std::{
    io::Read,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::*;

/// What the server does with the next request.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Answers: status line's rest, further headers, body.
    Answer(&'static str, &'static str, Vec<u8>),
    /// Closes the connection without a word.
    Close,
    /// Says nothing.
    Hang,
}

pub(super) const OK: Step = Step::Answer("200 OK", "content-type: application/x-protobuf\r\n", Vec::new());

fn partial(rejected_spans: i64, message: &str) -> Step {
    let partial = ExportTracePartialSuccess { rejected_spans, error_message: message.to_owned() };
    let response = ExportTraceServiceResponse { partial_success: Some(partial) };
    Step::Answer("200 OK", "content-type: application/x-protobuf\r\n", response.encode_to_vec())
}

#[derive(Default)]
pub(super) struct Server {
    steps: Vec<Step>,
    /// Head in lower case, and body.
    pub(super) requests: Vec<(String, Vec<u8>)>,
}

pub(super) type Shared = Arc<Mutex<Server>>;

/// A server that goes through `steps`, the last one for ever.
pub(super) async fn serve(steps: &[Step]) -> (String, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = Shared::new(Mutex::new(Server { steps: steps.to_vec(), requests: Vec::new() }));
    let shared = server.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, shared.clone()));
        }
    });
    (endpoint, server)
}

async fn connection(mut stream: TcpStream, server: Shared) {
    while let Some(request) = read_request(&mut stream).await {
        let step = {
            let mut server = server.lock().unwrap();
            server.requests.push(request);
            if server.steps.len() > 1 { server.steps.remove(0) } else { server.steps[0].clone() }
        };
        match step {
            Step::Close => return,
            Step::Hang => std::future::pending().await,
            Step::Answer(status, headers, body) => {
                let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    Some((head, body))
}

async fn run(steps: &[Step], count: u8) -> (ExportReport, Shared) {
    let (endpoint, server) = serve(steps).await;
    (export(config(&endpoint, Protocol::HttpProtobuf), count).await, server)
}

#[tokio::test]
async fn rule_42_spans_are_posted_to_v1_traces() {
    for compression in [Compression::None, Compression::Gzip] {
        let (endpoint, server) = serve(&[OK]).await;
        let mut config = ExporterConfig { compression, ..config(&endpoint, Protocol::HttpProtobuf) };
        config.headers.insert("x-tenant", "t1".parse().unwrap());
        assert_eq!(export(config, 3).await.exported, 3);
        let (head, body) = server.lock().unwrap().requests[0].clone();
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
        assert!(head.contains("user-agent: meshspan/"), "{head}");
        assert!(head.contains(" otel-otlp-exporter-rust/"), "{head}");
        assert!(head.contains("x-tenant: t1\r\n"), "{head}");
        let gzip = compression == Compression::Gzip;
        assert_eq!(head.contains("content-encoding: gzip\r\n"), gzip, "{head}");
        let mut plain = Vec::new();
        if gzip {
            flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).unwrap();
        } else {
            plain = body;
        }
        let request = ExportTraceServiceRequest::decode(plain.as_slice()).unwrap();
        assert_eq!(request.resource_spans, spans(3));
    }
}

#[tokio::test]
async fn rule_41_only_the_retryable_are_tried_again() {
    for (step, attempts, exported, reason) in [
        (Step::Answer("429 Too Many Requests", "", vec![]), 2, 2, ""),
        (Step::Answer("502 Bad Gateway", "", vec![]), 2, 2, ""),
        (Step::Answer("503 Service Unavailable", "retry-after: 0\r\n", vec![]), 2, 2, ""),
        (
            Step::Answer("504 Gateway Timeout", "retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n", vec![]),
            2,
            2,
            "",
        ),
        (Step::Close, 2, 2, ""),
        (Step::Hang, 2, 2, ""),
        (Step::Answer("503 Service Unavailable", "retry-after: 31\r\n", vec![]), 1, 0, "HTTP 503"),
        (Step::Answer("400 Bad Request", "", vec![]), 1, 0, "HTTP 400"),
        (Step::Answer("401 Unauthorized", "", vec![]), 1, 0, "HTTP 401"),
        (Step::Answer("404 Not Found", "", vec![]), 1, 0, "HTTP 404"),
        (Step::Answer("500 Internal Server Error", "", vec![]), 1, 0, "HTTP 500"),
        (Step::Answer("301 Moved Permanently", "location: /\r\n", vec![]), 1, 0, "HTTP 301"),
        (
            Step::Answer("200 OK", "content-type: text/html\r\n", b"<html>".to_vec()),
            1,
            0,
            "not an OTLP answer",
        ),
        (
            Step::Answer("200 OK", "content-type: application/x-protobuf\r\n", vec![255; 9]),
            1,
            0,
            "not an OTLP answer",
        ),
        (Step::Answer("200 OK", "content-type: application/json\r\n", b"{}".to_vec()), 1, 2, ""),
        (Step::Answer("202 Accepted", "", vec![]), 1, 2, ""),
    ] {
        let (report, server) = run(&[step.clone(), OK], 2).await;
        assert_eq!(report.exported, exported, "{step:?}: {report:?}");
        assert_eq!(server.lock().unwrap().requests.len(), attempts, "{step:?}: {report:?}");
        assert_eq!(report.dropped.keys().next().map_or("", String::as_str), reason, "{step:?}");
        assert!(!report.unreachable, "{step:?}");
    }
}

#[tokio::test]
async fn rule_41_retry_after_is_kept_to() {
    let started = Instant::now();
    let (report, _) =
        run(&[Step::Answer("429 Too Many Requests", "retry-after: 1\r\n", vec![]), OK], 1).await;
    assert_eq!((report.exported, report.retries), (1, 1));
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn rule_39_partial_success_is_counted_and_never_retried() {
    let (report, server) = run(&[partial(2, "bad ids"), OK], 5).await;
    assert_eq!((report.exported, report.rejected, report.retries), (3, 2, 0));
    assert_eq!(report.warnings, ["the collector says: bad ids"]);
    assert_eq!(server.lock().unwrap().requests.len(), 1);

    let (report, _) = run(&[partial(0, "use https")], 5).await;
    assert_eq!((report.exported, report.rejected), (5, 0), "none rejected: a warning alone");
    assert_eq!(report.warnings, ["the collector says: use https"]);

    let (report, _) = run(&[partial(99, "")], 5).await;
    assert_eq!((report.exported, report.rejected), (0, 5), "no more are rejected than were sent");
}

#[tokio::test]
async fn rule_41_retries_end() {
    let (report, server) = run(&[Step::Answer("503 Service Unavailable", "", b"full".to_vec())], 2).await;
    assert_eq!(report.dropped, [("HTTP 503".to_owned(), 2)].into());
    assert_eq!(server.lock().unwrap().requests.len(), 5);
    let failure = report.failure.unwrap().what;
    assert!(failure.contains("answered 503 Service Unavailable: \"full\""), "{failure}");
    assert!(failure.ends_with("(tried 5 times)"), "{failure}");
}

#[tokio::test]
async fn rule_44_a_silent_collector_times_out() {
    let (report, _) = run(&[Step::Hang], 1).await;
    assert_eq!(report.dropped, [("timed out".to_owned(), 1)].into());
    assert!(report.unreachable);
    assert!(report.failure.unwrap().what.contains("did not answer within 300 ms"));
}

#[tokio::test]
async fn the_message_of_a_refusal_is_shown() {
    let status = tonic_types::Status { code: 3, message: "span without id".to_owned(), details: vec![] };
    let step =
        Step::Answer("400 Bad Request", "content-type: application/x-protobuf\r\n", status.encode_to_vec());
    let (report, _) = run(&[step], 1).await;
    let failure = report.failure.unwrap().what;
    assert!(failure.contains("/v1/traces answered 400 Bad Request: \"span without id\""), "{failure}");
}

#[tokio::test]
async fn a_flush_ends_the_export_and_counts_what_is_left() {
    let (endpoint, _) = serve(&[OK, Step::Hang]).await;
    let config = ExporterConfig {
        max_batch_spans: 1,
        timeout: Duration::from_secs(60),
        ..config(&endpoint, Protocol::HttpProtobuf)
    };
    let mut exporter = Exporter::connect(config).unwrap();
    let flush = exporter.flush_handle();
    tokio::spawn(async move {
        sleep(Duration::from_millis(100)).await;
        flush.flush_within(Duration::from_millis(100));
        flush.flush_within(Duration::from_secs(60));
    });
    let report = exporter.export(spans(4), &mut |_| ()).await;
    assert_eq!(report.exported, 1);
    assert_eq!(report.dropped, [("interrupted".to_owned(), 3)].into(), "and the first flush counts");
}

#[tokio::test]
async fn json_is_posted_and_its_answers_are_understood() {
    let json = |status, body: &str| {
        Step::Answer(status, "content-type: application/json; charset=utf-8\r\n", body.as_bytes().to_vec())
    };
    for compression in [Compression::None, Compression::Gzip] {
        let (endpoint, server) = serve(&[
            json("200 OK", r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"bad ids"}}"#),
            json("200 OK", r#"{"partialSuccess":{"rejectedSpans":1}}"#),
            json("400 Bad Request", r#"{"code":3,"message":"span without id"}"#),
            json("200 OK", "[]"),
        ])
        .await;
        let config = ExporterConfig { compression, ..config(&endpoint, Protocol::HttpJson) };
        let report = export(config.clone(), 3).await;
        assert_eq!((report.exported, report.rejected), (1, 2), "64-bit integers are strings");
        assert_eq!(report.warnings, ["the collector says: bad ids"]);
        assert_eq!(export(config.clone(), 3).await.rejected, 1, "or numbers, with some");
        let failure = export(config.clone(), 3).await.failure.unwrap().what;
        assert!(failure.contains("400 Bad Request: \"span without id\""), "{failure}");
        assert_eq!(export(config, 3).await.dropped, [("not an OTLP answer".to_owned(), 3)].into());

        let (head, body) = server.lock().unwrap().requests[0].clone();
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        let mut plain = Vec::new();
        match compression {
            Compression::Gzip => {
                flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).unwrap();
            }
            Compression::None => plain = body,
        }
        let request: ExportTraceServiceRequest = serde_json::from_slice(&plain).unwrap();
        assert_eq!(request.resource_spans, spans(3));
    }
}
