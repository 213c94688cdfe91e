//! Spans to a collector through OTLP: batches, time-outs, bounded retry, every span counted once.
//! Knows nothing of where the spans came from; a durable queue is not here.
//! Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
//! 1,300 spans → 3 requests → `exported: 1300` or the reason for each span that was not

mod batch;
mod config;
mod courier;
mod dial;
mod flight;
mod grpc;
mod http;
mod retry;
mod transport;

pub use config::{Compression, ConfigError, DEFAULT_TIMEOUT, ExportFlags, ExporterConfig, Protocol, is_set};
pub(crate) use config::{Form, Setting, compression, headers, millis};
pub use retry::RetryPolicy;

pub(crate) use courier::Courier;
pub(crate) use retry::INTERRUPTED;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::collect::span_count;
use flight::Flight;
use retry::Failure;

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
    /// The gRPC library refuses the endpoint or a header, or a certificate cannot be used.
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

    /// What became of the spans of one request.
    fn settle(&mut self, (spans, outcome): (u64, Self), progress: &mut (dyn FnMut(u64) + Send)) {
        self.merge(outcome);
        if spans > 0 {
            progress(spans);
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

/// Sends spans to one collector, several requests at once as soon as it has taken one.
#[derive(Debug)]
pub struct Exporter {
    config: ExporterConfig,
    courier: Arc<Courier>,
    stop: FlushHandle,
}

impl Exporter {
    /// An exporter that dials when the first request goes out. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ExportError::Setup`] if the endpoint, a header or a certificate cannot be used for the protocol.
    pub fn connect(config: ExporterConfig) -> Result<Exporter, ExportError> {
        let stop = FlushHandle(watch::Sender::new(None));
        let courier = Arc::new(Courier::new(&config, stop.0.subscribe())?);
        Ok(Exporter { config, courier, stop })
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
        let full = u64::try_from(self.config.max_batch_spans).unwrap_or(u64::MAX);
        let mut flight = Flight::new(&self.courier, &self.config);
        let (mut gathered, mut report, mut is_open) = (Gathered::default(), ExportReport::default(), true);
        loop {
            if gathered.count >= full || !is_open {
                report.settle(flight.add(gathered.take()), progress);
            }
            if !is_open && flight.is_over() {
                return report;
            }
            tokio::select! {
                piece = spans.recv(), if is_open && flight.has_room() => match piece {
                    Some(piece) => gathered.add(piece),
                    None => is_open = false,
                },
                () = gathered.due() => report.settle(flight.add(gathered.take()), progress),
                Some(landed) = flight.landed(), if !flight.is_over() => report.settle(landed, progress),
            }
        }
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
        let mut flight = Flight::new(&self.courier, &self.config);
        report.settle(flight.add(spans), progress);
        while let Some(landed) = flight.landed().await {
            report.settle(landed, progress);
        }
        report
    }
}

/// Spans that wait for others to fill a request with.
#[derive(Default)]
struct Gathered {
    spans: Vec<ResourceSpans>,
    count: u64,
    due: Option<Instant>,
}

impl Gathered {
    fn add(&mut self, piece: Vec<ResourceSpans>) {
        self.count += span_count(&piece);
        self.spans.extend(piece);
        self.due.get_or_insert_with(|| Instant::now() + LINGER);
    }

    fn take(&mut self) -> Vec<ResourceSpans> {
        std::mem::take(self).spans
    }

    /// Ends when the first has waited long enough.
    async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
