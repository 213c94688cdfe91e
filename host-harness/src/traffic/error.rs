//! What can be wrong with recorded traffic: where, what was found, what is allowed.
//!
//! `shop.jsonl: line 7: response.status is 99, expected 200 to 599`

use super::{Format, Place};

/// Why a recording, or one line of it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// There is no such file, or it may not be read.
    #[error("cannot read {file}: {source}")]
    Open {
        /// The file, as it was named.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither the name nor the first bytes tell the format.
    #[error("{file}: {found}, expected one of {}", Format::names())]
    Unrecognised {
        /// The file, as it was named.
        file: String,
        /// What is known of it.
        found: String,
    },
    /// The file is not built as its format is.
    #[error("{file}: {found}, expected {allowed}")]
    Structure {
        /// The file, as it was named.
        file: String,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The bytes could not be had.
    #[error("{place}: cannot be read: {source}")]
    Read {
        /// Where reading stopped.
        place: Place,
        /// What the reader said.
        source: std::io::Error,
    },
    /// A line is longer than any sensible exchange.
    #[error("{place}: longer than {limit} bytes; one exchange a line is expected, separated by newlines")]
    LineTooLong {
        /// The line.
        place: Place,
        /// The most bytes that one line may have.
        limit: usize,
    },
    /// A line is no exchange: not JSON, a key missing or unknown, a wrong type.
    #[error("{place}, column {column}: {message}")]
    Syntax {
        /// The line.
        place: Place,
        /// Counted from 1.
        column: usize,
        /// What was found and what is allowed.
        message: String,
    },
    /// A line is an exchange with a value out of range.
    #[error("{place}: {source}")]
    Value {
        /// The line.
        place: Place,
        /// What was found and what is allowed.
        source: ExchangeError,
    },
    /// An entry cannot be used, and [`Options::strict`](super::Options::strict) asks for all.
    #[error("{0}")]
    Skipped(super::Skip),
}

/// A value of an exchange is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {found}, expected {allowed}")]
pub struct ExchangeError {
    /// The key, dotted.
    pub field: &'static str,
    /// The value, shown.
    pub found: String,
    /// What is allowed.
    pub allowed: &'static str,
}
