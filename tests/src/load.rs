//! Requests over connections that are kept, as busy clients send them: in a closed loop, or many at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONNECTION;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::ledger::Sent;
use crate::situation::{Event, Seen, Times};
use crate::wait;

/// Loops that send at the same time, half of them over HTTP/1.1 and half over HTTP/2.
const LOOPS: u64 = 8;

/// A running load; it goes on until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: JoinHandle<Vec<Outcome>>,
}

/// What became of a load's requests.
#[derive(Debug)]
pub struct Report {
    /// Requests answered.
    pub answered: u64,
    /// What went wrong, one entry a request.
    pub failures: Vec<String>,
    /// Those that were answered, not knowing yet what the application was told.
    pub sent: Vec<Sent>,
}

/// What became of one request, or what went wrong.
type Outcome = Result<Sent, String>;

/// Sends `streams` requests at once over each of `connections` HTTP/2 connections, to a port of 127.0.0.1.
/// Ends when all are answered; every answer that differs from the others, and what went wrong.
pub fn burst(port: u16, connections: u64, streams: u64) -> JoinHandle<BTreeSet<String>> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for connection in 0..connections {
                let client: Client<HttpConnector, Empty<Bytes>> =
                    Client::builder(TokioExecutor::new()).http2_only(true).build_http();
                for stream in 1..=streams {
                    let (client, request) = (client.clone(), sampled(port, connection, stream));
                    all.spawn(async move {
                        let answer = exchange(&client, request).await;
                        answer.map_or_else(|why| why, |seen| seen.to_string())
                    });
                }
            }
            all.join_all().await.into_iter().collect()
        })
    })
}

impl Load {
    /// Sends sampled requests, each of a trace of its own, to a listener with the filter. The answers have to be
    /// those of a `plain` one without. Both are ports of 127.0.0.1.
    pub fn start(plain: u16, traced: u16) -> Load {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (theirs, counted) = (Arc::clone(&stop), Arc::clone(&done));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let mut loops = tokio::task::JoinSet::new();
                for number in 0..LOOPS {
                    loops.spawn(closed_loop(
                        number,
                        [plain, traced],
                        Arc::clone(&theirs),
                        Arc::clone(&counted),
                    ));
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
        let (mut sent, mut failures) = (Vec::new(), Vec::new());
        for outcome in self.thread.join().expect("the load does not panic") {
            match outcome {
                Ok(one) => sent.push(one),
                Err(why) => failures.push(why),
            }
        }
        Report { answered: self.done.load(Ordering::Relaxed), failures, sent }
    }
}

async fn closed_loop(
    number: u64,
    [plain, traced]: [u16; 2],
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Vec<Outcome> {
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(number.is_multiple_of(2)).build_http();
    // All requests of a loop are the same but for their traces: so is what comes of them without the filter.
    let plain = exchange(&client, sampled(plain, number, u64::MAX)).await;
    let mut outcomes = Vec::new();
    for request in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let begin = wait::unix_nanos();
        let answer = exchange(&client, sampled(traced, number, request)).await;
        let times = Times { begin, end: wait::unix_nanos() };
        done.fetch_add(u64::from(answer.is_ok()), Ordering::Relaxed);
        outcomes.push(if answer.is_ok() && answer == plain {
            let (trace_id, parent) = context(number, request);
            let (onward, answered) = (String::new(), 200);
            Ok(Sent { method: "GET", trace_id, parent, onward, service: None, answered, times })
        } else {
            Err(format!("loop {number}, request {request}: {answer:#?} instead of {plain:#?}"))
        });
    }
    outcomes
}

/// The trace and the span that a request comes from.
pub fn context(number: u64, request: u64) -> (String, String) {
    (format!("{number:016x}{request:016x}"), format!("{request:016x}"))
}

/// A sampled request of a trace of its own.
fn sampled(port: u16, number: u64, request: u64) -> Request<Empty<Bytes>> {
    let (trace_id, parent) = context(number, request);
    let sent = Request::get(format!("http://127.0.0.1:{port}/load"))
        .header("host", "meshspan.test")
        .header("traceparent", format!("00-{trace_id}-{parent}-01"));
    sent.body(Empty::new()).expect("a valid request")
}

/// A whole answer, less what differs from one to the next and less `connection`, by which an HTTP/1.1 listener that
/// goes says so.
async fn exchange(
    client: &Client<HttpConnector, Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<Seen, String> {
    let (head, body) = client.request(request).await.map_err(|error| format!("{error:?}"))?.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
    let mut fields = vec![(":status".to_owned(), head.status.as_str().into())];
    let others = head.headers.iter().filter(|(name, _)| *name != CONNECTION);
    fields.extend(others.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())));
    let events = [Event::Head(fields), Event::Data(body.to_vec()), Event::End];
    let seen = events.into_iter().collect::<Seen>().constant();
    if head.status == 200 && body == "done\n" { Ok(seen) } else { Err(seen.to_string()) }
}
