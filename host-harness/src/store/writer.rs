//! The one thread that writes: what callers hand in at the same time becomes one transaction.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::bytes::Bytes;
use rusqlite::{Connection, Transaction, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::file::File;
use super::{Settled, StoreError, StoreOptions};

/// The most bytes of requests in one transaction: it bounds how long the first waits for the last.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// Whom the outcome is told.
type Reply = oneshot::Sender<Result<(), StoreError>>;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Command {
    Append(Append),
    Settle { destination: String, position: u64, settled: Settled, reply: Reply },
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
    options: StoreOptions,
    waiting: mpsc::Receiver<Command>,
) -> Result<(JoinHandle<()>, watch::Receiver<u64>), StoreError> {
    let connection = file.connect()?;
    let last = begin(&connection, &options).map_err(|error| file.failed(&error))?;
    let (committed, watched) = watch::channel(last);
    let writer = Writer { file: Arc::clone(&file), connection, last, committed };
    let thread = thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(waiting));
    let thread =
        thread.map_err(|error| file.failed(&rusqlite::Error::ToSqlConversionFailure(error.into())))?;
    Ok((thread, watched))
}

/// Makes the connection durable and the destinations known; the last request in the file.
fn begin(connection: &Connection, options: &StoreOptions) -> rusqlite::Result<u64> {
    // A commit is on the disk when it returns, so that neither a kill nor a power cut costs what was acknowledged.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let last: i64 =
        connection.query_row("SELECT value FROM counts WHERE name = 'last'", [], |row| row.get(0))?;
    for name in &options.destinations {
        connection.execute(
            "INSERT OR IGNORE INTO destinations (name, position) VALUES (?1, ?2)",
            params![name, last],
        )?;
    }
    Ok(u64::try_from(last).unwrap_or(0))
}

struct Writer {
    file: Arc<File>,
    connection: Connection,
    last: u64,
    committed: watch::Sender<u64>,
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
            let outcome = self.write(&group).map_err(|error| self.file.failed(&error));
            if let Ok(last) = outcome {
                self.last = last;
                self.committed.send_replace(last);
            }
            for command in group {
                // Whoever does not wait any more does not want to know.
                let _ = command.reply().send(outcome.clone().map(|_| ()));
            }
        }
    }

    /// Writes all of the group or nothing; the last request in the file.
    fn write(&mut self, group: &[Command]) -> rusqlite::Result<u64> {
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
                    Command::Settle { destination, position, settled, .. } => {
                        settle(&transaction, destination, *position, settled)?;
                    }
                }
            }
        }
        for (name, value) in [("received", spans), ("requests", requests), ("last", last - self.last)] {
            transaction
                .execute("UPDATE counts SET value = value + ?2 WHERE name = ?1", params![name, int(value)])?;
        }
        transaction.commit()?;
        Ok(last)
    }
}

impl Command {
    pub(super) fn append(request: Bytes, spans: u64) -> (Self, oneshot::Receiver<Result<(), StoreError>>) {
        let (reply, done) = oneshot::channel();
        (Self::Append(Append { request, spans, reply }), done)
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.request.len(),
            Self::Settle { .. } => 0,
        }
    }

    fn reply(self) -> Reply {
        match self {
            Self::Append(append) => append.reply,
            Self::Settle { reply, .. } => reply,
        }
    }
}

fn settle(
    transaction: &Transaction<'_>,
    name: &str,
    position: u64,
    settled: &Settled,
) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE destinations SET position = max(position, ?2), exported = exported + ?3, rejected = rejected + ?4
         WHERE name = ?1",
        params![name, int(position), int(settled.exported), int(settled.rejected)],
    )?;
    for (reason, spans) in &settled.dropped {
        transaction.execute(
            "INSERT INTO dropped VALUES (?1, ?2, ?3)
             ON CONFLICT (destination, reason) DO UPDATE SET spans = spans + excluded.spans",
            params![name, reason, int(*spans)],
        )?;
    }
    Ok(())
}

/// As SQLite has integers; what is beyond is the largest one.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the age of what is kept counts in real time")]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
