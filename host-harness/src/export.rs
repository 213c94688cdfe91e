//! Spans to a collector through OTLP: batches, time-outs, bounded retry, every span counted once.
//! Knows nothing of where the spans came from; TLS and a durable queue are not here.
//! Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
//! 1,300 spans → 3 requests → `exported: 1300` or the reason for each span that was not

mod batch;
mod config;
mod grpc;
mod http;
mod retry;

pub use config::{Compression, ConfigError, DEFAULT_TIMEOUT, ExportFlags, ExporterConfig, Protocol};
pub use retry::RetryPolicy;

use std::{collections::BTreeMap, time::Duration};

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::ResourceSpans};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use crate::collect::span_count;
use retry::{Attempt, Failure};

/// Product and exporter, as the OTLP exporter specification orders them.
pub(crate) const USER_AGENT: &str =
    concat!("meshspan/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));

/// The largest answer that is read.
pub(crate) const MAX_RESPONSE_BYTES: usize = 4 << 20;

/// How long spans wait for others to fill a request with.
const LINGER: Duration = Duration::from_millis(100);

/// How many different warnings a report keeps.
const MAX_WARNINGS: usize = 10;

/// Why no exporter could be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The gRPC library refuses the endpoint or a header.
    #[error("cannot set up the export to {endpoint}: {problem}")]
    Setup {
        /// Where the spans were to go.
        endpoint: String,
        /// What is wrong.
        problem: String,
    },
}

/// What became of the spans: each is in exactly one of exported, rejected and dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Taken by the collector.
    pub exported: u64,
    /// Refused by the collector in a partial success.
    pub rejected: u64,
    /// Given up, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Attempts after the first of each request.
    pub retries: u64,
    /// What the collector had to say, each sentence once.
    pub warnings: Vec<String>,
    /// The first reason for which spans were dropped, in full.
    pub failure: Option<ExportFailure>,
    /// Whether spans were dropped because nothing answered at the endpoint.
    pub unreachable: bool,
}

/// Why spans were dropped, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportFailure {
    /// The endpoint and what happened.
    pub what: String,
    /// What to check.
    pub advice: String,
}

impl std::fmt::Display for ExportFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}; {}", self.what, self.advice)
    }
}

impl ExportReport {
    /// How many spans were given up, for whatever reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Adds what became of other spans.
    fn merge(&mut self, other: Self) {
        self.exported += other.exported;
        self.rejected += other.rejected;
        self.retries += other.retries;
        self.unreachable |= other.unreachable;
        for (reason, spans) in other.dropped {
            *self.dropped.entry(reason).or_default() += spans;
        }
        other.warnings.into_iter().for_each(|warning| self.warn(warning));
        if self.failure.is_none() {
            self.failure = other.failure;
        }
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn accept(&mut self, spans: u64, rejected: u64, message: &str) {
        let rejected = rejected.min(spans);
        self.exported += spans - rejected;
        self.rejected += rejected;
        if !message.is_empty() {
            self.warn(format!("the collector says: {message}"));
        }
    }

    fn drop(&mut self, spans: u64, failure: Failure) {
        *self.dropped.entry(failure.reason).or_default() += spans;
        self.unreachable |= failure.unreachable;
        self.failure.get_or_insert(ExportFailure { what: failure.what, advice: failure.advice });
    }
}

/// Asks a running export to come to its end.
#[derive(Clone, Debug)]
pub struct FlushHandle(watch::Sender<Option<Instant>>);

impl FlushHandle {
    /// Gives the export `limit` more; what is not sent by then is dropped as `interrupted`.
    pub fn flush_within(&self, limit: Duration) {
        self.0.send_if_modified(|deadline| {
            let first = deadline.is_none();
            deadline.get_or_insert(Instant::now() + limit);
            first
        });
    }
}

/// Sends spans to one collector, one request at a time.
#[derive(Debug)]
pub struct Exporter {
    config: ExporterConfig,
    transport: Transport,
    random: Xoshiro256PlusPlus,
    stop: FlushHandle,
    /// Nothing answered the last time.
    is_gone: bool,
}

#[derive(Debug)]
enum Transport {
    Grpc(grpc::Client),
    Http(http::Client),
}

impl Exporter {
    /// An exporter that dials when the first request goes out. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ExportError::Setup`] if the endpoint or a header cannot be used for the protocol.
    pub fn connect(config: ExporterConfig) -> Result<Exporter, ExportError> {
        let transport = match config.protocol {
            Protocol::Grpc => Transport::Grpc(grpc::Client::new(&config)?),
            Protocol::HttpProtobuf => Transport::Http(http::Client::new(&config)),
        };
        let random = Xoshiro256PlusPlus::seed_from_u64(config.seed);
        let stop = FlushHandle(watch::Sender::new(None));
        Ok(Exporter { config, transport, random, stop, is_gone: false })
    }

    /// A handle by which another task ends an export early.
    pub fn flush_handle(&self) -> FlushHandle {
        self.stop.clone()
    }

    /// Sends all that comes through `spans` until nobody holds its other end any more, as
    /// [`export`](Self::export) does; a request waits a moment to become full.
    pub async fn export_stream(
        &mut self,
        mut spans: mpsc::Receiver<Vec<ResourceSpans>>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> ExportReport {
        let mut report = ExportReport::default();
        while let Some(mut batch) = spans.recv().await {
            let full = u64::try_from(self.config.max_batch_spans).unwrap_or(u64::MAX);
            let deadline = Instant::now() + LINGER;
            while span_count(&batch) < full
                && let Ok(Some(more)) = timeout_at(deadline, spans.recv()).await
            {
                batch.extend(more);
            }
            report.merge(self.export(batch, progress).await);
        }
        report
    }

    /// Sends all `spans`, in requests of bounded size, and says what became of each. `progress` is told the
    /// number of spans settled by each request.
    ///
    /// Once a request was given up because nothing answered, each of the others gets one attempt, until one
    /// succeeds: a dead collector costs one round of retries, not one a request.
    pub async fn export(
        &mut self,
        spans: Vec<ResourceSpans>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> ExportReport {
        let mut report = ExportReport::default();
        let batches = batch::split(spans, self.config.max_batch_spans, self.config.max_batch_bytes);
        if batches.oversize > 0 {
            report.drop(batches.oversize, Failure::oversize(self.config.max_batch_bytes));
            progress(batches.oversize);
        }
        for request in batches.requests {
            let spans = span_count(&request.resource_spans);
            let policy = if self.is_gone { RetryPolicy::once() } else { self.config.retry };
            match self.send(&request, policy, &mut report.retries).await {
                Ok((rejected, message)) => {
                    self.is_gone = false;
                    report.accept(spans, rejected, &message);
                }
                Err(failure) => {
                    self.is_gone = failure.unreachable;
                    report.drop(spans, failure);
                }
            }
            progress(spans);
        }
        report
    }

    /// Sends one request until it is settled: the number of spans rejected and the collector's message.
    async fn send(
        &mut self,
        request: &ExportTraceServiceRequest,
        policy: RetryPolicy,
        retries: &mut u64,
    ) -> Result<(u64, String), Failure> {
        let (mut attempts, started) = (1, Instant::now());
        let stop = self.stop.0.subscribe();
        loop {
            let outcome = tokio::select! {
                outcome = self.attempt(request) => outcome,
                () = stopped(stop.clone()) => return Err(Failure::interrupted()),
            };
            let (failure, asked) = match outcome {
                Attempt::Accepted { rejected, message } => return Ok((rejected, message)),
                Attempt::Final(failure) => return Err(failure),
                Attempt::Retryable(failure, asked) => (failure, asked),
            };
            let wait = policy.wait(attempts, started.elapsed(), asked, self.random.next_u64());
            let Some(wait) = wait else { return Err(failure.after(attempts)) };
            tokio::select! {
                () = sleep(wait) => {}
                () = stopped(stop.clone()) => return Err(Failure::interrupted()),
            }
            attempts += 1;
            *retries += 1;
        }
    }

    async fn attempt(&mut self, request: &ExportTraceServiceRequest) -> Attempt {
        let limit = self.config.timeout;
        let sent = async {
            match &mut self.transport {
                Transport::Grpc(client) => client.send(request).await,
                Transport::Http(client) => client.send(request).await,
            }
        };
        match timeout(limit, sent).await {
            Ok(outcome) => outcome,
            Err(_) => Attempt::Retryable(Failure::timed_out(&self.config.endpoint, limit), None),
        }
    }
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

#[cfg(test)]
mod tests;
