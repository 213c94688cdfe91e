//! Requests on their way until each is settled: retried, split where they are too large, counted.
//!
//! While one is being retried, the others wait behind it: a collector that is down is asked by one request at a
//! time, however many are under way.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    ExportError, ExportFailure, ExportReport, ExporterConfig, RetryPolicy, batch,
    retry::{Attempt, Failure},
    transport::Transport,
};
use crate::collect::span_count;

/// What a collector is believed to take, however small the requests are that it found too large.
const MIN_REQUEST_BYTES: usize = 16 << 10;

/// Takes requests to one collector.
#[derive(Debug)]
pub(crate) struct Courier {
    transport: Transport,
    policy: RetryPolicy,
    random: Mutex<Xoshiro256PlusPlus>,
    /// The most bytes of a request; less once the collector found one too large.
    max_bytes: AtomicUsize,
    /// Held while a request is being retried.
    turn: tokio::sync::Mutex<()>,
    /// Why the last attempt failed; `None` if it did not.
    trouble: watch::Sender<Option<ExportFailure>>,
    /// The last attempt of all was taken.
    is_proven: AtomicBool,
    /// Nothing answered the last time, and it was given up.
    is_gone: AtomicBool,
    stop: watch::Receiver<Option<Instant>>,
}

/// Why a request was not taken.
enum Refused {
    TooLarge(Failure),
    For(Failure),
}

impl Courier {
    /// Once `stop` holds an instant, what is under way then is given up as interrupted.
    pub(crate) fn new(
        config: &ExporterConfig,
        stop: watch::Receiver<Option<Instant>>,
    ) -> Result<Self, ExportError> {
        Ok(Self {
            transport: Transport::new(config)?,
            policy: config.retry,
            random: Mutex::new(Xoshiro256PlusPlus::seed_from_u64(config.seed)),
            max_bytes: AtomicUsize::new(config.max_batch_bytes),
            turn: tokio::sync::Mutex::default(),
            trouble: watch::Sender::new(None),
            is_proven: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            stop,
        })
    }

    /// The most bytes that a request may have, as far as is known.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes.load(Ordering::Relaxed)
    }

    /// Whether the collector took the last request, so that several at once make sense.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven.load(Ordering::Relaxed)
    }

    /// Why the last attempt failed; `None` if it did not.
    pub(crate) fn trouble(&self) -> watch::Receiver<Option<ExportFailure>> {
        self.trouble.subscribe()
    }

    /// Takes an encoded request of `spans` spans there, in parts if it is too large, and says what became of
    /// each span.
    pub(crate) async fn deliver(&self, request: Bytes, spans: u64) -> ExportReport {
        let mut report = ExportReport::default();
        let mut waiting = VecDeque::from([(request, spans)]);
        while let Some((request, spans)) = waiting.pop_front() {
            let mut split = |request: &Bytes| match batch::halves(request) {
                Some(halves) => {
                    halves.iter().rev().for_each(|half| waiting.push_front(encoded(half)));
                    true
                }
                None => false,
            };
            if request.len() > self.max_bytes() && split(&request) {
                continue;
            }
            match self.settle(&request, &mut report.retries).await {
                Ok((rejected, message)) => report.accept(spans, rejected, &message),
                Err(Refused::For(failure)) => report.drop(spans, failure),
                Err(Refused::TooLarge(failure)) => {
                    if !split(&request) {
                        report.drop(spans, Failure { reason: "too large".to_owned(), ..failure });
                    }
                }
            }
        }
        report
    }

    async fn settle(&self, request: &Bytes, retries: &mut u64) -> Result<(u64, String), Refused> {
        tokio::select! {
            outcome = self.insist(request, retries) => outcome,
            () = stopped(self.stop.clone()) => Err(Refused::For(Failure::interrupted())),
        }
    }

    /// Sends one request until it is settled: the number of spans rejected and the collector's message.
    async fn insist(&self, request: &Bytes, retries: &mut u64) -> Result<(u64, String), Refused> {
        drop(self.turn.lock().await);
        let (mut attempts, started, mut turn) = (1, Instant::now(), None);
        loop {
            let outcome = self.transport.attempt(request.clone()).await;
            let (failure, asked) = match outcome {
                Attempt::Accepted { rejected, message } => {
                    self.went_well();
                    return Ok((rejected, message));
                }
                Attempt::TooLarge(failure) => {
                    // More than a half, which has the resource of the whole.
                    let limit = (request.len() / 3 * 2).max(MIN_REQUEST_BYTES);
                    self.max_bytes.fetch_min(limit, Ordering::Relaxed);
                    return Err(Refused::TooLarge(failure));
                }
                Attempt::Final(failure) => return Err(Refused::For(self.went_wrong(failure, true))),
                Attempt::Retryable(failure, asked) => (failure, asked),
            };
            let policy = if self.is_gone.load(Ordering::Relaxed) { RetryPolicy::once() } else { self.policy };
            let is_hopeless = failure.is_lasting && policy.is_bounded();
            let wait = policy.wait(attempts, started.elapsed(), asked, self.random());
            let failure = self.went_wrong(failure, wait.is_none() || is_hopeless);
            let Some(wait) = wait.filter(|_| !is_hopeless) else {
                return Err(Refused::For(failure.after(attempts)));
            };
            if turn.is_none() {
                turn = Some(self.turn.lock().await);
            }
            sleep(wait).await;
            attempts += 1;
            *retries += 1;
        }
    }

    fn random(&self) -> u64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    fn went_well(&self) {
        self.is_proven.store(true, Ordering::Relaxed);
        self.is_gone.store(false, Ordering::Relaxed);
        self.trouble.send_if_modified(|trouble| trouble.take().is_some());
    }

    fn went_wrong(&self, failure: Failure, is_given_up: bool) -> Failure {
        self.is_proven.store(false, Ordering::Relaxed);
        if is_given_up {
            self.is_gone.store(failure.unreachable, Ordering::Relaxed);
        }
        let now = ExportFailure { what: failure.what.clone(), advice: failure.advice.clone() };
        self.trouble.send_if_modified(|trouble| trouble.replace(now.clone()) != Some(now));
        failure
    }
}

/// A request as it is sent, and its spans.
pub(crate) fn encoded(request: &ExportTraceServiceRequest) -> (Bytes, u64) {
    (request.encode_to_vec().into(), span_count(&request.resource_spans))
}

/// Ends when a flush was asked for and its time is over.
async fn stopped(mut stop: watch::Receiver<Option<Instant>>) {
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        Err(_) => None,
    };
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
