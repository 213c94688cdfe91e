//! What a source gives for each entry of a file: an exchange, or the reason why there is none.
//! Nothing is left out in silence; [`Tally`](super::Tally) counts.
//!
//! `browser.har: entry 3 at byte 1204: has no response`

use std::fmt;
use std::sync::Arc;

use super::{Exchange, ExchangeError};

/// One entry of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It can be used.
    Exchange {
        /// What it says.
        exchange: Box<Exchange>,
        /// What it does not say, and what stands for it.
        notes: Vec<Note>,
    },
    /// It cannot be used.
    Skipped(Skip),
}

/// An entry that cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Skip {
    /// Where it stands.
    pub place: Place,
    /// What is wrong with it.
    pub reason: SkipReason,
}

/// Why an entry cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// It is not written as its format demands.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// It is too long to be held in memory.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// It lacks what an exchange must have.
    #[error("has no {0}")]
    Incomplete(&'static str),
    /// The request was never answered.
    #[error("has no response: {0}")]
    NoResponse(String),
    /// It is something else than a request with its response.
    #[error("is no HTTP exchange: {0}")]
    NotHttp(String),
    /// One of its values is out of range.
    #[error(transparent)]
    OutOfRange(#[from] ExchangeError),
}

impl SkipReason {
    /// In a few words, the same for all of a kind: to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::TooLong(_) => "too long",
            Self::Incomplete(_) => "incomplete",
            Self::NoResponse(_) => "no response",
            Self::NotHttp(_) => "no HTTP exchange",
            Self::OutOfRange(_) => "value out of range",
        }
    }
}

/// What an entry does not say, and what stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// A status of 200 without headers or body, 1 ms after the request.
    ResponseAssumed,
    /// The recorder cut the body off: its size alone is kept.
    BodyCutOff,
    /// The recorder left out a body that is known to have been there: its size alone is kept.
    BodyLeftOut,
    /// The recorder decoded the body: headers about its encoding and length are left out.
    BodyDecoded,
    /// Exchanges without instants follow each other by 10 ms.
    StartAssumed,
}

impl Note {
    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::ResponseAssumed => "response not recorded: 200 without a body after 1 ms stands for it",
            Self::BodyCutOff => "body cut off by the recorder: its size alone is kept",
            Self::BodyLeftOut => "body left out by the recorder: its size alone is kept",
            Self::BodyDecoded => "body decoded by the recorder: content-encoding and content-length left out",
            Self::StartAssumed => "instant not recorded: requests follow each other by 10 ms",
        }
    }
}

/// Where in which file an entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named; empty if nobody said.
    pub file: Arc<str>,
    /// Where in it.
    pub position: Position,
}

/// Where in a file an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The line on which it begins, counted from 1.
    Line(u64),
    /// Its number, counted from 1, and the byte at which it begins, counted from 0.
    Entry {
        /// Its number among the entries.
        number: u64,
        /// How many bytes stand before it, after decompression.
        byte: u64,
    },
}

impl Place {
    /// A line of a file.
    pub fn line(file: &Arc<str>, line: u64) -> Self {
        Self { file: Arc::clone(file), position: Position::Line(line) }
    }

    /// An entry of a file.
    pub fn entry(file: &Arc<str>, number: u64, byte: u64) -> Self {
        Self { file: Arc::clone(file), position: Position::Entry { number, byte } }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}: ", self.file)?;
        }
        match self.position {
            Position::Line(line) => write!(f, "line {line}"),
            Position::Entry { number, byte } => write!(f, "entry {number} at byte {byte}"),
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}
