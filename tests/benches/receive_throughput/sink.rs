//! Where all spans end: OTLP over gRPC in, spans counted and forgotten.

use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use meshspan::collect::scan;
use meshspan_tests::listening::Listening;
use meshspan_tests::wait;
use tokio::net::TcpListener;

/// Flag and length before a gRPC message.
const PREFIX: usize = 5;

/// What HTTP/2 lets a sender send ahead: nobody waits for the sink.
const WINDOW: u32 = 8 << 20;

/// A running sink; ends when dropped.
pub(crate) struct Sink {
    server: Listening,
    spans: Arc<AtomicU64>,
}

impl Sink {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start() -> Sink {
        let spans = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&spans);
        Sink { server: Listening::start(|listener| serve(listener, theirs)), spans }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// Waits until so many spans are there; panics when there are more, or not enough in time.
    pub(crate) fn wait_for(&self, expected: u64) {
        let count = || self.spans.load(Ordering::Relaxed);
        let what = || format!("{expected} spans at the sink, of which there are {}", count());
        wait::until_or(|| (count() >= expected).then_some(()), what);
        assert_eq!(count(), expected, "spans at the sink");
    }
}

async fn serve(listener: TcpListener, spans: Arc<AtomicU64>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let spans = Arc::clone(&spans);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&spans)));
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
            // A subject that ends breaks its connection.
            let _ = server.max_frame_size(1 << 20).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    spans: Arc<AtomicU64>,
) -> hyper::Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let export = match body[0] {
        0 => scan(&body[PREFIX..]),
        _ => scan(&unpacked(&body[PREFIX..])),
    };
    let export = export.expect("an OTLP export");
    spans.fetch_add(export.spans, Ordering::Relaxed);
    let ok = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    // An empty message: all was accepted.
    let message = Full::from(Bytes::from_static(&[0; PREFIX]));
    let body = message.with_trailers(std::future::ready(Some(Ok(HeaderMap::from_iter([ok])))));
    let head = Response::builder().header("content-type", "application/grpc");
    Ok(head.body(body).expect("a valid response"))
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut message).expect("a whole gzip");
    message
}
