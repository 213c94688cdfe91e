//! What is done beside writing: the bounds are kept, free pages given back, the log is kept short, the disk watched.

use std::sync::Arc;

use rusqlite::Connection;

use super::StoreOptions;
use super::evict::{self, Bounds};
use super::file::File;
use super::losses::Losses;
use super::names::Names;
use super::room::Room;

/// So much in the log is moved to its place in the file; less when there is nothing else to do.
const MAX_LOGGED_BYTES: usize = 16 << 20;

/// Keeps a file in order.
pub(super) struct Upkeep {
    file: Arc<File>,
    bounds: Bounds,
    losses: Losses,
    room: Room,
    /// Of the requests since the log was last emptied.
    pub(super) logged_bytes: usize,
}

impl Upkeep {
    pub(super) fn new(file: Arc<File>, options: &StoreOptions) -> Self {
        let losses = Losses::new(&options.destinations);
        let room = Room::new(options.max_bytes);
        Self { file, bounds: Bounds::of(options), losses, room, logged_bytes: 0 }
    }

    /// Lets the oldest of the requests up to `last` go until the bounds hold; tells `gone` the last row of the
    /// traces that went.
    pub(super) fn evict(
        &mut self,
        connection: &Connection,
        last: u64,
        names: &mut Names,
        mut gone: impl FnMut(i64),
    ) -> rusqlite::Result<()> {
        self.room.look(&self.file);
        while let Some(due) = evict::due(connection, &self.bounds, last)? {
            let _alone = self.file.write();
            let transaction = connection.unchecked_transaction()?;
            let evicted = evict::evict(&transaction, due)?;
            names.evict(&transaction, due.up_to)?;
            transaction.commit()?;
            gone(evicted.row);
            for (destination, spans) in &evicted.unsent {
                self.losses.add(destination, due.reason, *spans);
            }
        }
        self.losses.tell();
        let surplus = evict::surplus(connection, &self.bounds)?;
        if surplus > 0 {
            let _alone = self.file.write();
            let mut give_back = connection.prepare(&format!("PRAGMA incremental_vacuum({surplus})"))?;
            // A row a page.
            let mut pages = give_back.query([])?;
            while pages.next()?.is_some() {}
            // The file itself gets smaller only when the log is moved.
            self.logged_bytes = MAX_LOGGED_BYTES;
        }
        Ok(())
    }

    /// Moves the log to its place in the file, if that is due.
    pub(super) fn shorten_log(&mut self, connection: &Connection, is_idle: bool) -> rusqlite::Result<()> {
        if self.logged_bytes >= MAX_LOGGED_BYTES || (is_idle && self.logged_bytes > 0) {
            self.file.checkpoint(connection)?;
            self.logged_bytes = 0;
        }
        Ok(())
    }
}
