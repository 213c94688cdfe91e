//! A closed loop of requests over connections that are kept, as a busy client sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Loops that send at the same time, half of them over HTTP/1.1 and half over HTTP/2.
const LOOPS: u64 = 8;

/// A running load; it goes on until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

/// What became of a load's requests.
#[derive(Debug)]
pub struct Report {
    /// Requests answered.
    pub answered: u64,
    /// What went wrong, one entry a request.
    pub failures: Vec<String>,
}

/// Sends `streams` requests at once over each of `connections` HTTP/2 connections, to a port of 127.0.0.1.
/// Ends when all are answered; what went wrong.
pub fn burst(port: u16, connections: u64, streams: u64) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for connection in 0..connections {
                let client: Client<HttpConnector, Empty<Bytes>> =
                    Client::builder(TokioExecutor::new()).http2_only(true).build_http();
                for stream in 1..=streams {
                    let (client, request) = (client.clone(), sampled(port, connection, stream));
                    all.spawn(async move { exchange(&client, request).await.err() });
                }
            }
            all.join_all().await.into_iter().flatten().collect()
        })
    })
}

impl Load {
    /// Sends sampled requests to a port of 127.0.0.1, each of a trace of its own.
    pub fn start(port: u16) -> Load {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (theirs, counted) = (Arc::clone(&stop), Arc::clone(&done));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let mut loops = tokio::task::JoinSet::new();
                for number in 0..LOOPS {
                    loops.spawn(closed_loop(number, port, Arc::clone(&theirs), Arc::clone(&counted)));
                }
                loops.join_all().await.concat()
            })
        });
        Load { stop, done, thread }
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until `count` more requests are answered.
    pub fn pass(&self, count: u64) {
        let enough = self.answered() + count;
        crate::wait::until("the load to go on", || (self.answered() >= enough).then_some(()));
    }

    /// Ends the load when what is under way is answered.
    pub fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.thread.join().expect("the load does not panic");
        Report { answered: self.done.load(Ordering::Relaxed), failures }
    }
}

async fn closed_loop(number: u64, port: u16, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Vec<String> {
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(number.is_multiple_of(2)).build_http();
    let mut failures = Vec::new();
    for request in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match exchange(&client, sampled(port, number, request)).await {
            Ok(()) => {
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) => failures.push(format!("loop {number}, request {request}: {why}")),
        }
    }
    failures
}

/// A sampled request of a trace of its own.
fn sampled(port: u16, number: u64, request: u64) -> Request<Empty<Bytes>> {
    let traceparent = format!("00-{number:016x}{request:016x}-{request:016x}-01");
    let sent = Request::get(format!("http://127.0.0.1:{port}/load")).header("traceparent", traceparent);
    sent.body(Empty::new()).expect("a valid request")
}

async fn exchange(
    client: &Client<HttpConnector, Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<(), String> {
    let (head, body) = client.request(request).await.map_err(|error| format!("{error:?}"))?.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
    match (head.status.as_u16(), &body[..]) {
        (200, b"done\n") => Ok(()),
        unexpected => Err(format!("{unexpected:?}")),
    }
}
