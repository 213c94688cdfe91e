mod connections;
mod grpc;
mod http;

use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};

use prost::Message as _;

use super::*;
use crate::collect::span_count;
use crate::store::StoreOptions;

fn store() -> Store {
    Store::in_memory(StoreOptions::default()).unwrap()
}

fn receiver(store: &Store) -> Receiver {
    Receiver::new(store.clone(), ReceiverOptions::default())
}

fn span(id: u8) -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![id; 8], name: "GET".to_owned(), ..Span::default() }
}

/// Spans that differ from one another; the one with 0 is unfit.
fn request(ids: std::ops::Range<u8>) -> ExportTraceServiceRequest {
    let scope = ScopeSpans { spans: ids.map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

fn kept(store: &Store) -> u64 {
    store.trace([1; 16]).unwrap().map_or(0, |spans| span_count(&spans))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A request's headers.
type Headers = &'static [(&'static str, &'static str)];

/// An answer: status, headers, body, trailers.
struct Answer {
    status: u16,
    headers: hyper::HeaderMap,
    body: Vec<u8>,
    trailers: hyper::HeaderMap,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status that gRPC's trailers, or headers, say.
    fn grpc(&self) -> tonic::Status {
        let place = if self.trailers.is_empty() { &self.headers } else { &self.trailers };
        tonic::Status::from_header_map(place).unwrap()
    }
}

async fn ask(receiver: &Receiver, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body.to_vec())).unwrap();
    let (head, body) = receiver.answer(request).await.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes().to_vec(), trailers }
}

#[tokio::test]
async fn every_span_is_in_exactly_one_counter() {
    let store = store();
    let receiver = receiver(&store);
    let post = |body: Vec<u8>| {
        let receiver = receiver.clone();
        async move {
            let json = [("content-type", "application/json")];
            ask(&receiver, "POST", "/v1/traces", &json, &body).await.status
        }
    };
    assert_eq!(post(serde_json::to_vec(&request(1..4)).unwrap()).await, 200);
    assert_eq!(post(serde_json::to_vec(&request(0..3)).unwrap()).await, 200);
    assert_eq!(post(b"{".to_vec()).await, 400);
    let metrics = receiver.metrics();
    assert_eq!((metrics.stored(), metrics.rejected(), metrics.failed()), (5, 1, 0));
    assert_eq!(metrics.requests(), [("accepted", 1), ("partial", 1), ("malformed", 1)].into());
    assert_eq!(store.stats().unwrap().received, 5);
    assert_eq!(receiver.memory_bytes(), 0, "all memory is given back");

    let text = exposition(&receiver, &store.stats().unwrap());
    for line in [
        "meshspan_receiver_requests_total{protocol=\"http\",outcome=\"partial\"} 1",
        "meshspan_receiver_spans_total{outcome=\"stored\"} 5",
        "meshspan_receiver_spans_total{outcome=\"rejected\"} 1",
        "meshspan_receiver_request_bytes_count 3",
        "meshspan_receiver_store_seconds_count 2",
        "meshspan_store_received_spans_total 5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn without_memory_the_sender_is_asked_to_come_again() {
    let store = store();
    let options = ReceiverOptions { max_memory_bytes: 20_000, ..ReceiverOptions::default() };
    let receiver = Receiver::new(store.clone(), options);
    let body = request(1..2).encode_to_vec();
    let protobuf = ("content-type", "application/x-protobuf");
    assert_eq!(ask(&receiver, "POST", "/v1/traces", &[protobuf], &body).await.status, 200);
    // Unpacked, it is more than there is.
    let bomb = gzip(&vec![0; 1 << 20]);
    let answer = ask(&receiver, "POST", "/v1/traces", &[protobuf, ("content-encoding", "gzip")], &bomb).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
    assert_eq!(receiver.memory_bytes(), 0);
    assert_eq!(kept(&store), 1);
}
