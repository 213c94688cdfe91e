//! A collector that unpacks and counts, and does nothing else: it is to be faster than whoever sends.

use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::HeaderValue;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use meshspan::collect::scan;
use meshspan_tests::listening::Listening;
use tokio::net::TcpListener;

/// Before each gRPC message: whether it is compressed, and four bytes of length.
const PREFIX: usize = 5;

/// What HTTP/2 servers commonly let in before they have to say more.
const WINDOW: u32 = 1 << 20;

pub(crate) struct Sink {
    server: Listening,
    spans: Arc<AtomicU64>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let spans = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&spans);
        Self { server: Listening::start(|listener| serve(listener, theirs)), spans }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    pub(crate) fn count(&self) -> u64 {
        self.spans.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, spans: Arc<AtomicU64>) {
    loop {
        let (socket, _) = listener.accept().await.expect("a listener accepts");
        // As collectors do; without it an answer's second frame waits 40 ms for an idle sender's ACK.
        socket.set_nodelay(true).expect("a socket option");
        let spans = Arc::clone(&spans);
        tokio::spawn(async move {
            let service = service_fn(move |request| take(request, Arc::clone(&spans)));
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.initial_stream_window_size(WINDOW).initial_connection_window_size(4 * WINDOW);
            // A sender may go away when it is done.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    spans: Arc<AtomicU64>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let body = request.into_body().collect().await.expect("a whole request").to_bytes();
    let (prefix, message) = body.split_at(PREFIX);
    let counted = if prefix[0] == 0 { scan(message) } else { scan(&unpacked(message)) };
    spans.fetch_add(counted.expect("an OTLP export").spans, Ordering::Relaxed);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    // An empty message: all accepted.
    let message = Full::from(Bytes::from_static(&[0; PREFIX]));
    let message = message.with_trailers(std::future::ready(Some(Ok(trailers))));
    let head = Response::builder().header("content-type", "application/grpc");
    Ok(head.body(message.boxed()).expect("a valid response"))
}

fn unpacked(message: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(message.len() * 8);
    flate2::read::GzDecoder::new(message).read_to_end(&mut plain).expect("gzip");
    plain
}
