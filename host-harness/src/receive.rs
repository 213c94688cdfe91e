//! OTLP in, over gRPC and over HTTP, into a store: a sender is told OK once its spans are there.
//! Knows nothing of where they go from there.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/>
//!
//! `Receiver::new(store, ReceiverOptions::default())` answers `TraceService/Export` and `POST /v1/traces`

mod access;
mod admin;
mod body;
mod budget;
mod connections;
mod grpc;
mod http;
mod intake;
mod metrics;
mod refusal;
mod reply;
mod save;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::{Body, Bytes};
use hyper::{Request, Response};
use tokio::time::timeout;

pub use access::{Token, TokenError};
pub use admin::{METRICS_PORT, watch};
pub use connections::{Served, serve};
pub use metrics::{Metrics, exposition};
pub use reply::Reply;
pub use save::Saver;

use crate::store::Store;
use budget::Budget;
use intake::Intake;
use refusal::Refusal;

/// The port of OTLP over gRPC.
pub const GRPC_PORT: u16 = 4317;

/// The port of OTLP over HTTP.
pub const HTTP_PORT: u16 = 4318;

/// What a receiver takes, and from whom.
#[derive(Clone, Debug)]
pub struct ReceiverOptions {
    /// The largest request in bytes, unpacked.
    pub max_request_bytes: usize,
    /// The most bytes of requests, packed and unpacked, that are held at once; more are asked to come again.
    pub max_memory_bytes: usize,
    /// The most connections at once on one port; more wait.
    pub max_connections: usize,
    /// How long a request may take to arrive, and then to be stored.
    pub request_timeout: Duration,
    /// How long a connection may be silent.
    pub idle_timeout: Duration,
    /// What every request has to carry as `authorization: Bearer …`.
    pub token: Option<Token>,
    /// Where all that is stored is written, too.
    pub saver: Option<Saver>,
}

impl Default for ReceiverOptions {
    /// 20 MiB as the OpenTelemetry Collector over HTTP, 256 MiB, 4,096 connections, 30 s, 2 min, no token, no file.
    fn default() -> Self {
        Self {
            max_request_bytes: 20 << 20,
            max_memory_bytes: 256 << 20,
            max_connections: 4_096,
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            token: None,
            saver: None,
        }
    }
}

/// Answers requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Receiver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    intake: Intake,
    budget: Budget,
    metrics: Arc<Metrics>,
    options: ReceiverOptions,
    is_draining: AtomicBool,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Protocol {
    Grpc,
    Http,
}

impl Receiver {
    /// A receiver that puts spans into `store`.
    pub fn new(store: Store, options: ReceiverOptions) -> Self {
        let metrics = Arc::new(Metrics::default());
        let intake = Intake::new(store, Arc::clone(&metrics), options.saver.clone());
        let budget = Budget::new(options.max_memory_bytes);
        Self(Arc::new(Shared { intake, budget, metrics, options, is_draining: AtomicBool::new(false) }))
    }

    /// What it counted.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The bytes of requests that it holds now.
    pub fn memory_bytes(&self) -> usize {
        self.0.budget.used_bytes()
    }

    /// From now on it says that it is not ready; requests are answered still.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether it is to be sent to.
    pub fn is_ready(&self) -> bool {
        !self.0.is_draining.load(Ordering::Relaxed)
    }

    /// The answer to a request of either protocol.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Reply>
    where
        B: Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        if grpc::is_meant(request.headers()) {
            grpc::answer(self, request).await
        } else {
            http::answer(self, request).await
        }
    }

    fn check_access(&self, headers: &hyper::HeaderMap) -> Result<(), Refusal> {
        match &self.0.options.token {
            Some(token) if !token.is_borne_by(headers) => Err(Refusal::Token),
            _ => Ok(()),
        }
    }

    /// A request's body, whole and as it came.
    async fn read<B>(&self, body: B, share: &mut budget::Share<'_>) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let (limit, patience) = (self.0.options.max_request_bytes, self.0.options.request_timeout);
        let whole = timeout(patience, body::whole(body, limit, share)).await;
        whole.unwrap_or(Err(Refusal::Slow(patience)))
    }

    /// Puts a message into the store, within the time that it may take.
    async fn take(
        &self,
        message: Bytes,
        format: intake::Format,
        share: &mut budget::Share<'_>,
    ) -> Result<intake::Taken, Refusal> {
        let stored = self.0.intake.take(message, format, share);
        let taken = timeout(self.0.options.request_timeout, stored).await;
        taken.unwrap_or(Err(Refusal::Stalled))
    }
}

#[cfg(test)]
mod tests;
