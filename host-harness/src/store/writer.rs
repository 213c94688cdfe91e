//! The one thread that writes: what callers hand in at the same time becomes one transaction.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::bytes::Bytes;
use rusqlite::{Connection, Transaction, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::evict::{EVICTED, drop_for, evict_settled};
use super::file::File;
use super::progress::{Marks, Progress};
use super::recent::Recent;
use super::{Entry, Settled, StoreError, StoreOptions, int};

/// The most bytes of requests in one transaction: it bounds how long the first waits for the last.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// The most bytes of requests that searches may not see yet before the writer waits for the indexer, and for how
/// long it does so: if the indexer fails, what can be kept is kept all the same.
const MAX_UNINDEXED_BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(1);

/// The size to which the log is cut when it begins anew.
pub(super) const MAX_LOG_BYTES: u64 = 64 << 20;

/// Whom the outcome is told.
type Reply = oneshot::Sender<Result<(), StoreError>>;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Command {
    Append(Append),
    Settle(Settlement),
    /// Whether anything can be written.
    Probe(Reply),
}

/// A request to keep.
#[derive(Debug)]
pub(super) struct Append {
    request: Bytes,
    spans: u64,
    reply: Reply,
}

/// Starts the thread, which ends when `waiting` does; it tells the last request in the file.
pub(super) fn start(
    file: Arc<File>,
    options: &StoreOptions,
    (progress, recent): (Arc<Progress>, Arc<Recent>),
    waiting: mpsc::Receiver<Command>,
) -> Result<(JoinHandle<()>, watch::Receiver<u64>), StoreError> {
    let connection = file.connect_to_write(options.max_bytes)?;
    let last = begin(&connection, options).map_err(|error| file.failed(&error))?;
    progress.update(|marks| marks.committed = last);
    let (committed, watched) = watch::channel(last);
    // Without traces, what all of these have settled goes.
    let let_go_after = (!options.keeps_traces).then(|| options.destinations.clone());
    let writer = Writer {
        file: Arc::clone(&file),
        connection,
        last,
        committed,
        progress,
        recent,
        let_go_after,
        refused_bytes: 0,
    };
    let thread = thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(waiting));
    Ok((thread.map_err(|error| file.refused(&error))?, watched))
}

/// Makes the connection durable and the destinations known; the last request in the file.
fn begin(connection: &Connection, options: &StoreOptions) -> rusqlite::Result<u64> {
    // A commit is on the disk when it returns: neither a kill nor a power cut costs what was acknowledged.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", int(MAX_LOG_BYTES), |_| Ok(()))?;
    let last: i64 =
        connection.query_row("SELECT value FROM counts WHERE name = 'last'", [], |row| row.get(0))?;
    for name in &options.destinations {
        let sql = "INSERT OR IGNORE INTO destinations (name, position) VALUES (?1, ?2)";
        connection.execute(sql, params![name, last])?;
    }
    Ok(u64::try_from(last).unwrap_or(0))
}

struct Writer {
    file: Arc<File>,
    connection: Connection,
    last: u64,
    committed: watch::Sender<u64>,
    progress: Arc<Progress>,
    recent: Arc<Recent>,
    let_go_after: Option<Vec<String>>,
    /// The most bytes that could not be written since something last could.
    refused_bytes: usize,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut bytes = first.bytes();
            let mut group = vec![first];
            while bytes < MAX_GROUP_BYTES
                && let Ok(next) = waiting.try_recv()
            {
                bytes += next.bytes();
                group.push(next);
            }
            // Otherwise senders could be faster than the bounds are kept.
            let has_kept_up = |marks: &Marks| marks.is_stuck || marks.unindexed_bytes <= MAX_UNINDEXED_BYTES;
            self.progress.wait(PATIENCE, has_kept_up);
            let outcome = self.file.check_place().and_then(|()| self.check_room(&group));
            let outcome = outcome.and_then(|()| self.write(&group).map_err(|error| self.file.failed(&error)));
            self.tell(outcome.as_ref().err(), bytes, &group);
            if let Ok(last) = outcome {
                self.recent.push(entries(&group, self.last));
                self.last = last;
                self.committed.send_replace(last);
                self.progress.update(|marks| {
                    marks.committed = last;
                    marks.unindexed_bytes += bytes;
                });
            }
            for command in group {
                // Whoever does not wait any more does not want to know.
                let _ = command.reply().send(outcome.clone().map(|_| ()));
            }
        }
    }

    /// Whoever asks whether something can be written means what could not be: one page more fits on most full disks.
    fn check_room(&self, group: &[Command]) -> Result<(), StoreError> {
        if self.refused_bytes == 0 || !group.iter().any(Command::probes) {
            return Ok(());
        }
        self.file.check_room(self.refused_bytes)
    }

    /// Says once that nothing can be written, and once that it is over: as much is written as could not be, or there
    /// is room for it.
    fn tell(&mut self, failure: Option<&StoreError>, bytes: usize, group: &[Command]) {
        match failure {
            Some(_) => self.refused_bytes = self.refused_bytes.max(bytes),
            None if bytes < self.refused_bytes && !group.iter().any(Command::probes) => return,
            None => self.refused_bytes = 0,
        }
        let before = self.file.trouble(failure.cloned());
        match (before, failure) {
            (None, Some(error)) => tracing::error!("{error}; senders are told to come again"),
            (Some(_), None) => tracing::info!("{} is written again", self.file.path().display()),
            _ => {}
        }
    }

    /// Writes all of the group or nothing; the last request in the file.
    fn write(&mut self, group: &[Command]) -> rusqlite::Result<u64> {
        let _alone = self.file.write();
        let now = now_ms();
        let mut last = self.last;
        let transaction = self.connection.transaction()?;
        let (mut requests, mut spans) = (0, 0);
        {
            let mut insert = transaction
                .prepare("INSERT INTO batches (seq, received_ms, spans, request) VALUES (?1, ?2, ?3, ?4)")?;
            for command in group {
                match command {
                    Command::Append(append) => {
                        last += 1;
                        insert.execute(params![
                            int(last),
                            now,
                            int(append.spans),
                            append.request.as_ref()
                        ])?;
                        (requests, spans) = (requests + 1, spans + append.spans);
                    }
                    Command::Settle(settlement) => settle(&transaction, settlement)?,
                    Command::Probe(_) => probe(&transaction)?,
                }
            }
        }
        if let Some(names) = self.let_go_after.as_ref().filter(|_| group.iter().any(Command::settles)) {
            evict_settled(&transaction, settled_by_all(&transaction, names, last)?)?;
        }
        if requests > 0 {
            let mut count = transaction.prepare("UPDATE counts SET value = value + ?2 WHERE name = ?1")?;
            for (name, value) in [("received", spans), ("requests", requests), ("last", last - self.last)] {
                count.execute(params![name, int(value)])?;
            }
        }
        transaction.commit()?;
        Ok(last)
    }
}

/// What became of requests that were taken from the outbox.
#[derive(Debug)]
pub(super) struct Settlement {
    destination: String,
    position: u64,
    /// Position and spans of each of the requests.
    entries: Vec<(u64, u64)>,
    settled: Settled,
    reply: Reply,
}

/// Where the outcome is told.
type Outcome = oneshot::Receiver<Result<(), StoreError>>;

impl Command {
    pub(super) fn settle(
        destination: &str,
        (position, entries): (u64, Vec<(u64, u64)>),
        settled: Settled,
    ) -> (Self, Outcome) {
        let (reply, done) = oneshot::channel();
        let destination = destination.to_owned();
        (Self::Settle(Settlement { destination, position, entries, settled, reply }), done)
    }

    pub(super) fn append(request: Bytes, spans: u64) -> (Self, Outcome) {
        let (reply, done) = oneshot::channel();
        (Self::Append(Append { request, spans, reply }), done)
    }

    pub(super) fn probe() -> (Self, Outcome) {
        let (reply, done) = oneshot::channel();
        (Self::Probe(reply), done)
    }

    fn settles(&self) -> bool {
        matches!(self, Self::Settle(_))
    }

    fn probes(&self) -> bool {
        matches!(self, Self::Probe(_))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.request.len(),
            Self::Settle(_) | Self::Probe(_) => 0,
        }
    }

    fn reply(self) -> Reply {
        match self {
            Self::Append(append) => append.reply,
            Self::Settle(settlement) => settlement.reply,
            Self::Probe(reply) => reply,
        }
    }
}

/// Writes what is there already, by way of something else: SQLite passes over what would change nothing.
fn probe(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(&"UPDATE counts SET value = ~value WHERE name = 'last';".repeat(2))
}

/// The requests of a group that was written after `last`.
fn entries(group: &[Command], last: u64) -> impl Iterator<Item = Entry> {
    let appended = group.iter().filter_map(|command| match command {
        Command::Append(append) => Some(append),
        Command::Settle(_) | Command::Probe(_) => None,
    });
    (last + 1..).zip(appended).map(|(position, append)| Entry {
        position,
        request: append.request.clone(),
        spans: append.spans,
    })
}

/// Up to where each of these destinations has settled all, of the requests up to `last`.
fn settled_by_all(transaction: &Transaction<'_>, names: &[String], last: u64) -> rusqlite::Result<i64> {
    let mut select = transaction.prepare("SELECT position FROM destinations WHERE name = ?1")?;
    let mut all = int(last);
    for name in names {
        all = all.min(select.query_row([name], |row| row.get(0))?);
    }
    Ok(all)
}

fn settle(transaction: &Transaction<'_>, settlement: &Settlement) -> rusqlite::Result<()> {
    let Settlement { destination, position, entries, settled, .. } = settlement;
    let mut select = transaction.prepare("SELECT position FROM destinations WHERE name = ?1")?;
    let before: i64 = select.query_row([destination], |row| row.get(0))?;
    // What went while it was under way has been counted as dropped, and now turns out not to be.
    let gone: u64 = entries.iter().filter(|(seq, _)| int(*seq) <= before).map(|(_, spans)| spans).sum();
    if gone > 0 {
        drop_for(transaction, destination, EVICTED, -int(gone))?;
    }
    transaction.execute(
        "UPDATE destinations SET position = max(position, ?2), exported = exported + ?3, rejected = rejected + ?4
         WHERE name = ?1",
        params![destination, int(*position), int(settled.exported), int(settled.rejected)],
    )?;
    for (reason, spans) in &settled.dropped {
        drop_for(transaction, destination, reason, int(*spans))?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the age of what is kept counts in real time")]
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
