//! Counts what a source gave: exchanges, what was skipped and why, what was assumed.
//!
//! `24 exchanges; skipped 2: no response (first: browser.har: entry 3 at byte 1204: …)`

use std::collections::BTreeMap;
use std::fmt;

use super::{Entry, Exchange, Note, Skip};
use crate::counted::counted;

/// How many entries became what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Entries that could be used.
    pub exchanges: u64,
    /// Entries that could not, by [`SkipReason::kind`](super::SkipReason::kind).
    pub skipped: BTreeMap<&'static str, Skipped>,
    /// Exchanges of which a part is assumed or left out.
    pub notes: BTreeMap<Note, u64>,
}

/// Entries skipped for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Skip,
}

impl Tally {
    /// Counts an entry; its exchange, if it has one.
    pub fn take(&mut self, entry: Entry) -> Option<Exchange> {
        match entry {
            Entry::Exchange { exchange, notes } => {
                self.exchanges += 1;
                notes.into_iter().for_each(|note| *self.notes.entry(note).or_default() += 1);
                Some(*exchange)
            }
            Entry::Skipped(skip) => {
                let entry = self.skipped.entry(skip.reason.kind());
                entry.or_insert(Skipped { count: 0, first: skip }).count += 1;
                None
            }
        }
    }

    /// How many entries were skipped, for whatever reason.
    pub fn skipped_count(&self) -> u64 {
        self.skipped.values().map(|skipped| skipped.count).sum()
    }
}

/// One line for the exchanges and one for each reason and note.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exchanges, skipped) =
            (counted(self.exchanges, "exchange"), counted(self.skipped_count(), "entry"));
        write!(f, "{exchanges}, {skipped} skipped")?;
        for (kind, Skipped { count, first }) in &self.skipped {
            write!(f, "\nskipped {count}: {kind} (first: {first})")?;
        }
        for (note, count) in &self.notes {
            write!(f, "\n{count}: {}", note.text())?;
        }
        Ok(())
    }
}
