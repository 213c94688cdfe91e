//! What formats with one exchange a line, or one a JSON value, have in common: places, numbers, skips.
//! How an entry is understood is the format's own affair.

use std::io::{self, BufRead};

use super::draft::Draft;
use super::lines::{Line, Lines};
use super::open::Settings;
use super::{Entry, Place, Skip, SkipReason, TrafficError};

/// Reads a piece of a file that holds one exchange.
pub(super) type Parse = Box<dyn Fn(&[u8]) -> Result<Draft, SkipReason> + Send>;

/// The entries of a file with one exchange a line; empty lines are passed over.
pub(super) struct EachLine<R> {
    lines: Lines<R>,
    limit: usize,
    number: u64,
    parse: Parse,
    settings: Settings,
    has_ended: bool,
}

impl<R: BufRead> EachLine<R> {
    pub(super) fn new(reader: R, limit: usize, parse: Parse, settings: Settings) -> Self {
        Self { lines: Lines::new(reader, limit), limit, number: 0, parse, settings, has_ended: false }
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let line = self.lines.number() + 1;
            let parsed = match self.lines.next()? {
                Line::End => return Ok(None),
                Line::Whole(bytes) if bytes.trim_ascii().is_empty() => continue,
                Line::Whole(bytes) => (self.parse)(bytes),
                Line::TooLong => Err(SkipReason::TooLong(self.limit)),
            };
            self.number += 1;
            let place = Place::line(&self.settings.file, line);
            return Ok(Some(match parsed {
                Ok(draft) => draft.entry(self.number, place, &self.settings),
                Err(reason) => Entry::Skipped(Skip { place, reason }),
            }));
        }
    }
}

impl<R: BufRead> Iterator for EachLine<R> {
    type Item = Result<Entry, TrafficError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let entry = self.read();
        self.has_ended = !matches!(entry, Ok(Some(_)));
        let line = self.lines.number();
        let failed = |source| TrafficError::Read { place: Place::line(&self.settings.file, line), source };
        entry.map_err(failed).transpose()
    }
}
