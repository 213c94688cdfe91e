//! What can be wrong with recorded traffic: where, what was found, what is allowed.
//!
//! `line 7: response.status is 99, expected 200 to 599`

/// Why a recording could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// The bytes could not be had.
    #[error("line {line}: cannot be read: {source}")]
    Read {
        /// Counted from 1.
        line: u64,
        /// What the reader said.
        source: std::io::Error,
    },
    /// A line is longer than any sensible exchange.
    #[error("line {line}: longer than {limit} bytes; one exchange a line is expected, separated by newlines")]
    LineTooLong {
        /// Counted from 1.
        line: u64,
        /// The most bytes that one line may have.
        limit: usize,
    },
    /// A line is no exchange: not JSON, a key missing or unknown, a wrong type.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: usize,
        /// What was found and what is allowed.
        message: String,
    },
    /// A line is an exchange with a value out of range.
    #[error("line {line}: {source}")]
    Value {
        /// Counted from 1.
        line: u64,
        /// What was found and what is allowed.
        source: ExchangeError,
    },
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
