//! Requests to the receiver: an answer of the protocol, all memory given back, every span of a request that was
//! taken in exactly one counter, and no span of another.

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use meshspan::receive::{Receiver, ReceiverOptions};
use meshspan::store::{Store, StoreOptions};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::runtime::{Builder, Runtime};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The largest request, and the most memory for it.
const MAX_REQUEST: usize = 1 << 20;
const MAX_MEMORY: usize = 8 << 20;

/// HTTP's answers to a request for spans.
const STATUSES: [u16; 6] = [200, 400, 413, 415, 429, 503];

struct Running {
    runtime: Runtime,
    receiver: Receiver,
}

/// One for all inputs, and one input at a time.
fn running() -> &'static Mutex<Running> {
    static RUNNING: OnceLock<Mutex<Running>> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let bounds = StoreOptions { max_bytes: 8 << 20, ..StoreOptions::default() };
        let store = Store::in_memory(bounds).expect("a store");
        let options = ReceiverOptions {
            max_request_bytes: MAX_REQUEST,
            max_memory_bytes: MAX_MEMORY,
            ..ReceiverOptions::default()
        };
        Mutex::new(Running { runtime, receiver: Receiver::new(store, options) })
    })
}

/// Words on a line of their own, then a body. The words: `grpc`, or HTTP's content type, `protobuf` and `json`
/// for short; `gzip` packs the body, `zipped` says that it is packed; `raw` leaves gRPC's prefix to the input.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let line = String::from_utf8_lossy(&input[..end]).into_owned();
    let words: Vec<&str> = line.split_whitespace().collect();
    let message = input.get(end + 1..).unwrap_or_default();
    let is_grpc = words.contains(&"grpc");
    let running = running().lock().unwrap_or_else(PoisonError::into_inner);
    let counts = || {
        let metrics = running.receiver.metrics();
        (metrics.stored(), metrics.rejected(), metrics.failed())
    };
    let before = counts();
    let Some(request) = request(&words, message) else { return };
    let answer = running.runtime.block_on(running.receiver.answer(request));
    let status = answer.status().as_u16();
    let head = answer.headers().clone();
    let body = running.runtime.block_on(answer.into_body().collect()).expect("an answer's body");
    let trailers = body.trailers().cloned().unwrap_or_default();
    assert_eq!(running.receiver.memory_bytes(), 0, "memory is given back");
    let after = counts();
    let [stored, rejected, failed] = [after.0 - before.0, after.1 - before.1, after.2 - before.2];
    assert_eq!(failed, 0, "the store takes what was found valid");
    let is_taken = if is_grpc {
        assert_eq!(status, 200);
        code(if trailers.is_empty() { &head } else { &trailers }) == 0
    } else {
        assert!(STATUSES.contains(&status), "{status}");
        status == 200
    };
    if !is_taken {
        assert_eq!((stored, rejected), (0, 0), "of what is refused nothing is kept");
    } else if !words.contains(&"zipped") && !words.contains(&"raw") {
        assert_eq!(stored + rejected, spans(&words, message), "every span is counted");
    }
}

/// `None` if no HTTP library would send it.
fn request(words: &[&str], message: &[u8]) -> Option<Request<Full<Bytes>>> {
    let has = |word| words.contains(&word);
    let mut body = if has("gzip") { packed(message) } else { message.to_vec() };
    let is_packed = has("gzip") || has("zipped");
    let (path, content_type, encoding) = if has("grpc") {
        if !has("raw") {
            let length = u32::try_from(body.len()).ok()?.to_be_bytes();
            body = [&[u8::from(is_packed)], &length[..], &body].concat();
        }
        (EXPORT, "application/grpc", "grpc-encoding")
    } else {
        let content_type = match words.first() {
            Some(&"protobuf") => "application/x-protobuf",
            Some(&"json") => "application/json",
            other => other.copied().unwrap_or_default(),
        };
        ("/v1/traces", content_type, "content-encoding")
    };
    let mut request = Request::post(path).header("content-type", content_type);
    if is_packed {
        request = request.header(encoding, "gzip");
    }
    request.body(Full::from(body)).ok()
}

fn packed(message: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(message).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn code(headers: &HeaderMap) -> u8 {
    let code = headers.get("grpc-status").expect("every answer of gRPC has a status");
    code.to_str().ok().and_then(|code| code.parse().ok()).expect("a number")
}

/// How many spans a message has, as the library of its protocol reads it.
fn spans(words: &[&str], message: &[u8]) -> u64 {
    let is_json = !words.contains(&"grpc") && words.first() != Some(&"protobuf");
    let request = if is_json && words.first() != Some(&"application/x-protobuf") {
        serde_json::from_slice(message).expect("JSON that was taken")
    } else {
        ExportTraceServiceRequest::decode(message).expect("a message that was taken")
    };
    meshspan::collect::span_count(&request.resource_spans)
}
