//! The application behind the proxies: HTTP/1.1, HTTP/2 without TLS and gRPC; remembers what it got.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use meshspan::traffic;
use tokio::net::TcpListener;

use crate::listening::Listening;

/// A request as the application got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The protocol's version.
    pub version: Version,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers in order, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Bytes,
}

/// How long an answer takes that comes later: longer than a test's client sends.
const LATER: Duration = Duration::from_millis(100);

/// Streams on one connection at most.
const STREAMS: u32 = 20_000;

/// What the application shares with its test.
#[derive(Debug, Default)]
struct Shared {
    recorded: Mutex<Vec<Recorded>>,
    script: Mutex<Option<traffic::Response>>,
}

impl Recorded {
    /// Every value of a header.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_slice()).collect()
    }

    /// The only value of a header, as text.
    pub fn value(&self, name: &str) -> &str {
        match self.values(name)[..] {
            [value] => std::str::from_utf8(value).expect("a text value"),
            ref values => panic!("{} values of {name} in {self:?}", values.len()),
        }
    }
}

/// A running application; stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    server: Listening,
    shared: Arc<Shared>,
}

impl Upstream {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// It answers `/status/NNN` with that status, gRPC to a method named `Vote…` with status 2 in the
    /// trailers, to one named `Refuse…` with status 7 in the head, all else with success; to what ends in
    /// `later` only after 100 ms.
    pub fn start() -> Upstream {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let server = Listening::start(|listener| serve(listener, theirs));
        Upstream { server, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Answers the next request as recorded.
    pub fn answer_next(&self, response: &traffic::Response) {
        *self.shared.script.lock().expect("no recorder panics") = Some(response.clone());
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.shared.recorded.lock().expect("no recorder panics"))
    }

    /// The only request since the last call.
    pub fn take_one(&self) -> Recorded {
        let mut all = self.take();
        assert_eq!(all.len(), 1, "requests at the application: {all:#?}");
        all.remove(0)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            // A client may go away at any time; that is no concern of a test's application.
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().max_concurrent_streams(STREAMS);
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    // Reading it to its end ends the request's stream; a client may go away before.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let path = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    if path.to_ascii_lowercase().ends_with("later") {
        tokio::time::sleep(LATER).await;
    }
    shared.recorded.lock().expect("no recorder panics").push(Recorded {
        version: head.version,
        method: head.method.to_string(),
        path: path.clone(),
        headers: headers.collect(),
        body,
    });
    let script = shared.script.lock().expect("no recorder panics").take();
    let content_type = head.headers.get("content-type");
    let grpc = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    Ok(match script {
        Some(response) => recorded_answer(&response),
        None if grpc => grpc_answer(&path),
        None => http_answer(&path),
    })
}

/// The recorded head and trailers with a body of zeros.
fn recorded_answer(recorded: &traffic::Response) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::builder().status(recorded.status);
    // The length follows from the body.
    for (name, value) in recorded.headers.iter().filter(|(name, _)| name != "content-length") {
        response = response.header(name, value.as_bytes());
    }
    let length = usize::try_from(recorded.body_bytes).expect("a body that fits");
    let body = Full::from(vec![0; length]);
    if recorded.trailers.is_empty() {
        return response.body(body.boxed()).expect("a valid response");
    }
    let trailers = recorded.trailers.iter();
    let trailers: HeaderMap = trailers
        .map(|(name, value)| {
            (HeaderName::try_from(name).expect("a name"), value.as_bytes().try_into().expect("a value"))
        })
        .collect();
    response
        .body(body.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed())
        .expect("a valid response")
}

fn http_answer(path: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let status =
        path.strip_prefix("/status/").and_then(|code| code.get(..3)?.parse().ok()).unwrap_or(200_u16);
    Response::builder()
        .status(status)
        .header("content-type", "text/plain")
        .body(Full::from("done\n").boxed())
        .expect("a valid response")
}

fn grpc_answer(path: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let method = path.rsplit('/').next().unwrap_or_default();
    let head = Response::builder().header("content-type", "application/grpc");
    if method.starts_with("Refuse") {
        let head = head.header("grpc-status", "7");
        return head.body(Full::default().boxed()).expect("a valid response");
    }
    let mut trailers = HeaderMap::new();
    let status = if method.starts_with("Vote") { "2" } else { "0" };
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    // One message without content: not compressed, of length zero.
    let message = Full::from(Bytes::from_static(&[0; 5]));
    head.body(message.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed())
        .expect("a valid response")
}
