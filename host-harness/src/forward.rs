//! What the store keeps, sent on to several destinations at once, each at its own pace: one that is down holds
//! up no other. What can be sent later stays in the store until then; what is refused for good is counted.
//! Knows nothing of how spans came or how they are shown.
//!
//! `--forward https://otel:4317,identity=spiffe://cluster.local/ns/tracing/sa/collector`

mod destination;
mod sending;

pub use destination::{Destination, DestinationError};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{
    export::{Courier, ExportError, ExportFailure, ExporterConfig},
    store::Store,
};
use sending::{Counters, Sending};

/// Why nothing is sent on.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The endpoint, a header or a certificate of a destination cannot be used.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Their positions could not be told apart.
    #[error("two destinations are called {0}: name=… tells them apart")]
    SameName(String),
}

/// What was done for one destination since the start; what became of the spans over all starts, the store knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardStats {
    /// Spans that it took.
    pub exported: u64,
    /// Spans that it refused in partial successes.
    pub rejected: u64,
    /// Spans that it refused for good, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Requests that are settled.
    pub requests: u64,
    /// Attempts after the first of each request.
    pub retries: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Why the last attempt failed; `None` if it did not.
    pub failure: Option<ExportFailure>,
}

/// Sends until it is told to stop.
#[derive(Debug)]
pub struct Forwarder {
    running: BTreeMap<String, Running>,
    tasks: JoinSet<()>,
    /// Ends with what it is about.
    _told: JoinSet<()>,
    stop: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Running {
    courier: Arc<Courier>,
    counters: Arc<Counters>,
}

impl Forwarder {
    /// Begins to send to each of `destinations`, which `store` was opened with, from where it was left. To be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// [`ForwardError`] names the destination that cannot be sent to.
    pub fn start(store: &Store, destinations: Vec<Destination>) -> Result<Self, ForwardError> {
        let stop = watch::Sender::new(None);
        let (mut names, mut ready) = (BTreeSet::new(), Vec::new());
        for Destination { name, config } in destinations {
            if !names.insert(name.clone()) {
                return Err(ForwardError::SameName(name));
            }
            let config = ExporterConfig { retry: config.retry.endless(), ..config };
            let courier = Arc::new(Courier::new(&config, stop.subscribe())?);
            ready.push((name, config.max_in_flight, courier));
        }
        let (mut running, mut tasks, mut told) = (BTreeMap::new(), JoinSet::new(), JoinSet::new());
        for (name, max_in_flight, courier) in ready {
            let counters = Arc::new(Counters::default());
            let outbox = store.outbox(&name);
            let kept = (Arc::clone(&courier), Arc::clone(&counters));
            told.spawn(sending::tell(name.clone(), courier.trouble()));
            tasks.spawn(Sending::new(name.clone(), outbox, kept, max_in_flight).run(stop.subscribe()));
            running.insert(name, Running { courier, counters });
        }
        Ok(Self { running, tasks, _told: told, stop })
    }

    /// What was done for each destination, by name.
    pub fn stats(&self) -> BTreeMap<String, ForwardStats> {
        self.running.iter().map(|(name, running)| (name.clone(), running.stats())).collect()
    }

    /// Sends what the store holds within `limit`, and ends; what is not sent by then, the store keeps for the
    /// next start.
    pub async fn stop(mut self, limit: Duration) -> BTreeMap<String, ForwardStats> {
        self.stop.send_replace(Some(Instant::now() + limit));
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        self.stats()
    }
}

impl Running {
    fn stats(&self) -> ForwardStats {
        ForwardStats { failure: self.courier.trouble().borrow().clone(), ..self.counters.stats() }
    }
}

#[cfg(test)]
mod tests;
