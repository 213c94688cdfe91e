//! What a receiver counts: every request once, and of those that could be read every span once.

mod histogram;
mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use histogram::Histogram;

use super::intake::Taken;
use super::{Protocol, Refusal};

pub use text::exposition;

/// A receiver's counters. A span that was read is in exactly one of stored, rejected and failed.
#[derive(Debug)]
pub struct Metrics {
    /// By protocol and outcome.
    requests: Mutex<BTreeMap<(Protocol, &'static str), u64>>,
    stored: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    connections: AtomicU64,
    /// Of messages, unpacked.
    pub(super) request_bytes: Histogram,
    /// From a message's hand-over to the store until it is there, in microseconds.
    store_micros: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            stored: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            request_bytes: Histogram::new(&[
                256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
            ]),
            store_micros: Histogram::new(&[
                100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
                5_000_000,
            ]),
        }
    }
}

impl Metrics {
    /// Spans that were stored.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Spans that were refused for their ids.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Spans that could not be stored, which their senders were told to send again.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Requests by outcome: `accepted`, `partial`, or why they were refused.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        let mut outcomes = BTreeMap::new();
        for ((_, outcome), requests) in self.by_protocol() {
            *outcomes.entry(outcome).or_default() += requests;
        }
        outcomes
    }

    fn by_protocol(&self) -> BTreeMap<(Protocol, &'static str), u64> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count_request(&self, protocol: Protocol, outcome: &Result<Taken, Refusal>) {
        let outcome = match outcome {
            Ok(taken) if taken.rejected == 0 => "accepted",
            Ok(_) => "partial",
            Err(refusal) => refusal.reason(),
        };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((protocol, outcome)).or_default() += 1;
    }

    pub(super) fn count_rejected(&self, spans: u64) {
        self.rejected.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn count_stored(&self, spans: u64, is_stored: bool, took: Duration) {
        let counter = if is_stored { &self.stored } else { &self.failed };
        counter.fetch_add(spans, Ordering::Relaxed);
        self.store_micros.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a connection until what this returns is dropped.
    pub(super) fn connection(&self) -> Connection<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connection(self)
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection<'a>(&'a Metrics);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
