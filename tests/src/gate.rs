//! An application that holds every request back until it is told to answer: HTTP/2 without TLS.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::wait;

/// Streams on one connection at most.
const STREAMS: u32 = 20_000;

/// A running application; stops when dropped.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    open: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    /// Starts on a free port of 127.0.0.1, closed.
    pub fn start() -> Gate {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let ((open, opened), waiting) = (watch::channel(false), Arc::<AtomicUsize>::default());
        let theirs = Arc::clone(&waiting);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let mut gone = opened.clone();
                tokio::select! {
                    () = serve(listener, opened, theirs) => {}
                    () = async { while gone.changed().await.is_ok() {} } => {}
                }
            });
        });
        Gate { port, open, waiting }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until as many requests are held back.
    pub fn wait_for(&self, count: usize) {
        wait::until_or(
            || (self.waiting.load(Ordering::Relaxed) == count).then_some(()),
            || format!("{count} requests to wait, there are {}", self.waiting.load(Ordering::Relaxed)),
        );
    }

    /// Answers what waits and what comes, or holds it back again.
    pub fn open(&self, open: bool) {
        self.open.send(open).expect("the application runs");
    }
}

async fn serve(listener: TcpListener, opened: watch::Receiver<bool>, waiting: Arc<AtomicUsize>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let (opened, waiting) = (opened.clone(), Arc::clone(&waiting));
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, opened.clone(), Arc::clone(&waiting)));
            // A proxy may go away at any time.
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(STREAMS)
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(
    _request: Request<Incoming>,
    mut opened: watch::Receiver<bool>,
    waiting: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    waiting.fetch_add(1, Ordering::Relaxed);
    // It fails only when the application ends.
    let _ = opened.wait_for(|open| *open).await;
    waiting.fetch_sub(1, Ordering::Relaxed);
    Ok(Response::new(Full::from("done\n")))
}
