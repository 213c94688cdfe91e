//! What formats of lines have in common: places, numbers, skips, and the end at a failure.
//! Which lines are one entry, and how it is understood, is the format's own affair.

use std::io::{self, BufRead};

use super::draft::Draft;
use super::lines::{Line, Lines};
use super::open::Settings;
use super::{Entry, Place, Skip, SkipReason, TrafficError};

/// Reads a piece of a file that holds one exchange.
pub(super) type Parse = Box<dyn Fn(&[u8]) -> Result<Draft, SkipReason> + Send>;

/// What was found, and the number of its first line.
pub(super) type Found = (u64, Result<Draft, SkipReason>);

/// Cuts lines into entries.
pub(super) trait Cut<R> {
    /// The next entry, if there is one.
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>>;
}

/// The entries of a file of lines.
pub(super) struct Each<R, C> {
    lines: Lines<R>,
    cut: C,
    number: u64,
    settings: Settings,
    has_ended: bool,
}

/// One exchange a line; empty lines are passed over.
pub(super) struct EachLine {
    limit: usize,
    parse: Parse,
}

impl<R: BufRead> Each<R, EachLine> {
    pub(super) fn line(reader: R, limit: usize, parse: Parse, settings: Settings) -> Self {
        Self::new(Lines::new(reader, limit), EachLine { limit, parse }, settings)
    }
}

impl<R: BufRead, C: Cut<R>> Each<R, C> {
    pub(super) fn new(lines: Lines<R>, cut: C, settings: Settings) -> Self {
        Self { lines, cut, number: 0, settings, has_ended: false }
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        let Some((line, parsed)) = self.cut.next(&mut self.lines)? else { return Ok(None) };
        self.number += 1;
        let place = Place::line(&self.settings.file, line);
        Ok(Some(match parsed {
            Ok(draft) => draft.entry(self.number, place, &self.settings),
            Err(reason) => Entry::Skipped(Skip { place, reason }),
        }))
    }
}

impl<R: BufRead, C: Cut<R>> Iterator for Each<R, C> {
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

impl<R: BufRead> Cut<R> for EachLine {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        loop {
            let line = lines.number() + 1;
            let parsed = match lines.next()? {
                Line::End => return Ok(None),
                Line::Whole(bytes) if bytes.trim_ascii().is_empty() => continue,
                Line::Whole(bytes) => (self.parse)(bytes),
                Line::TooLong => Err(SkipReason::TooLong(self.limit)),
            };
            return Ok(Some((line, parsed)));
        }
    }
}
