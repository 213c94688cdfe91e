//! `--record`: exchanges into a file of JSON Lines, written by a thread of its own. Traffic never waits for
//! the disk: what that cannot keep up with is left out and counted.

use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::stats::{Counts, count};
use super::tape::Tape;
use crate::host::HeaderMap;
use crate::time::Timestamp;
use crate::traffic::Redactor;

/// Exchanges that may wait for the disk.
const QUEUE: usize = 1024;

/// What is recorded, and under which names.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// What stands before the numbers that are the exchanges' ids.
    pub id_prefix: String,
    /// The service that sends.
    pub source: String,
    /// The service that answers.
    pub destination: String,
    /// The most bytes of a body that are recorded; of a longer one, and of all if it is 0, only the size.
    pub max_body_bytes: u64,
    /// Takes secrets out.
    pub redactor: Redactor,
}

impl RecordOptions {
    /// Heads, sizes and times, without the usual secrets.
    pub fn new(source: impl Into<String>, destination: impl Into<String>) -> Self {
        Self {
            id_prefix: String::new(),
            source: source.into(),
            destination: destination.into(),
            max_body_bytes: 0,
            redactor: Redactor::default(),
        }
    }
}

/// Where finished exchanges go.
pub(super) struct Recorder {
    queue: SyncSender<Tape>,
    counts: Arc<Counts>,
    max_body_bytes: u64,
}

impl Recorder {
    /// Starts the thread; it ends, and the file is whole, when the recorder is dropped.
    ///
    /// # Errors
    /// [`std::io::Error`] if there is no thread to be had.
    pub(super) fn start(
        file: Box<dyn Write + Send>,
        options: RecordOptions,
        counts: &Arc<Counts>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, tapes) = sync_channel(QUEUE);
        let max_body_bytes = options.max_body_bytes;
        let theirs = Arc::clone(counts);
        let thread = std::thread::Builder::new()
            .name("meshspan-record".to_owned())
            .spawn(move || write_all(BufWriter::new(file), &tapes, &options, &theirs))?;
        Ok((Self { queue, counts: Arc::clone(counts), max_body_bytes }, thread))
    }

    pub(super) fn tape(&self, began: Timestamp, head: &HeaderMap) -> Tape {
        Tape::new(began, head, self.max_body_bytes)
    }

    pub(super) fn write(&self, tape: Tape) {
        if self.queue.try_send(tape).is_err() {
            count(&self.counts.not_recorded);
        }
    }
}

/// Writes what comes, and makes the file current whenever nothing waits.
fn write_all(
    mut file: BufWriter<Box<dyn Write + Send>>,
    tapes: &Receiver<Tape>,
    options: &RecordOptions,
    counts: &Counts,
) {
    let mut id = 0;
    let mut waiting = None;
    while let Some(tape) = waiting.take().or_else(|| tapes.recv().ok()) {
        id += 1;
        let written = tape.into_exchange(id, options).map(|exchange| {
            let line = serde_json::to_string(&exchange).map_err(std::io::Error::from)?;
            writeln!(file, "{line}")
        });
        match written {
            Some(Ok(())) => count(&counts.recorded),
            Some(Err(error)) => {
                tracing::warn!("an exchange was not recorded: {error}");
                count(&counts.not_recorded);
            }
            None => count(&counts.not_recorded),
        }
        waiting = tapes.try_recv().ok();
        if waiting.is_none()
            && let Err(error) = file.flush()
        {
            tracing::warn!("the recording cannot be written: {error}");
        }
    }
}
