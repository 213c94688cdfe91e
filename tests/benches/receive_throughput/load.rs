//! The senders: some connections of OTLP over gRPC, each with some calls under way, requests encoded beforehand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::body::Bytes;
use meshspan_tests::otlp::{Sender, framed, request, rich_span};

/// Senders, each with a connection of its own.
const CONNECTIONS: usize = 4;

/// Calls under way on each.
const CALLS: usize = 4;

/// Requests before the clock starts.
const WARM_UP: usize = 64;

/// Spans of one trace.
const TRACE_SPANS: u64 = 10;

/// What is sent: no span twice, so that nobody has less to keep than it seems.
pub(crate) struct Load {
    warm_up: Arc<Vec<Bytes>>,
    requests: Arc<Vec<Bytes>>,
    request_spans: usize,
}

impl Load {
    /// At least `spans` spans in requests of `request_spans`.
    pub(crate) fn new(request_spans: usize, spans: usize) -> Load {
        let mut next: u64 = 0;
        let mut requests = |count: usize| {
            let one = |_| {
                let spans = (0..request_spans).map(|_| {
                    next += 1;
                    rich_span(u128::from(next.div_ceil(TRACE_SPANS)) << 32 | 1, next)
                });
                framed(&request(spans.collect()))
            };
            Arc::new((0..count).map(one).collect())
        };
        Load { warm_up: requests(WARM_UP), requests: requests(spans.div_ceil(request_spans)), request_spans }
    }

    pub(crate) fn spans(&self) -> u64 {
        (self.requests.len() * self.request_spans) as u64
    }

    pub(crate) fn warm_up_spans(&self) -> u64 {
        (WARM_UP * self.request_spans) as u64
    }

    pub(crate) fn request_bytes(&self) -> usize {
        self.requests[0].len()
    }

    pub(crate) fn warm_up(&self, port: u16) {
        send(&self.warm_up, port);
    }

    /// Sends all; how many had to be sent again.
    pub(crate) fn send(&self, port: u16) -> usize {
        send(&self.requests, port)
    }
}

fn send(requests: &Arc<Vec<Bytes>>, port: u16) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let next = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let mut calls = Vec::new();
        for _ in 0..CONNECTIONS {
            let sender = Sender::connect(port).await.expect("the subject listens");
            for _ in 0..CALLS {
                calls.push(tokio::spawn(call(sender.clone(), Arc::clone(requests), Arc::clone(&next))));
            }
        }
        let mut again = 0;
        for call in calls {
            again += call.await.expect("a sender does not panic");
        }
        again
    })
}

/// One call after the other until all are sent; how many had to be sent again.
async fn call(mut sender: Sender, requests: Arc<Vec<Bytes>>, next: Arc<AtomicUsize>) -> usize {
    let mut again = 0;
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        while sender.send(request.clone()).await.expect("the connection is there") != "0" {
            again += 1;
        }
    }
    again
}
