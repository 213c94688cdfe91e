//! An application that holds every request back until it is told to answer: HTTP/2 without TLS.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    visitors: Mutex<Visitors>,
}

/// Who came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Visitors {
    /// Every head that differs from the others, but for its `traceparent` and for the authority, which has the
    /// proxy's port.
    pub heads: BTreeSet<String>,
    /// The `traceparent` of each.
    pub contexts: Vec<String>,
}

impl Gate {
    /// Starts on a free port of 127.0.0.1, closed.
    pub fn start() -> Gate {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let ((open, opened), shared) = (watch::channel(false), Arc::<Shared>::default());
        let theirs = Arc::clone(&shared);
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
        Gate { port, open, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until as many requests are held back.
    pub fn wait_for(&self, count: usize) {
        wait::until_or(
            || (self.shared.waiting.load(Ordering::Relaxed) == count).then_some(()),
            || format!("{count} requests to wait, there are {}", self.shared.waiting.load(Ordering::Relaxed)),
        );
    }

    /// Who came since it was asked last.
    pub fn take(&self) -> Visitors {
        std::mem::take(&mut self.shared.visitors.lock().expect("no visitor panics"))
    }

    /// Answers what waits and what comes, or holds it back again.
    pub fn open(&self, open: bool) {
        self.open.send(open).expect("the application runs");
    }
}

impl Shared {
    fn note(&self, request: Request<Incoming>) {
        let (mut head, _) = request.into_parts();
        let context = head.headers.remove("traceparent").expect("every request is part of a trace");
        let mut visitors = self.visitors.lock().expect("no visitor panics");
        visitors.heads.insert(format!("{} {} {:?}", head.method, head.uri.path(), head.headers));
        visitors.contexts.push(context.to_str().expect("text").to_owned());
    }
}

async fn serve(listener: TcpListener, opened: watch::Receiver<bool>, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let (opened, shared) = (opened.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, opened.clone(), Arc::clone(&shared)));
            // A proxy may go away at any time.
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(STREAMS)
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    mut opened: watch::Receiver<bool>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    shared.note(request);
    shared.waiting.fetch_add(1, Ordering::Relaxed);
    // It fails only when the application ends.
    let _ = opened.wait_for(|open| *open).await;
    shared.waiting.fetch_sub(1, Ordering::Relaxed);
    Ok(Response::new(Full::from("done\n")))
}
