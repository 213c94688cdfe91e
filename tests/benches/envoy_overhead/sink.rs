//! The collector of every variant: OTLP over gRPC in, spans counted by `service.name`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::thread;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::HeaderValue;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use meshspan_tests::wait;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use tokio::net::TcpListener;

/// Flag and length before a gRPC message.
const GRPC_PREFIX: usize = 5;

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// A running collector; ends with this process.
pub(crate) struct Sink {
    port: u16,
    counts: Counts,
}

impl Sink {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start() -> Sink {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let counts = Counts::default();
        let theirs = Arc::clone(&counts);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, theirs));
        });
        Sink { port, counts }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until the service has sent so many spans in all; panics when there are more, or not enough in time.
    pub(crate) fn wait_for(&self, service: &str, expected: usize) {
        let count = || self.counts.lock().expect("no counter panics").get(service).copied().unwrap_or(0);
        wait::until(&format!("{expected} spans of {service}"), || (count() >= expected).then_some(()));
        assert_eq!(count(), expected, "spans of {service}");
    }
}

async fn serve(listener: std::net::TcpListener, counts: Counts) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&counts)));
            // An Envoy that ends breaks its connection.
            let _ = auto::Builder::new(TokioExecutor::new())
                .http2_only()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    counts: Counts,
) -> hyper::Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let export = ExportTraceServiceRequest::decode(&body[GRPC_PREFIX..]).expect("an OTLP export");
    for resource in &export.resource_spans {
        let spans: usize = resource.scope_spans.iter().map(|scope| scope.spans.len()).sum();
        *counts.lock().expect("no counter panics").entry(service(resource)).or_default() += spans;
    }
    let trailers = HeaderMap::from_iter([(
        hyper::http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    // An empty message: all was accepted.
    let message = Full::from(Bytes::from_static(&[0; GRPC_PREFIX]));
    let body = message.with_trailers(std::future::ready(Some(Ok(trailers))));
    let head = Response::builder().header("content-type", "application/grpc");
    Ok(head.body(body).expect("a valid response"))
}

fn service(resource: &ResourceSpans) -> String {
    let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
    let name =
        attributes.filter(|attribute| attribute.key == "service.name").find_map(|attribute| match attribute
            .value
            .as_ref()?
            .value
            .as_ref()?
        {
            Value::StringValue(name) => Some(name.clone()),
            _ => None,
        });
    name.expect("every variant names its service")
}
