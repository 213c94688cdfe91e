//! Why an exchange of a recording is left out, and how often that was so.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::topology::TopologyError;

/// Why an exchange cannot be replayed; it is left out and counted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "exchange {id:?}: starts {late:?} before one that was read earlier, expected less than {window:?}; a recording \
         is replayed in the order of its starts, as far as the window shows it"
    )]
    OutOfOrder { id: String, late: Duration, window: Duration },
    #[error("exchange {id:?}: another exchange has the same id, and ids are unique in a recording")]
    DuplicateId { id: String },
    #[error(
        "exchange {id:?}: parent is {parent:?}, expected the id of an exchange that starts no later, and ends no more \
         than {window:?} before this one starts"
    )]
    UnknownParent { id: String, parent: String, window: Duration },
    #[error(
        "exchange {id:?}: source is {source_service:?}, but its parent {parent:?} was handled by {destination:?}"
    )]
    StrangeParent { id: String, source_service: String, parent: String, destination: String },
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

impl Unusable {
    /// What they have in common.
    fn reason(&self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => "out of order",
            Self::DuplicateId { .. } => "duplicate id",
            Self::UnknownParent { .. } => "unknown parent",
            Self::StrangeParent { .. } => "parent of another service",
            Self::Topology(_) => "unknown service",
        }
    }
}

/// Entries that were left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first of them: which it was, what was found and what is expected.
    pub example: String,
}

/// Counts `unusable` under its reason.
pub(super) fn count(skipped: &mut BTreeMap<String, Skipped>, unusable: &Unusable) {
    let entry = skipped
        .entry(unusable.reason().to_owned())
        .or_insert_with(|| Skipped { count: 0, example: unusable.to_string() });
    entry.count += 1;
}
