//! A collector that fails as it is told to: OTLP over gRPC and over HTTP on one port.
//! It remembers every span and what became of it; what it tells is never tidied up for the test.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/>

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::process::free_port;
use crate::wait;

/// How the collector treats connections and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes everything.
    Accept,
    /// Listens not at all.
    Down,
    /// Closes each connection with a reset at its first bytes.
    Reset,
    /// Answers bytes that are no HTTP.
    NotHttp,
    /// Fails each gRPC call with a status.
    GrpcStatus(u32),
    /// Answers each HTTP request with a status, and perhaps a `Retry-After`.
    HttpStatus(u16, Option<&'static str>),
    /// Takes everything, but answers only after a while.
    Slow(Duration),
    /// Answers with success and a body that is no protobuf, in gRPC as a well-formed message.
    NotProtobuf,
    /// Answers with success and a body that is no gRPC message either.
    NotFramed,
    /// Takes all but some spans of each request, and says so.
    RejectSome(u32),
}

/// What arrived.
#[derive(Debug, Default)]
struct Received {
    requests: usize,
    all: Vec<Arrived>,
    accepted: Vec<Arrived>,
}

/// A span that has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// `service.name` of its resource.
    pub service: String,
    /// The span.
    pub span: Span,
}

/// A running collector; stops when dropped.
#[derive(Debug)]
pub struct FaultyCollector {
    port: u16,
    behaviour: watch::Sender<Behaviour>,
    received: Arc<Mutex<Received>>,
}

impl FaultyCollector {
    /// Starts on a free port of 127.0.0.1.
    pub fn start(behaviour: Behaviour) -> FaultyCollector {
        let (port, (sender, receiver)) = (free_port(), watch::channel(behaviour));
        let received = Arc::<Mutex<Received>>::default();
        let theirs = Arc::clone(&received);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(port, receiver, theirs));
        });
        let collector = FaultyCollector { port, behaviour: sender, received };
        collector.wait_for_port();
        collector
    }

    /// Behaves so from now on; connections that are open are reset.
    pub fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send(behaviour).expect("the collector runs");
        self.wait_for_port();
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Export requests so far, of whatever outcome.
    pub fn requests(&self) -> usize {
        self.received.lock().expect("no handler panics").requests
    }

    /// The spans that it answered for with success, in order of arrival. One that was sent twice is here
    /// twice; those of a request that it took in part are all here.
    pub fn accepted(&self) -> Vec<Arrived> {
        self.received.lock().expect("no handler panics").accepted.clone()
    }

    /// The same, each once: panics where one arrived twice.
    pub fn accepted_once(&self) -> Vec<Arrived> {
        let all = self.accepted();
        let unique: BTreeSet<_> = all.iter().map(|one| &one.span.span_id).collect();
        assert_eq!(unique.len(), all.len(), "spans arrived twice");
        all
    }

    /// Every span that came in a whole request, whatever the collector answered, as often as it came.
    pub fn received(&self) -> Vec<Arrived> {
        self.received.lock().expect("no handler panics").all.clone()
    }

    /// What [`FaultyCollector::accepted_once`] gives, since it was asked last; forgets all that came.
    pub fn take(&self) -> Vec<Arrived> {
        let all = self.accepted_once();
        *self.received.lock().expect("no handler panics") = Received::default();
        all
    }

    fn wait_for_port(&self) {
        let up = *self.behaviour.borrow() != Behaviour::Down;
        wait::until("the collector's port to open or to close", || {
            (TcpStream::connect(("127.0.0.1", self.port)).is_ok() == up).then_some(())
        });
    }
}

async fn serve(port: u16, mut behaviour: watch::Receiver<Behaviour>, received: Arc<Mutex<Received>>) {
    loop {
        let now = *behaviour.borrow_and_update();
        let change = async { behaviour.changed().await.is_ok() };
        let goes_on = match now {
            Behaviour::Down => change.await,
            _ => tokio::select! {
                () = listen(port, now, &received) => false,
                goes_on = change => goes_on,
            },
        };
        if !goes_on {
            return;
        }
    }
}

/// Accepts connections until it is dropped, and all of them with it.
async fn listen(port: u16, behaviour: Behaviour, received: &Arc<Mutex<Received>>) {
    let listener = loop {
        // Somebody's outgoing connection may have the port for a moment.
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((mut socket, _)) = listener.accept().await else { continue };
        // Whoever is connected when the behaviour changes gets a reset instead of an end.
        socket.set_zero_linger().expect("a socket option");
        let received = Arc::clone(received);
        connections.spawn(async move {
            match behaviour {
                Behaviour::Reset => {
                    let _ = socket.read(&mut [0; 16]).await;
                }
                Behaviour::NotHttp => {
                    let _ = socket.read(&mut [0; 16]).await;
                    let _ = socket.write_all(b"220 mail.test ESMTP\r\n502 what?\r\n").await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => {
                    let service =
                        service_fn(move |request| answer(request, behaviour, Arc::clone(&received)));
                    // A proxy may go away at any time.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                }
            }
        });
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn answer(
    request: Request<Incoming>,
    behaviour: Behaviour,
    received: Arc<Mutex<Received>>,
) -> Result<Answer, hyper::Error> {
    let (head, body) = request.into_parts();
    let grpc = head
        .headers
        .get("content-type")
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let body = body.collect().await?.to_bytes();
    let message = if grpc { &body[5..] } else { &body[..] };
    let spans = arrived(ExportTraceServiceRequest::decode(message).expect("an OTLP request"));
    {
        let mut received = received.lock().expect("no handler panics");
        received.requests += 1;
        received.all.extend(spans.iter().cloned());
    }
    if let Behaviour::Slow(delay) = behaviour {
        tokio::time::sleep(delay).await;
    }
    let answer = match behaviour {
        Behaviour::GrpcStatus(status) => return Ok(grpc_failure(status)),
        Behaviour::HttpStatus(status, retry_after) => return Ok(http_failure(status, retry_after)),
        Behaviour::RejectSome(count) => success(grpc, &partial(count).encode_to_vec()),
        Behaviour::NotProtobuf => success(grpc, b"<!doctype html><title>Sign in</title>"),
        Behaviour::NotFramed => whole(grpc, Bytes::from_static(b"<!doctype html><title>Sign in</title>")),
        _ => success(grpc, &ExportTraceServiceResponse::default().encode_to_vec()),
    };
    received.lock().expect("no handler panics").accepted.extend(spans);
    Ok(answer)
}

fn arrived(request: ExportTraceServiceRequest) -> Vec<Arrived> {
    let mut all = Vec::new();
    for resource in request.resource_spans {
        let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
        let service = attributes.filter(|pair| pair.key == "service.name").find_map(|pair| {
            match pair.value.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => Some(text.clone()),
                _ => None,
            }
        });
        let service = service.unwrap_or_default();
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(spans.map(|span| Arrived { service: service.clone(), span }));
    }
    all
}

/// With a message of a thousand lines, as one for each span would be.
fn partial(rejected: u32) -> ExportTraceServiceResponse {
    let error_message = "some spans are too old\n".repeat(1000);
    let partial = ExportTracePartialSuccess { rejected_spans: rejected.into(), error_message };
    ExportTraceServiceResponse { partial_success: Some(partial) }
}

/// Success with `message`, framed where it is gRPC.
fn success(grpc: bool, message: &[u8]) -> Answer {
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    let frame = if grpc { [&[0], &length[..], message].concat() } else { message.to_vec() };
    whole(grpc, frame.into())
}

fn whole(grpc: bool, body: Bytes) -> Answer {
    let content_type = if grpc { "application/grpc" } else { "application/x-protobuf" };
    let response = Response::builder().header("content-type", content_type);
    if !grpc {
        return response.body(Full::from(body).boxed()).expect("a valid response");
    }
    let trailers: HeaderMap =
        [("grpc-status".parse().expect("a name"), "0".parse().expect("a value"))].into_iter().collect();
    let body = Full::from(body).with_trailers(std::future::ready(Some(Ok(trailers))));
    response.body(body.boxed()).expect("a valid response")
}

fn grpc_failure(status: u32) -> Answer {
    let response = Response::builder().header("content-type", "application/grpc");
    let response = response.header("grpc-status", status).header("grpc-message", "go away");
    response.body(Full::default().boxed()).expect("a valid response")
}

fn http_failure(status: u16, retry_after: Option<&str>) -> Answer {
    let mut response = Response::builder().status(status);
    if let Some(value) = retry_after {
        response = response.header("retry-after", value);
    }
    response.body(Full::from("go away\n").boxed()).expect("a valid response")
}
