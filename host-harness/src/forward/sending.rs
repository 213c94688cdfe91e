//! One destination: out of its outbox, several requests at once, settled in the order in which they came.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prost::bytes::{Bytes, BytesMut};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::ForwardStats;
use crate::{
    counted::counted,
    export::{Courier, ExportFailure, ExportReport, INTERRUPTED},
    store::{Entry, Outbox, Settled, StoreError},
};

/// Small requests that wait are sent as one, up to this: more at once serves nobody.
const MAX_MERGED_BYTES: usize = 512 << 10;

/// How long a store that cannot be read or written is left alone.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// What was done, for all to see.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<ForwardStats>);

impl Counters {
    pub(super) fn stats(&self) -> ForwardStats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut ForwardStats)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Requests on their way as one.
struct Flying {
    /// Of the last of them.
    position: u64,
    report: JoinHandle<ExportReport>,
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.report.abort();
    }
}

/// What is settled and not yet in the store.
#[derive(Default)]
struct Unwritten {
    position: Option<u64>,
    settled: Settled,
}

pub(super) struct Sending {
    name: String,
    outbox: Outbox,
    courier: Arc<Courier>,
    counters: Arc<Counters>,
    max_in_flight: usize,
    flying: VecDeque<Flying>,
    unwritten: Unwritten,
}

impl Sending {
    pub(super) fn new(
        name: String,
        outbox: Outbox,
        (courier, counters): (Arc<Courier>, Arc<Counters>),
        max_in_flight: usize,
    ) -> Self {
        let (flying, unwritten) = (VecDeque::new(), Unwritten::default());
        Self { name, outbox, courier, counters, max_in_flight, flying, unwritten }
    }

    /// Sends until the store ends, or until `stop` holds an instant and there is nothing left or it is over.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<Option<Instant>>) {
        loop {
            let is_stopping = stop.borrow_and_update().is_some();
            let most = if self.courier.is_proven() { self.max_in_flight } else { 1 };
            let has_room = self.flying.len() < most;
            if is_stopping && self.flying.is_empty() && !self.take_what_is_there().await {
                break;
            }
            let max_bytes = self.courier.max_bytes().min(MAX_MERGED_BYTES);
            tokio::select! {
                entries = self.outbox.next(max_bytes), if has_room => match entries {
                    Ok(entries) => self.launch(entries),
                    Err(StoreError::Closed) => break,
                    Err(error) => self.store_failed(&error).await,
                },
                report = landed(&mut self.flying), if !self.flying.is_empty() => {
                    if !self.land(report).await {
                        break;
                    }
                }
                _ = stop.changed(), if !is_stopping => {}
            }
        }
        self.write().await;
    }

    /// Launches what the outbox holds now; false if that is nothing.
    async fn take_what_is_there(&mut self) -> bool {
        match timeout(Duration::ZERO, self.outbox.next(MAX_MERGED_BYTES)).await {
            Ok(Ok(entries)) => {
                self.launch(entries);
                true
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }

    fn launch(&mut self, entries: Vec<Entry>) {
        let Some(position) = entries.last().map(|entry| entry.position) else { return };
        let spans = entries.iter().map(|entry| entry.spans).sum();
        let courier = Arc::clone(&self.courier);
        let report = tokio::spawn(async move { courier.deliver(merge(entries), spans).await });
        self.flying.push_back(Flying { position, report });
        self.count_flying();
    }

    /// Settles the first request and all behind it that are done; false if it was given up because of a stop.
    async fn land(&mut self, first: ExportReport) -> bool {
        let mut next = Some(first);
        while let Some(report) = next.take() {
            let Some(position) = self.flying.pop_front().map(|flying| flying.position) else { break };
            if report.dropped.contains_key(INTERRUPTED) {
                self.flying.clear();
                self.count_flying();
                return false;
            }
            self.settle(position, report);
            if self.flying.front().is_some_and(|flying| flying.report.is_finished()) {
                next = Some(landed(&mut self.flying).await);
            }
        }
        self.count_flying();
        self.write().await;
        true
    }

    fn settle(&mut self, position: u64, report: ExportReport) {
        for warning in &report.warnings {
            tracing::warn!("{}: {warning}", self.name);
        }
        if let Some(failure) = report.failure.filter(|_| !report.dropped.is_empty()) {
            let dropped: u64 = report.dropped.values().sum();
            tracing::warn!("{}: {} refused for good: {failure}", self.name, counted(dropped, "span"));
        }
        self.counters.change(|stats| {
            stats.exported += report.exported;
            stats.rejected += report.rejected;
            stats.requests += 1;
            stats.retries += report.retries;
            add(&mut stats.dropped, &report.dropped);
        });
        let Unwritten { position: last, settled } = &mut self.unwritten;
        *last = Some(position);
        settled.exported += report.exported;
        settled.rejected += report.rejected;
        add(&mut settled.dropped, &report.dropped);
    }

    /// Writes down what is settled; what cannot be written is written with the next.
    async fn write(&mut self) {
        let Some(position) = self.unwritten.position else { return };
        match self.outbox.settle(position, self.unwritten.settled.clone()).await {
            Ok(()) => self.unwritten = Unwritten::default(),
            Err(error) => self.store_failed(&error).await,
        }
    }

    async fn store_failed(&self, error: &StoreError) {
        tracing::warn!("{}: {error}", self.name);
        sleep(STORE_WAIT).await;
    }

    fn count_flying(&self) {
        let in_flight = u64::try_from(self.flying.len()).unwrap_or(u64::MAX);
        self.counters.change(|stats| stats.in_flight = in_flight);
    }
}

/// The report of the first; nothing is lost if this is given up and asked again.
async fn landed(flying: &mut VecDeque<Flying>) -> ExportReport {
    let Some(first) = flying.front_mut() else { return std::future::pending().await };
    match (&mut first.report).await {
        Ok(report) => report,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Cancelled with the whole runtime.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Several requests are one when their bytes stand behind each other: repeated fields add up in protobuf.
fn merge(entries: Vec<Entry>) -> Bytes {
    let bytes = entries.iter().map(|entry| entry.request.len()).sum();
    let mut requests = entries.into_iter().map(|entry| entry.request);
    match (requests.next(), requests.len()) {
        (Some(alone), 0) => alone,
        (first, _) => {
            let mut merged = BytesMut::with_capacity(bytes);
            first.into_iter().chain(requests).for_each(|request| merged.extend_from_slice(&request));
            merged.freeze()
        }
    }
}

fn add(sums: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (reason, spans) in more {
        *sums.entry(reason.clone()).or_default() += spans;
    }
}

/// Says once that a destination fails, and once that it is back.
pub(super) async fn tell(name: String, mut trouble: watch::Receiver<Option<ExportFailure>>) {
    let mut is_failing = false;
    while trouble.changed().await.is_ok() {
        let now = trouble.borrow_and_update().clone();
        match now {
            Some(failure) if !is_failing => {
                tracing::warn!("{name} takes no spans, which are kept meanwhile: {failure}");
                is_failing = true;
            }
            None if is_failing => {
                tracing::info!("{name} takes spans again");
                is_failing = false;
            }
            _ => {}
        }
    }
}
