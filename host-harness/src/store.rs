//! Spans in one file: each request as it came, which is both what is yet to be sent and what can be viewed.
//! Knows nothing of networks: `receive` hands requests in, `forward` takes them out, `serve` asks.
//! Format: SQLite in its write-ahead mode, <https://sqlite.org/wal.html>
//!
//! `store.append(request, 100).await?` → 100 spans that a killed process does not lose

mod error;
mod evict;
mod file;
mod filter;
mod format;
mod index;
mod losses;
mod names;
mod outbox;
mod progress;
mod queue;
mod read;
mod recent;
mod room;
mod search;
mod stats;
mod summary;
mod sweep;
mod upkeep;
mod wire;
mod writer;

pub use error::StoreError;
pub use outbox::{Entry, Outbox, Settled};
pub use stats::{DestinationStats, StoreStats};

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use prost::bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::{mpsc, watch};

use crate::collect::{SpanKind, by_trace, span_count};
use crate::time::Timestamp;
use crate::view::Query;
use crate::view::graph::Graph;
use crate::view::library::{SearchResult, Service};
use file::File;
use progress::{Marks, Progress};
use queue::Queue;
use recent::Recent;
use writer::Command;

/// Requests that may wait for the writer; then callers wait.
const MAX_WAITING: usize = 256;

/// How often another process's progress is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The spans in a request of our own making, unless one trace has more.
const KEPT_SPANS: u64 = 512;

/// The largest store in memory: SQLite's bound for one is 1 GiB.
const MAX_MEMORY_BYTES: u64 = 896 << 20;

/// How long a question waits until the newest spans can be found; if the indexer fails, it is answered without.
const PATIENCE: Duration = Duration::from_secs(10);

/// As [`PATIENCE`], of one who may not take in the spans itself if nobody else does.
const READER_PATIENCE: Duration = Duration::from_secs(1);

/// The same for an indexer that has failed: as long as it rests, and a little.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// How a store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The file's bound in bytes; beyond it, the oldest spans go. Until they have gone, at most 128 MiB more are
    /// taken; beside the file, its log takes some ten megabytes.
    pub max_bytes: u64,
    /// How long spans are kept after they came; longer ago, they go.
    pub max_age: Duration,
    /// Names of those that the spans are sent to, each with an own position in the outbox. One that the file
    /// does not know starts with what comes from now on; one that is named again goes on where it was.
    pub destinations: Vec<String>,
    /// Whether spans stay after they were sent, and can be looked at. If not, they go once every destination has
    /// settled them; traces that are in the file already stay within the bounds.
    pub keeps_traces: bool,
}

impl Default for StoreOptions {
    /// 1 GiB, a week, nobody to send to, traces to look at.
    fn default() -> Self {
        let (max_age, destinations) = (Duration::from_hours(7 * 24), Vec::new());
        Self { max_bytes: 1 << 30, max_age, destinations, keeps_traces: true }
    }
}

/// Spans in a file. Cheap to clone; the last clone that goes waits until all that was handed in is written.
#[derive(Clone, Debug)]
pub struct Store(Arc<Kept>);

/// Where spans are.
#[derive(Debug)]
enum Kept {
    InDatabase(Shared),
    /// In memory, without traces.
    InQueue(Queue),
}

#[derive(Debug)]
struct Shared {
    file: Arc<File>,
    /// Taken when the store goes.
    commands: Option<mpsc::Sender<Command>>,
    writer: Option<JoinHandle<()>>,
    /// The indexer or, where there are no traces, the sweeper.
    follower: Option<JoinHandle<()>>,
    /// Those of the options; `None` if another process has them.
    destinations: Option<Vec<String>>,
    progress: Arc<Progress>,
    recent: Arc<Recent>,
    /// The last request in the file.
    committed: watch::Receiver<u64>,
}

impl Store {
    /// Opens the store at `path`, or makes one there. It is this process's until it goes.
    ///
    /// # Errors
    /// [`StoreError`] if another process has it, if the file is another program's or a newer version's, or
    /// whatever the system says.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Self::start(File::open(path)?, options)
    }

    /// A store that goes with the process, of at most 896 MiB if it keeps traces.
    ///
    /// # Errors
    /// [`StoreError`] if there is no memory for it.
    pub fn in_memory(options: StoreOptions) -> Result<Self, StoreError> {
        if !options.keeps_traces {
            return Ok(Self(Arc::new(Kept::InQueue(Queue::new(&options)))));
        }
        let max_bytes = options.max_bytes.min(MAX_MEMORY_BYTES);
        Self::start(File::in_memory()?, StoreOptions { max_bytes, ..options })
    }

    /// Opens the store at `path` to ask it, whether or not another process keeps its spans there now. One that may
    /// only be read, and that nobody has open, is taken not to change.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for another process; also if there is no such file.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            let problem = "there is no such file".to_owned();
            return Err(StoreError::Open { path: path.to_owned(), problem });
        }
        let (file, progress) = (Arc::new(File::open_shared(path)?), Arc::new(Progress::default()));
        let (_, committed) = watch::channel(0);
        let (commands, writer, follower, destinations, recent) = (None, None, None, None, Arc::default());
        let shared = Shared { file, commands, writer, follower, destinations, progress, recent, committed };
        Ok(Self(Arc::new(Kept::InDatabase(shared))))
    }

    fn start(file: File, options: StoreOptions) -> Result<Self, StoreError> {
        let (file, progress) = (Arc::new(file), Arc::new(Progress::default()));
        let ((commands, waiting), recent) = (mpsc::channel(MAX_WAITING), Arc::<Recent>::default());
        let marks = (Arc::clone(&progress), Arc::clone(&recent));
        let (writer, committed) = writer::start(Arc::clone(&file), &options, marks.clone(), waiting)?;
        let follower = match options.keeps_traces {
            true => index::start(Arc::clone(&file), &options, marks)?,
            false => sweep::start(Arc::clone(&file), &options, Arc::clone(&progress))?,
        };
        let (commands, writer, follower) = (Some(commands), Some(writer), Some(follower));
        let destinations = Some(options.destinations);
        let shared = Shared { file, commands, writer, follower, destinations, progress, recent, committed };
        Ok(Self(Arc::new(Kept::InDatabase(shared))))
    }

    /// Keeps the `spans` spans of an encoded `ExportTraceServiceRequest`, which the caller has decoded and found
    /// valid. It is in the file when this returns; concurrent callers share one commit.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be written, such as on a full disk: then nothing of it is kept, and the
    /// same request may be handed in again.
    pub async fn append(&self, request: Bytes, spans: u64) -> Result<(), StoreError> {
        if let Kept::InQueue(queue) = &*self.0 {
            queue.append(&request, spans);
            return Ok(());
        }
        let (command, done) = Command::append(request, spans);
        self.commands()?.send(command).await.map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// As [`append`](Self::append), outside of any runtime.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_blocking(&self, request: Bytes, spans: u64) -> Result<(), StoreError> {
        if let Kept::InQueue(queue) = &*self.0 {
            queue.append(&request, spans);
            return Ok(());
        }
        let (command, done) = Command::append(request, spans);
        self.commands()?.blocking_send(command).map_err(|_| StoreError::Closed)?;
        done.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// Keeps `spans`, outside of any runtime: what belongs to one trace stands together, in requests of bounded
    /// size.
    ///
    /// # Errors
    /// As [`append`](Self::append); what was written before stays.
    pub fn keep(&self, spans: Vec<ResourceSpans>) -> Result<(), StoreError> {
        let (mut open, mut count) = (Vec::new(), 0);
        let mut traces = by_trace(spans).into_values().peekable();
        while let Some(trace) = traces.next() {
            count += span_count(&trace);
            open.extend(trace);
            if count >= KEPT_SPANS || traces.peek().is_none() {
                let request = ExportTraceServiceRequest { resource_spans: std::mem::take(&mut open) };
                self.append_blocking(request.encode_to_vec().into(), std::mem::take(&mut count))?;
            }
        }
        Ok(())
    }

    /// What is yet to be sent to `destination`, one of [`StoreOptions::destinations`], which has one taker.
    pub fn outbox(&self, destination: &str) -> Outbox {
        Outbox::new(self.clone(), destination)
    }

    async fn settle(
        &self,
        destination: &str,
        entries: (u64, Vec<(u64, u64)>),
        settled: Settled,
    ) -> Result<(), StoreError> {
        if let Kept::InQueue(queue) = &*self.0 {
            return queue.settle(destination, &entries, &settled);
        }
        let (command, done) = Command::settle(destination, entries, settled);
        self.commands()?.send(command).await.map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// The spans of a trace, as they came, each once; `None` if there are none.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn trace(&self, id: [u8; 16]) -> Result<Option<Vec<ResourceSpans>>, StoreError> {
        self.ask(|connection| {
            read::row_of(connection, id)?.map(|row| read::spans(connection, row, id)).transpose()
        })
    }

    /// The ids of at most `limit` traces that begin with these hexadecimal digits.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn ids(&self, prefix: &str, limit: u32) -> Result<Vec<[u8; 16]>, StoreError> {
        self.ask(|connection| read::ids(connection, prefix, limit.into()))
    }

    /// The newest traces that fit.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn search(&self, query: &Query) -> Result<SearchResult, StoreError> {
        self.ask(|connection| search::search(connection, query))
    }

    /// The services, sorted by name, each with its operations. One whose spans went lately may still be among them.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn services(&self) -> Result<Vec<Service>, StoreError> {
        self.ask(read::services)
    }

    /// The operations of a service with the kinds of their spans, sorted.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn operations(&self, service: &str) -> Result<BTreeSet<(String, SpanKind)>, StoreError> {
        self.ask(|connection| read::operations(connection, service))
    }

    /// Who calls whom, over the traces that start from `from` to `to`, both included.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn graph(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Graph, StoreError> {
        self.ask(|connection| read::graph(connection, from, to))
    }

    /// What became of all spans.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        let shared = match &*self.0 {
            Kept::InDatabase(shared) => shared,
            Kept::InQueue(queue) => return Ok(queue.stats()),
        };
        let mut stats = stats::read(&shared.file)?;
        if let Some(named) = &shared.destinations {
            // Others were named when the file was last open.
            stats.destinations.retain(|name, _| named.contains(name));
        }
        Ok(stats)
    }

    /// Whether spans can be kept now: if the last change could not be written, another is tried. Outside of any
    /// runtime.
    ///
    /// # Errors
    /// [`StoreError`] says why not.
    pub fn check(&self) -> Result<(), StoreError> {
        let Kept::InDatabase(shared) = &*self.0 else { return Ok(()) };
        shared.file.check_place()?;
        if !shared.file.is_in_trouble() {
            return Ok(());
        }
        let (command, done) = Command::probe();
        self.commands()?.blocking_send(command).map_err(|_| StoreError::Closed)?;
        done.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// What `ask` reads, all of one moment, with all in it that was acknowledged before, unless the disk is full: then
    /// what there is.
    fn ask<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let shared = self.shared()?;
        if shared.follower.is_some() {
            let committed = *shared.committed.borrow();
            let has_all = |marks: &Marks| marks.indexed >= committed;
            shared.progress.wait(SHORT_PATIENCE, has_all);
            shared.progress.wait(PATIENCE, |marks| marks.is_stuck || has_all(marks));
        } else {
            shared.await_other_process()?;
        }
        shared.file.read(|connection| ask(&*connection.unchecked_transaction()?))
    }

    fn shared(&self) -> Result<&Shared, StoreError> {
        match &*self.0 {
            Kept::InDatabase(shared) => Ok(shared),
            Kept::InQueue(_) => Err(StoreError::NoTraces),
        }
    }

    /// The last request that was kept, to wait for the next.
    fn newest(&self) -> watch::Receiver<u64> {
        match &*self.0 {
            Kept::InDatabase(shared) => shared.committed.clone(),
            Kept::InQueue(queue) => queue.last(),
        }
    }

    fn commands(&self) -> Result<&mpsc::Sender<Command>, StoreError> {
        self.shared()?.commands.as_ref().ok_or(StoreError::Closed)
    }
}

impl Shared {
    /// Waits until the process that keeps its spans here has taken in all of them; if there is none, does it
    /// itself.
    fn await_other_process(&self) -> Result<(), StoreError> {
        let count = |name: &str| {
            let sql = "SELECT value FROM counts WHERE name = ?1";
            self.file.read(|connection| connection.query_row(sql, [name], |row| row.get::<_, i64>(0)))
        };
        let last = count("last")?;
        let is_read_only = self.file.is_read_only();
        let mut patience = if is_read_only { READER_PATIENCE } else { PATIENCE };
        while count("indexed")? < last && !patience.is_zero() {
            if is_read_only {
                std::thread::sleep(LOOK);
                patience = patience.saturating_sub(LOOK);
                continue;
            }
            // Nothing goes because of being looked at.
            let (max_bytes, max_age) = (u64::MAX, Duration::MAX);
            let all = StoreOptions { max_bytes, max_age, ..StoreOptions::default() };
            match Store::open(self.file.path(), all) {
                Ok(own) => own.ask(|_| Ok(()))?,
                Err(StoreError::InUse(_)) => std::thread::sleep(LOOK),
                Err(other) => return Err(other),
            }
            patience = patience.saturating_sub(LOOK);
        }
        if is_read_only && count("indexed")? < last {
            let problem = "its newest spans are not taken in yet, and you may not write it; let its owner look at it once"
                .to_owned();
            return Err(StoreError::File { path: self.file.path().to_owned(), problem });
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The writer first: it ends when all is written.
        self.commands.take();
        let writer = self.writer.take().map(JoinHandle::join);
        self.progress.update(|marks| marks.is_ending = true);
        let follower = self.follower.take().map(JoinHandle::join);
        // A thread that panicked has said so.
        let _ = (writer, follower);
    }
}

/// As SQLite has integers; what is beyond is the largest one.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As [`int`] was given it.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
