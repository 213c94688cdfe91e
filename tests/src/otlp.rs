//! A sender of OTLP over gRPC, as busy as it is told to be, and made-up spans for it to send.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::net::TcpStream;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A connection to a receiver on 127.0.0.1; its clones share it.
#[derive(Clone, Debug)]
pub struct Sender(http2::SendRequest<Full<Bytes>>);

impl Sender {
    /// Connects, within a runtime; `None` if nobody listens.
    pub async fn connect(port: u16) -> Option<Sender> {
        let socket = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        socket.set_nodelay(true).ok()?;
        let mut client = http2::Builder::new(TokioExecutor::new());
        let handshake = client.max_frame_size(1 << 20).handshake(TokioIo::new(socket)).await;
        let (sender, connection) = handshake.ok()?;
        tokio::spawn(connection);
        Some(Sender(sender))
    }

    /// Sends a message, framed; its status, or `None` if the connection broke.
    pub async fn send(&mut self, framed: Bytes) -> Option<String> {
        let request = Request::post(format!("http://127.0.0.1{EXPORT}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(framed))
            .expect("a valid request");
        self.0.ready().await.ok()?;
        let answer = self.0.send_request(request).await.ok()?;
        let head = answer.headers().clone();
        let body = answer.into_body().collect().await.ok()?;
        let trailers = body.trailers().cloned().unwrap_or(head);
        Some(trailers.get("grpc-status")?.to_str().ok()?.to_owned())
    }
}

/// A message as gRPC sends it, uncompressed.
pub fn framed(request: &ExportTraceServiceRequest) -> Bytes {
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).expect("less than 4 GiB").to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}

/// Spans, below a resource and a scope.
pub fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource { attributes: vec![text("service.name", "web")], ..Resource::default() };
    let scope = InstrumentationScope { name: "load".to_owned(), ..InstrumentationScope::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

/// A span of that number, at least 1, without attributes.
pub fn span(trace: u128, number: u64) -> Span {
    let start_time_unix_nano = 1_795_323_600_000_000_000 + number * 1_000;
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        name: "GET /api/list".to_owned(),
        kind: 2,
        start_time_unix_nano,
        end_time_unix_nano: start_time_unix_nano + 750_000,
        ..Span::default()
    }
}

/// The same with what a web server says of a request.
pub fn rich_span(trace: u128, number: u64) -> Span {
    let attributes = vec![
        text("http.request.method", "GET"),
        text("url.path", "/api/list"),
        text("url.scheme", "http"),
        text("server.address", "web-svc.emojivoto"),
        number_attribute("server.port", 80),
        number_attribute("http.response.status_code", 200),
        text("network.protocol.version", "1.1"),
        text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
    ];
    Span { attributes, ..span(trace, number) }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number_attribute(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
