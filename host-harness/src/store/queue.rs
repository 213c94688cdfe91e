//! An outbox in memory, for a store that keeps no traces and no file: requests wait here until they are sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prost::bytes::Bytes;
use tokio::sync::watch;

use super::evict::{BY_AGE, BY_SIZE, EVICTED, SETTLED};
use super::losses::Losses;
use super::recent::taken;
use super::writer::now_ms;
use super::{DestinationStats, Entry, Settled, StoreError, StoreOptions, StoreStats};

/// What a request takes beside its bytes, about.
const ENTRY_BYTES: u64 = 128;

/// Requests that are yet to be sent, with bounds.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// The last request that came.
    last: watch::Sender<u64>,
}

#[derive(Debug)]
struct Waiting {
    max_bytes: u64,
    max_age_ms: i64,
    entries: VecDeque<(i64, Entry)>,
    bytes: u64,
    last: u64,
    destinations: BTreeMap<String, Destination>,
    stats: StoreStats,
    losses: Losses,
}

/// Up to where all is settled, and how.
#[derive(Debug, Default)]
struct Destination {
    position: u64,
    stats: DestinationStats,
}

impl Queue {
    pub(super) fn new(options: &StoreOptions) -> Self {
        let names = options.destinations.iter().cloned();
        let waiting = Waiting {
            max_bytes: options.max_bytes,
            max_age_ms: i64::try_from(options.max_age.as_millis()).unwrap_or(i64::MAX),
            entries: VecDeque::new(),
            bytes: 0,
            last: 0,
            destinations: names.map(|name| (name, Destination::default())).collect(),
            stats: StoreStats::default(),
            losses: Losses::new(&options.destinations),
        };
        Self { waiting: Mutex::new(waiting), last: watch::Sender::new(0) }
    }

    /// Keeps a request. It is copied: a part of a connection's buffer would hold all of that.
    pub(super) fn append(&self, request: &Bytes, spans: u64) {
        let request = Bytes::copy_from_slice(request);
        let last = {
            let mut waiting = self.lock();
            waiting.last += 1;
            waiting.bytes += size(&request);
            waiting.stats.received += spans;
            waiting.stats.requests += 1;
            waiting.stats.kept += spans;
            let entry = Entry { position: waiting.last, request, spans };
            waiting.entries.push_back((now_ms(), entry));
            waiting.keep_bounds();
            waiting.last
        };
        self.last.send_replace(last);
    }

    /// The last request that came, to wait for the next.
    pub(super) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Up to where all is settled for `destination`.
    pub(super) fn position(&self, destination: &str) -> Result<u64, StoreError> {
        let waiting = self.lock();
        let found = waiting.destinations.get(destination).map(|destination| destination.position);
        found.ok_or_else(|| StoreError::Destination(destination.to_owned()))
    }

    /// The requests after `position`: the first and as many more as fit.
    pub(super) fn after(&self, position: u64, max_bytes: usize) -> Vec<Entry> {
        let mut waiting = self.lock();
        waiting.keep_bounds();
        let first = waiting.entries.front().map_or(0, |(_, entry)| entry.position);
        let skipped = usize::try_from((position + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        taken(waiting.entries.iter().skip(skipped).map(|(_, entry)| entry), max_bytes)
    }

    /// Says what became of the entries up to a position, given by position and spans.
    pub(super) fn settle(
        &self,
        destination: &str,
        (position, entries): &(u64, Vec<(u64, u64)>),
        settled: &Settled,
    ) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        let own = waiting.destinations.get_mut(destination);
        let own = own.ok_or_else(|| StoreError::Destination(destination.to_owned()))?;
        // What went while it was under way has been counted as dropped, and now turns out not to be.
        let gone: u64 = entries.iter().filter(|(seq, _)| *seq <= own.position).map(|(_, spans)| spans).sum();
        if let Some(dropped) = own.stats.dropped.get_mut(EVICTED) {
            *dropped = dropped.saturating_sub(gone);
        }
        own.position = own.position.max(*position);
        own.stats.exported += settled.exported;
        own.stats.rejected += settled.rejected;
        for (reason, spans) in &settled.dropped {
            *own.stats.dropped.entry(reason.clone()).or_default() += spans;
        }
        let settled_by_all = waiting.destinations.values().map(|own| own.position).min().unwrap_or(u64::MAX);
        while waiting.entries.front().is_some_and(|(_, entry)| entry.position <= settled_by_all) {
            waiting.let_go(SETTLED);
        }
        Ok(())
    }

    pub(super) fn stats(&self) -> StoreStats {
        let mut waiting = self.lock();
        waiting.keep_bounds();
        let queued = |position: u64| {
            let unsettled = waiting.entries.iter().filter(|(_, entry)| entry.position > position);
            unsettled.map(|(_, entry)| entry.spans).sum()
        };
        let destinations = waiting.destinations.iter().map(|(name, own)| {
            (name.clone(), DestinationStats { queued: queued(own.position), ..own.stats.clone() })
        });
        let destinations = destinations.collect();
        StoreStats { destinations, file_bytes: 0, ..waiting.stats.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Lets the oldest go until the bounds hold.
    fn keep_bounds(&mut self) {
        while self.bytes > self.max_bytes {
            self.let_go(BY_SIZE);
        }
        let before = now_ms().saturating_sub(self.max_age_ms);
        while self.entries.front().is_some_and(|(received_ms, _)| *received_ms < before) {
            self.let_go(BY_AGE);
        }
        self.losses.tell();
    }

    /// Lets the oldest go; whoever did not get it, will not.
    fn let_go(&mut self, reason: &'static str) {
        let Some((_, oldest)) = self.entries.pop_front() else { return };
        self.bytes -= size(&oldest.request);
        self.stats.kept -= oldest.spans;
        *self.stats.evicted.entry(reason.to_owned()).or_default() += oldest.spans;
        let waiting = self.destinations.iter_mut().filter(|(_, own)| own.position < oldest.position);
        for (name, own) in waiting {
            own.position = oldest.position;
            *own.stats.dropped.entry(EVICTED.to_owned()).or_default() += oldest.spans;
            self.losses.add(name, reason, oldest.spans);
        }
    }
}

fn size(request: &Bytes) -> u64 {
    request.len() as u64 + ENTRY_BYTES
}
