//! Every bound on what a guest may take or make the host keep, in one table.
//!
//! The README shows it; a test holds it against the constants in the sources of `host`, `abi` and `vm`.
//! `MAX_METRICS` → `metrics: 10,000; define_metric gives InternalFailure`

use super::{Limits, MAX_WORKERS};
use crate::abi::{MAX_RANDOM_BYTES, MAX_TABLE_ELEMENTS};
use crate::host::{
    MAX_ACTIONS, MAX_ALL_HISTOGRAM_VALUES, MAX_BODY_BYTES, MAX_DECLARED, MAX_EXPRESSION_BYTES,
    MAX_EXPRESSION_NODES, MAX_EXPRESSION_WORK, MAX_EXPRESSIONS, MAX_HISTOGRAM_VALUES, MAX_LINE_BYTES,
    MAX_LOG_BYTES, MAX_MAP_BYTES, MAX_METRIC_NAME_BYTES, MAX_METRICS, MAX_NOTICES, MAX_PAIRS,
    MAX_PAIRS_BYTES, MAX_PENDING_CALLS, MAX_PROPERTY_BYTES, MAX_QUEUED_CALL_BYTES, MAX_QUEUES, MAX_SAID,
    MAX_SHARED_BYTES, MAX_TRANSCRIPT_HOSTCALLS, MAX_UNCOMPRESSED_BYTES,
};

/// One bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The constant's name, or the field's of [`Limits`].
    pub name: &'static str,
    /// What is bounded.
    pub what: &'static str,
    /// The most.
    pub most: usize,
    /// Of what.
    pub unit: Unit,
    /// What happens beyond.
    pub beyond: &'static str,
}

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds.
    Millis,
}

impl Bound {
    const fn bytes(name: &'static str, what: &'static str, most: usize, beyond: &'static str) -> Self {
        Self { name, what, most, unit: Unit::Bytes, beyond }
    }

    const fn count(name: &'static str, what: &'static str, most: usize, beyond: &'static str) -> Self {
        Self { name, what, most, unit: Unit::Count, beyond }
    }
}

const FAILS: &str = "the VM is lost";
const INTERNAL: &str = "InternalFailure (10), a line in the log once";

/// All of them, those of [`Limits`] with their defaults.
pub fn bounds() -> Vec<Bound> {
    let Limits { memory_bytes, call_deadline } = Limits::default();
    let millis = usize::try_from(call_deadline.as_millis()).unwrap_or(usize::MAX);
    let mut all = vec![
        Bound::bytes("Limits::memory_bytes", "all memories of a VM", memory_bytes, "the guest gets no more"),
        Bound {
            name: "Limits::call_deadline",
            what: "real time of one callback, kept to 20 ms",
            most: millis,
            unit: Unit::Millis,
            beyond: FAILS,
        },
    ];
    all.extend(OF_THE_GUEST);
    all.extend(OF_THE_HOST);
    all
}

const OF_THE_GUEST: [Bound; 4] = [
    Bound::count(
        "MAX_TABLE_ELEMENTS",
        "elements of all tables of a VM",
        MAX_TABLE_ELEMENTS,
        "the guest gets no more",
    ),
    Bound::count(
        "MAX_PAIRS",
        "pairs of a map that the guest gives",
        MAX_PAIRS,
        "taken as an empty map, as in Envoy",
    ),
    Bound::bytes(
        "MAX_PAIRS_BYTES",
        "a map that the guest gives",
        MAX_PAIRS_BYTES,
        "taken as an empty map, as in Envoy",
    ),
    Bound::bytes("MAX_RANDOM_BYTES", "one `random_get`", MAX_RANDOM_BYTES as usize, "EINVAL (28)"),
];

const OF_THE_HOST: [Bound; 24] = [
    Bound::bytes("MAX_LOG_BYTES", "log lines not taken yet", MAX_LOG_BYTES, "dropped and counted in a line"),
    Bound::bytes("MAX_LINE_BYTES", "one log line", MAX_LINE_BYTES, "cut"),
    Bound::count("MAX_SAID", "different lines that the host says once", MAX_SAID, "not said"),
    Bound::count("MAX_METRICS", "definitions of metrics", MAX_METRICS, INTERNAL),
    Bound::bytes("MAX_METRIC_NAME_BYTES", "a metric's name", MAX_METRIC_NAME_BYTES, INTERNAL),
    Bound::count(
        "MAX_HISTOGRAM_VALUES",
        "values of a histogram",
        MAX_HISTOGRAM_VALUES,
        "the oldest is overwritten",
    ),
    Bound::count(
        "MAX_ALL_HISTOGRAM_VALUES",
        "values of all histograms",
        MAX_ALL_HISTOGRAM_VALUES,
        "each overwrites its own, and has one at least",
    ),
    Bound::bytes(
        "MAX_SHARED_BYTES",
        "data and queues of all VMs that share, 64 for each entry included",
        MAX_SHARED_BYTES,
        INTERNAL,
    ),
    Bound::count("MAX_QUEUES", "queues of all VMs that share", MAX_QUEUES, INTERNAL),
    Bound::count("MAX_NOTICES", "messages in queues that a VM was not told of yet", MAX_NOTICES, INTERNAL),
    Bound::count("MAX_DECLARED", "properties that the guest declares", MAX_DECLARED, INTERNAL),
    Bound::bytes(
        "MAX_UNCOMPRESSED_BYTES",
        "what the foreign function `uncompress` gives",
        MAX_UNCOMPRESSED_BYTES,
        "SerializationFailure (3)",
    ),
    Bound::bytes("MAX_EXPRESSION_BYTES", "an expression of `expr_create`", MAX_EXPRESSION_BYTES, INTERNAL),
    Bound::count(
        "MAX_EXPRESSION_NODES",
        "operations, names and values of an expression, its macros expanded",
        MAX_EXPRESSION_NODES,
        INTERNAL,
    ),
    Bound::count("MAX_EXPRESSIONS", "expressions that a plugin keeps", MAX_EXPRESSIONS, INTERNAL),
    Bound::bytes(
        "MAX_EXPRESSION_WORK",
        "what `expr_evaluate` reads and matches, 64 for each attribute and 8 KiB for each new pattern included",
        MAX_EXPRESSION_WORK,
        INTERNAL,
    ),
    Bound::bytes(
        "MAX_PROPERTY_BYTES",
        "properties that the guest sets on a stream, 64 for each included",
        MAX_PROPERTY_BYTES,
        INTERNAL,
    ),
    Bound::bytes(
        "MAX_MAP_BYTES",
        "a map that the guest adds to, 64 for each pair included",
        MAX_MAP_BYTES,
        INTERNAL,
    ),
    Bound::bytes(
        "MAX_BODY_BYTES",
        "a body that is held back, or that the guest writes",
        MAX_BODY_BYTES,
        "the stream fails; a write gives InternalFailure (10)",
    ),
    Bound::count("MAX_WORKERS", "workers of `Filter::workers`", MAX_WORKERS, "no more are started"),
    Bound::count("MAX_ACTIONS", "decisions about streams not taken yet", MAX_ACTIONS, INTERNAL),
    Bound::count("MAX_PENDING_CALLS", "calls without an answer", MAX_PENDING_CALLS, INTERNAL),
    Bound::bytes("MAX_QUEUED_CALL_BYTES", "calls not taken yet", MAX_QUEUED_CALL_BYTES, INTERNAL),
    Bound::count(
        "MAX_TRANSCRIPT_HOSTCALLS",
        "hostcalls and callbacks of a transcript not taken yet",
        MAX_TRANSCRIPT_HOSTCALLS,
        "left out and counted",
    ),
];
