//! A collector in this process: OTLP over gRPC in, every span kept. Decoding is `opentelemetry-proto`'s.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::HeaderValue;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

use crate::listening::Listening;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Before each gRPC message: whether it is compressed, and four bytes of length.
const PREFIX: usize = 5;

/// A running collector; stops when dropped.
#[derive(Debug)]
pub struct Sink {
    server: Listening,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Sink {
    /// Starts on a free port of 127.0.0.1.
    pub fn start() -> Sink {
        let spans = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&spans);
        let server = Listening::start(|listener| serve(listener, theirs));
        Sink { server, spans }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Every span so far, in the order of arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no receiver panics").clone()
    }
}

impl Sink {
    /// The spans that came since it was asked last; it forgets them.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut self.spans.lock().expect("no receiver panics"))
    }
}

async fn serve(listener: TcpListener, spans: Arc<Mutex<Vec<Span>>>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let spans = Arc::clone(&spans);
        tokio::spawn(async move {
            let service = service_fn(move |request| take(request, Arc::clone(&spans)));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // The proxy may go away at any time; what it sent before counts.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    spans: Arc<Mutex<Vec<Span>>>,
) -> hyper::Result<Response<BoxBody<Bytes, Infallible>>> {
    assert_eq!(request.uri().path(), EXPORT);
    // A sender that is killed leaves half a request, of which it has promised nothing.
    let body = request.into_body().collect().await?.to_bytes();
    let export = ExportTraceServiceRequest::decode(&body[PREFIX..]).expect("an OTLP export");
    let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    spans.lock().expect("no receiver panics").extend(scopes.flat_map(|scope| scope.spans));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    // An empty message: all accepted.
    let message = Full::from(Bytes::from_static(&[0; PREFIX]));
    let message = message.with_trailers(std::future::ready(Some(Ok(trailers))));
    let head = Response::builder().header("content-type", "application/grpc");
    Ok(head.body(message.boxed()).expect("a valid response"))
}
