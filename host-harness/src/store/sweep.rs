//! The thread that follows the writer where no traces are kept: it reads nothing, and keeps the bounds.
//! What every destination has settled, the writer itself lets go.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use super::file::File;
use super::names::Names;
use super::progress::{Marks, Progress};
use super::upkeep::Upkeep;
use super::{StoreError, StoreOptions};

/// How often the bounds are looked at; between, when this much has come.
const TICK: Duration = Duration::from_millis(500);
const STEP_BYTES: usize = 8 << 20;

/// Starts the thread, which ends when the store does.
pub(super) fn start(
    file: Arc<File>,
    options: &StoreOptions,
    progress: Arc<Progress>,
) -> Result<JoinHandle<()>, StoreError> {
    let connection = file.connect_to_write(options.max_bytes)?;
    let names = Names::new(&connection).map_err(|error| file.failed(&error))?;
    let upkeep = Upkeep::new(Arc::clone(&file), options);
    let mut sweeper = Sweeper { file: Arc::clone(&file), connection, progress, names, upkeep };
    let thread = thread::Builder::new().name("store-sweep".to_owned()).spawn(move || sweeper.run());
    thread.map_err(|error| file.refused(&error))
}

struct Sweeper {
    file: Arc<File>,
    connection: Connection,
    progress: Arc<Progress>,
    names: Names,
    upkeep: Upkeep,
}

impl Sweeper {
    fn run(&mut self) {
        let mut has_failed = false;
        loop {
            let due = |marks: &Marks| marks.is_ending || (!has_failed && marks.unindexed_bytes >= STEP_BYTES);
            let marks = self.progress.wait(TICK, due);
            if marks.is_ending {
                return;
            }
            let outcome = self.sweep(marks);
            if let Err(error) = &outcome
                && !has_failed
            {
                tracing::warn!("{}; the store may grow beyond its bounds", self.file.failed(error));
            }
            has_failed = outcome.is_err();
        }
    }

    fn sweep(&mut self, marks: Marks) -> rusqlite::Result<()> {
        self.upkeep.evict(&self.connection, marks.committed, &mut self.names, |_| {})?;
        self.upkeep.logged_bytes += marks.unindexed_bytes;
        self.upkeep.shorten_log(&self.connection, marks.unindexed_bytes == 0)?;
        self.progress.update(|now| {
            now.unindexed_bytes = now.unindexed_bytes.saturating_sub(marks.unindexed_bytes);
            // There is nothing to look at that is not seen yet.
            now.indexed = marks.committed;
        });
        Ok(())
    }
}
