//! Bounds of everything but the host's, by part: where each constant is, what it bounds and what comes beyond.

mod spans;
mod traffic;

use std::time::Duration;

use spans::{KEEPING, RECEIVING, SENDING, SHOWING};
use traffic::{FILTER, PROXY, READING, REPLAYING};

/// Rows under one heading of the README.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) bounds: &'static [Row],
}

/// One constant.
pub(super) struct Row {
    /// From the repository's root.
    pub(super) file: &'static str,
    pub(super) constant: &'static str,
    /// Its value as this table has it written.
    pub(super) written: &'static str,
    pub(super) most: Most,
    pub(super) what: &'static str,
    pub(super) beyond: &'static str,
}

pub(super) enum Most {
    Bytes(u64),
    Count(u64),
    Time(Duration),
    Micros(u64),
}

/// A row whose value can be held against the source's.
macro_rules! row {
    ($file:literal, $constant:ident, $unit:ident($most:expr), $what:literal, $beyond:literal) => {
        Row {
            file: concat!("host-harness/src/", $file),
            ..row!(filter $file, $constant, $unit($most), $what, $beyond)
        }
    };
    (filter $file:literal, $constant:ident, $unit:ident($most:expr), $what:literal, $beyond:literal) => {
        Row {
            file: concat!("filter/src/", $file),
            constant: stringify!($constant),
            written: stringify!($most),
            most: Most::$unit($most),
            what: $what,
            beyond: $beyond,
        }
    };
}
use row;

pub(super) const PARTS: &[Part] = &[
    Part { name: "Reading recordings", bounds: READING },
    Part { name: "Replaying, comparing, explaining", bounds: REPLAYING },
    Part { name: "The live proxy and the mesh", bounds: PROXY },
    Part { name: "Receiving spans", bounds: RECEIVING },
    Part { name: "Keeping spans", bounds: KEEPING },
    Part { name: "Sending spans on", bounds: SENDING },
    Part { name: "The page and `doctor`", bounds: SHOWING },
    Part { name: "The filter, beside its configuration", bounds: FILTER },
];
