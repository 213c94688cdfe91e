//! The exchange: one recorded request with its response, as every recording format gives it.
//! Formats live in the modules below; what happens to an exchange is in [`crate::replay`].
//!
//! `recording ─▶ traffic::jsonl ─▶ Exchange`
//!
//! # Context headers in a recording
//!
//! A recording holds what the source application put on the wire, trace headers included. At replay
//! - an exchange **with** a `parent`: the recorded trace headers are left out, and the modelled source
//!   application makes live ones from the request that it was handling (see
//!   [`crate::topology::Application`]);
//! - a **root** exchange of an `instrumented` application: likewise left out, and a new trace is started;
//! - a root exchange of any other source: the recorded trace headers are used as they are, so an
//!   un-instrumented client can send whatever context the recording wants.
//!
//! Trace headers are those of [`crate::replay::CONTEXT_HEADERS`]; every other header is
//! replayed as recorded.

pub mod jsonl;

mod access_log;
mod authority;
mod body;
mod bytes;
mod detect;
mod draft;
mod each;
mod entry;
mod error;
mod exchange;
mod format;
mod gor;
mod har;
mod header_value;
mod http1;
mod lines;
mod open;
mod redact;
mod tally;
mod tap;
#[cfg(test)]
mod tests;
mod values;
mod vegeta;

pub use access_log::{Field, FieldMap, FieldMapError};
pub use body::Chunk;
pub use draft::DEFAULT_SOURCE;
pub use entry::{Entry, Note, Place, Position, Skip, SkipReason};
pub use error::{ExchangeError, TrafficError};
pub use exchange::{Exchange, Request, Response, Timing};
pub use format::Format;
pub use header_value::HeaderValue;
pub use open::{Input, Options, Traffic, open, open_all, read};
pub use redact::{REDACTED, Redactor, SECRET_HEADERS, SECRET_PARAMETERS};
pub use tally::{Skipped, Tally};

/// Headers or trailers, in order, duplicates kept.
pub type Headers = Vec<(String, HeaderValue)>;
