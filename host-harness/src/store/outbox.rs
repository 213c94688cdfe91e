//! What is yet to be sent to one destination, in the order in which it came.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prost::bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Kept, Store, StoreError, int, unsigned};

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the order; grows, not by one.
    pub position: u64,
    /// An encoded `ExportTraceServiceRequest`, as it came.
    pub request: Bytes,
    /// Its spans.
    pub spans: u64,
}

/// What became of requests' spans: each is in exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Taken by the destination.
    pub exported: u64,
    /// Refused by the destination.
    pub rejected: u64,
    /// Given up, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// The requests for one destination. What was taken and not settled comes again from the next outbox of that name.
#[derive(Debug)]
pub struct Outbox {
    store: Store,
    destination: String,
    /// The last one that was taken.
    taken: Option<u64>,
    /// Position and spans of those that were taken and are not settled.
    open: Mutex<VecDeque<(u64, u64)>>,
}

impl Outbox {
    pub(super) fn new(store: Store, destination: &str) -> Self {
        Self { store, destination: destination.to_owned(), taken: None, open: Mutex::default() }
    }

    /// The next requests, at least one and then as many as fit into `max_bytes`; waits until there is one.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read, or knows no such destination.
    pub async fn next(&mut self, max_bytes: usize) -> Result<Vec<Entry>, StoreError> {
        let mut committed = self.store.newest();
        loop {
            committed.mark_unchanged();
            let entries = self.read(max_bytes)?;
            if let Some(last) = entries.last() {
                self.taken = Some(last.position);
                self.open().extend(entries.iter().map(|entry| (entry.position, entry.spans)));
                return Ok(entries);
            }
            committed.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }

    /// Says what became of all requests up to `position`, in the order in which they were taken. It is in the file
    /// when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be written: then nothing is settled, and the same may be said again.
    pub async fn settle(&self, position: u64, settled: Settled) -> Result<(), StoreError> {
        let mut settling = Vec::new();
        {
            let mut open = self.open();
            while let Some(entry) = open.pop_front_if(|(own, _)| *own <= position) {
                settling.push(entry);
            }
        }
        let outcome = self.store.settle(&self.destination, (position, settling.clone()), settled).await;
        if outcome.is_err() {
            let mut open = self.open();
            settling.into_iter().rev().for_each(|entry| open.push_front(entry));
        }
        outcome
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<(u64, u64)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next requests that are there.
    fn read(&self, max_bytes: usize) -> Result<Vec<Entry>, StoreError> {
        let position = match self.taken {
            Some(position) => position,
            None => self.position()?,
        };
        let shared = match &*self.store.0 {
            Kept::InDatabase(shared) => shared,
            Kept::InQueue(queue) => return Ok(queue.after(position, max_bytes)),
        };
        if position >= *shared.committed.borrow() {
            return Ok(Vec::new());
        }
        match shared.recent.after(position, usize::MAX, max_bytes) {
            Some(entries) => Ok(entries),
            None => shared.file.read(|connection| read(connection, position, usize::MAX, max_bytes)),
        }
    }

    /// Up to where all is settled.
    fn position(&self) -> Result<u64, StoreError> {
        let shared = match &*self.store.0 {
            Kept::InDatabase(shared) => shared,
            Kept::InQueue(queue) => return queue.position(&self.destination),
        };
        let found: Option<i64> = shared.file.read(|connection| {
            let mut select = connection.prepare("SELECT position FROM destinations WHERE name = ?1")?;
            select.query_row(params![self.destination], |row| row.get(0)).optional()
        })?;
        let found = found.ok_or_else(|| StoreError::Destination(self.destination.clone()))?;
        Ok(unsigned(found))
    }
}

/// The requests after `position` in the file: the first and then at most `max_requests` as far as they fit into
/// `max_bytes`.
pub(super) fn read(
    connection: &Connection,
    position: u64,
    max_requests: usize,
    max_bytes: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let sql = "SELECT seq, spans, request FROM batches WHERE seq > ?1 ORDER BY seq";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([int(position)])?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while entries.len() < max_requests
        && let Some(row) = rows.next()?
    {
        let request: Vec<u8> = row.get(2)?;
        bytes += request.len();
        if bytes > max_bytes && !entries.is_empty() {
            break;
        }
        let number = |column| row.get(column).map(unsigned);
        entries.push(Entry { position: number(0)?, spans: number(1)?, request: request.into() });
    }
    Ok(entries)
}
