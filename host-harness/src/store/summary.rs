//! One trace in numbers: what a list of results and the service graph say of it, without its spans.

use std::collections::BTreeMap;

use prost::Message;

use crate::time::Timestamp;
use crate::view::{Bond, places};

/// A span, as far as a summary needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    pub(super) bond: Bond,
    /// Number of its service.
    pub(super) service: i64,
    /// Number of its operation.
    pub(super) operation: i64,
    /// Whether it ended with an error.
    pub(super) failed: bool,
}

/// A trace's row, but for its identity.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Digest {
    pub(super) start: Timestamp,
    pub(super) duration_ns: u64,
    pub(super) errors: usize,
    pub(super) orphans: usize,
    /// Number of the entry's operation.
    pub(super) entry: i64,
    /// Numbers of all operations, each once, ascending.
    pub(super) operations: Vec<i64>,
    pub(super) summary: Summary,
}

/// Who took part and who called whom, by numbers of services.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) services: Vec<ServiceSum>,
    #[prost(message, repeated, tag = "2")]
    pub(super) calls: Vec<CallSum>,
}

/// A service's part in a trace.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct ServiceSum {
    #[prost(int64, tag = "1")]
    pub(super) service: i64,
    #[prost(uint64, tag = "2")]
    pub(super) spans: u64,
    #[prost(uint64, tag = "3")]
    pub(super) errors: u64,
}

/// A trace's calls from one service to another.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct CallSum {
    #[prost(int64, tag = "1")]
    pub(super) from: i64,
    #[prost(int64, tag = "2")]
    pub(super) to: i64,
    #[prost(uint64, tag = "3")]
    pub(super) count: u64,
    #[prost(uint64, tag = "4")]
    pub(super) errors: u64,
    /// Of all durations, as the one who was called saw them.
    #[prost(uint64, tag = "5")]
    pub(super) nanos: u64,
}

/// The digest of a trace with these spans.
pub(super) fn digest(spans: &[Glance]) -> Digest {
    let bonds: Vec<Bond> = spans.iter().map(|span| span.bond).collect();
    let places = places(&bonds);
    let span_at = |place: usize| places.get(place).and_then(|place| spans.get(place.at));
    let start = bonds.iter().map(|bond| bond.start).min().unwrap_or_default();
    let end = bonds.iter().map(|bond| bond.end).max().unwrap_or_default();
    let mut operations: Vec<i64> = spans.iter().map(|span| span.operation).collect();
    operations.sort_unstable();
    operations.dedup();
    let mut services: BTreeMap<i64, ServiceSum> = BTreeMap::new();
    let mut calls: BTreeMap<(i64, i64), CallSum> = BTreeMap::new();
    for (at, place) in places.iter().enumerate() {
        let Some(span) = span_at(at) else { continue };
        let failed = u64::from(span.failed);
        let own = services.entry(span.service).or_default();
        (own.service, own.spans, own.errors) = (span.service, own.spans + 1, own.errors + failed);
        let caller = place.parent.and_then(span_at).filter(|caller| caller.service != span.service);
        if let Some(caller) = caller {
            let call = calls.entry((caller.service, span.service)).or_default();
            (call.from, call.to) = (caller.service, span.service);
            (call.count, call.errors) = (call.count + 1, call.errors + failed);
            call.nanos = call.nanos.saturating_add(nanos(span.bond.start, span.bond.end));
        }
    }
    Digest {
        start,
        duration_ns: nanos(start, end),
        errors: spans.iter().filter(|span| span.failed).count(),
        orphans: places.iter().filter(|place| place.is_orphan).count(),
        entry: span_at(0).map(|span| span.operation).unwrap_or_default(),
        operations,
        summary: Summary { services: services.into_values().collect(), calls: calls.into_values().collect() },
    }
}

fn nanos(start: Timestamp, end: Timestamp) -> u64 {
    u64::try_from(end.since(start).as_nanos()).unwrap_or(u64::MAX)
}
