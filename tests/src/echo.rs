//! An application that sends back what it gets, as it gets it: bodies, trailers, and the bytes of an upgrade.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, TRAILER, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use crate::listening::Listening;

/// A running application; stops when dropped.
#[derive(Debug)]
pub struct Echo {
    server: Listening,
    requests: Arc<AtomicUsize>,
}

impl Echo {
    /// Starts on a free port of 127.0.0.1. A path `/after/N` is answered after N milliseconds.
    pub fn start() -> Echo {
        let requests = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&requests);
        let server = Listening::start(|listener| serve(listener, theirs));
        Echo { server, requests }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Requests so far, answered or not.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, requests: Arc<AtomicUsize>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let requests = Arc::clone(&requests);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&requests)));
            // A client may go away at any time; that is no concern of a test's application.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    requests: Arc<AtomicUsize>,
) -> Result<Response<Incoming>, std::convert::Infallible> {
    requests.fetch_add(1, Ordering::SeqCst);
    if let Some(millis) = request.uri().path().strip_prefix("/after/") {
        tokio::time::sleep(Duration::from_millis(millis.parse().expect("a number"))).await;
    }
    let upgrade = request.headers().get(UPGRADE).cloned();
    if upgrade.is_some() {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let io = TokioIo::new(upgraded.await.expect("the proxy upgrades"));
            let (mut reader, mut writer) = tokio::io::split(io);
            // It ends when the other side ends.
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
    }
    let (head, body) = request.into_parts();
    let mut response = Response::new(body);
    for name in [CONTENT_TYPE, TRAILER] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(protocol) = upgrade {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(UPGRADE, protocol);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Ok(response)
}
