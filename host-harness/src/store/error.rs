//! Why spans could not be kept, or not be read again.

use std::path::PathBuf;

/// Why a store could not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process keeps its spans there.
    #[error("{} is in use by another process; end that one, or keep the spans in another file", .0.display())]
    InUse(PathBuf),
    /// Not a store.
    #[error("{} is no store of meshspan's: {found}; name a file that meshspan made, or one that is not there yet", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// A store that a later version of this program made.
    #[error("{} has format {found}, expected at most {known}: a later meshspan made it; use that one, or another file", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format's number.
        found: i64,
        /// The last format that this version knows.
        known: i64,
    },
    /// The file could not be opened or made.
    #[error("cannot open {}: {problem}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// Reading or writing failed. Nothing of the change is in the file; the same may succeed later.
    #[error("the store {}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says, such as that the disk is full.
        problem: String,
    },
    /// The outbox has no such destination.
    #[error("the outbox knows no destination {0:?}; name it in StoreOptions::destinations")]
    Destination(String),
    /// Spans are here only until they are sent.
    #[error("the store keeps no traces; open it with StoreOptions::keeps_traces to look at them")]
    NoTraces,
    /// The store is going.
    #[error("the store is closed")]
    Closed,
}
