//! Spans in one file: each request as it came, which is both what is yet to be sent and what can be viewed.
//! Knows nothing of networks: `receive` hands requests in, `forward` takes them out, `serve` asks.
//! Format: SQLite in its write-ahead mode, <https://sqlite.org/wal.html>
//!
//! `store.append(request, 100).await?` → 100 spans that a killed process does not lose

mod error;
mod file;
mod outbox;
mod read;
mod stats;
mod writer;

pub use error::StoreError;
pub use outbox::{Entry, Outbox, Settled};
pub use stats::{DestinationStats, StoreStats};

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use crate::view::library::{SearchResult, Service};
use crate::view::{Library, Query, traces};
use file::File;
use writer::Command;

/// Requests that may wait for the writer; then callers wait.
const MAX_WAITING: usize = 256;

/// How a store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The file's bound in bytes; beyond it, the oldest spans go.
    pub max_bytes: u64,
    /// How long spans are kept after they came; longer ago, they go.
    pub max_age: Duration,
    /// Names of those that the spans are sent to, each with an own position in the outbox. One that the file
    /// does not know starts with what comes from now on.
    pub destinations: Vec<String>,
}

impl Default for StoreOptions {
    /// 1 GiB, a week, nobody to send to.
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_age: Duration::from_hours(7 * 24), destinations: Vec::new() }
    }
}

/// Spans in a file. Cheap to clone; the last clone that goes waits until all that was handed in is written.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: Arc<File>,
    /// Taken when the store goes.
    commands: Option<mpsc::Sender<Command>>,
    writer: Option<JoinHandle<()>>,
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

    /// A store that goes with the process.
    ///
    /// # Errors
    /// [`StoreError`] if there is no memory for it.
    pub fn in_memory(options: StoreOptions) -> Result<Self, StoreError> {
        Self::start(File::in_memory()?, options)
    }

    fn start(file: File, options: StoreOptions) -> Result<Self, StoreError> {
        let file = Arc::new(file);
        let (commands, waiting) = mpsc::channel(MAX_WAITING);
        let (writer, committed) = writer::start(Arc::clone(&file), options, waiting)?;
        Ok(Self(Arc::new(Shared { file, commands: Some(commands), writer: Some(writer), committed })))
    }

    /// Keeps the `spans` spans of an encoded `ExportTraceServiceRequest`, which the caller has decoded and found
    /// valid. It is in the file when this returns; concurrent callers share one commit.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be written, such as on a full disk: then nothing of it is kept, and the
    /// same request may be handed in again.
    pub async fn append(&self, request: Bytes, spans: u64) -> Result<(), StoreError> {
        let (command, done) = Command::append(request, spans);
        self.commands()?.send(command).await.map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// As [`append`](Self::append), outside of any runtime.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_blocking(&self, request: Bytes, spans: u64) -> Result<(), StoreError> {
        let (command, done) = Command::append(request, spans);
        self.commands()?.blocking_send(command).map_err(|_| StoreError::Closed)?;
        done.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// What is yet to be sent to `destination`, one of [`StoreOptions::destinations`], which has one taker.
    pub fn outbox(&self, destination: &str) -> Outbox {
        Outbox::new(self.clone(), destination)
    }

    async fn settle(&self, destination: &str, position: u64, settled: Settled) -> Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        let command = Command::Settle { destination: destination.to_owned(), position, settled, reply };
        self.commands()?.send(command).await.map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// The spans of a trace, as they came, each once; `None` if there are none.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn trace(&self, id: [u8; 16]) -> Result<Option<Vec<ResourceSpans>>, StoreError> {
        let spans = read::trace(&self.0.file, id)?;
        Ok((!spans.is_empty()).then_some(spans))
    }

    /// The newest traces that fit.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn search(&self, query: &Query) -> Result<SearchResult, StoreError> {
        Ok(self.library()?.search(query))
    }

    /// The services, sorted by name, each with its operations.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn services(&self) -> Result<Vec<Service>, StoreError> {
        Ok(self.library()?.services())
    }

    /// What became of all spans.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        stats::read(&self.0.file)
    }

    fn library(&self) -> Result<Library, StoreError> {
        Ok(Library::new(traces(crate::collect::records(&read::all(&self.0.file)?))))
    }

    fn commands(&self) -> Result<&mpsc::Sender<Command>, StoreError> {
        self.0.commands.as_ref().ok_or(StoreError::Closed)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.commands.take();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
