//! The thread that follows the writer: requests → rows that searches read.
//!
//! A trace's row tells of all its spans, so a request with more of them rewrites it. Where the thread stopped is
//! in the same transaction as what it wrote: a process that was killed goes on there.

mod rest;
mod returning;
mod traces;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rusqlite::Connection;

use super::file::File;
use super::names::Names;
use super::progress::Progress;
use super::recent::Recent;
use super::upkeep::Upkeep;
use super::{Entry, StoreError, StoreOptions, int, outbox, unsigned};
use traces::Traces;

/// The most requests, and the most of their bytes, in one transaction: it bounds how long the writer waits for it.
const MAX_REQUESTS: usize = 64;
const MAX_BYTES: usize = 4 << 20;

/// How many transactions there may be once the store goes: some seconds.
const MAX_LAST_STEPS: usize = 1 << 10;

/// How often the age of what is kept is looked at, and how long a thread that failed rests.
const TICK: Duration = Duration::from_millis(500);

/// Starts the thread, which ends when the store does.
pub(super) fn start(
    file: Arc<File>,
    options: &StoreOptions,
    marks: (Arc<Progress>, Arc<Recent>),
) -> Result<JoinHandle<()>, StoreError> {
    let connection = file.connect_to_write(options.max_bytes)?;
    let upkeep = Upkeep::new(Arc::clone(&file), options);
    let indexer = Indexer::new(Arc::clone(&file), connection, marks, upkeep);
    let mut indexer = indexer.map_err(|error| file.failed(&error))?;
    let thread = thread::Builder::new().name("store-index".to_owned()).spawn(move || indexer.run());
    thread.map_err(|error| file.refused(&error))
}

struct Indexer {
    file: Arc<File>,
    connection: Connection,
    progress: Arc<Progress>,
    recent: Arc<Recent>,
    upkeep: Upkeep,
    names: Names,
    traces: Traces,
    /// The last request that was taken in.
    indexed: u64,
}

/// Spans that have no place among the traces.
#[derive(Clone, Copy, Default)]
struct Aside {
    duplicates: u64,
    unreadable: u64,
}

impl Indexer {
    fn new(
        file: Arc<File>,
        connection: Connection,
        (progress, recent): (Arc<Progress>, Arc<Recent>),
        upkeep: Upkeep,
    ) -> rusqlite::Result<Self> {
        // The rows can be made again from the requests, so a commit need not wait for the disk.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let sql = "SELECT value FROM counts WHERE name = 'indexed'";
        let indexed = connection.query_row(sql, [], |row| row.get(0).map(unsigned))?;
        progress.update(|marks| marks.indexed = indexed);
        let (names, traces) = (Names::new(&connection)?, Traces::new(&connection)?);
        Ok(Self { file, connection, progress, recent, upkeep, names, traces, indexed })
    }

    fn run(&mut self) {
        let mut has_failed = false;
        loop {
            let marks = self
                .progress
                .wait(TICK, |marks| marks.is_ending || (!has_failed && marks.committed > self.indexed));
            if marks.is_ending {
                self.finish();
                return;
            }
            let outcome = self.follow();
            if let Err(error) = &outcome
                && !has_failed
            {
                tracing::warn!(
                    "{}; searches do not see the newest spans until it succeeds",
                    self.file.failed(error)
                );
            }
            has_failed = outcome.is_err();
            self.progress.update(|marks| marks.is_stuck = has_failed);
        }
    }

    /// Takes in what is left: whoever looks next may not be allowed to.
    fn finish(&mut self) {
        for _ in 0..MAX_LAST_STEPS {
            if !matches!(self.take(), Ok(true)) {
                return;
            }
        }
    }

    /// Takes in the next requests, lets the oldest go, and keeps the log short.
    fn follow(&mut self) -> rusqlite::Result<()> {
        let outcome = self.take().and_then(|any| self.evict().map(|()| any));
        if outcome.is_err() {
            // What is in memory may be ahead of the file, where nothing of it is.
            self.names = Names::new(&self.connection)?;
            self.traces = Traces::new(&self.connection)?;
        }
        let is_idle = !outcome?;
        self.upkeep.shorten_log(&self.connection, is_idle)
    }

    /// Takes in the next requests, if there are any.
    fn take(&mut self) -> rusqlite::Result<bool> {
        let batches = self.batches()?;
        let Some(last) = batches.last().map(|batch| batch.position) else { return Ok(false) };
        let mut aside = Aside::default();
        for batch in &batches {
            let other = self.take_one(batch)?;
            aside.duplicates += other.duplicates;
            aside.unreadable += other.unreadable;
        }
        {
            let _alone = self.file.write();
            let transaction = self.connection.unchecked_transaction()?;
            self.names.write(&transaction)?;
            self.traces.write(&transaction)?;
            let mut count = transaction.prepare("UPDATE counts SET value = value + ?2 WHERE name = ?1")?;
            count.execute(("duplicates", int(aside.duplicates)))?;
            count.execute(("unreadable", int(aside.unreadable)))?;
            count.execute(("indexed", int(last - self.indexed)))?;
            drop(count);
            transaction.commit()?;
        }
        self.indexed = last;
        let bytes: usize = batches.iter().map(|batch| batch.request.len()).sum();
        self.upkeep.logged_bytes += bytes;
        self.progress.update(|marks| {
            marks.indexed = last;
            marks.unindexed_bytes = marks.unindexed_bytes.saturating_sub(bytes);
        });
        Ok(true)
    }

    /// The next requests, in order.
    fn batches(&self) -> rusqlite::Result<Vec<Entry>> {
        match self.recent.after(self.indexed, MAX_REQUESTS, MAX_BYTES) {
            Some(batches) => Ok(batches),
            None => outbox::read(&self.connection, self.indexed, MAX_REQUESTS, MAX_BYTES),
        }
    }

    fn take_one(&mut self, batch: &Entry) -> rusqlite::Result<Aside> {
        let Ok(request) = ExportTraceServiceRequest::decode(batch.request.clone()) else {
            return Ok(Aside { unreadable: batch.spans, ..Aside::default() });
        };
        self.traces.add(&self.connection, &mut self.names, batch.position, &request)
    }

    /// Lets the oldest go until the bounds hold.
    fn evict(&mut self) -> rusqlite::Result<()> {
        let traces = &mut self.traces;
        let gone = |rows| traces.forget(rows);
        self.upkeep.evict(&self.connection, self.indexed, &mut self.names, gone)
    }
}
