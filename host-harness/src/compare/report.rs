//! What is said of two replays; differences only.

use serde::Serialize;

use super::changes::Change;
use super::messages::{Differences, MessageDiff};
use super::spans::SpanDiff;
use crate::replay::ReplayStats;

/// What changed from the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Comparison {
    /// Of this document; 1.
    pub schema_version: u32,
    /// Whether anything did.
    pub changed: bool,
    /// Exchanges that the baseline's replay sent.
    pub exchanges: u64,
    /// Of requests as they left each proxy.
    pub request_headers: Vec<Change>,
    /// Of responses as they left each proxy.
    pub response_headers: Vec<Change>,
    /// Of requests' bodies: their size, their content, which is not shown, and whether they came to their end.
    pub request_bodies: Vec<Change>,
    /// Of responses' bodies, likewise.
    pub response_bodies: Vec<Change>,
    /// Of requests.
    pub request_trailers: Vec<Change>,
    /// Of responses.
    pub response_trailers: Vec<Change>,
    /// Requests and responses at a proxy that only one replay had.
    pub unpaired_messages: Unpaired,
    /// Of spans.
    pub spans: SpanChanges,
    /// What the replays counted differently: `local replies`, `lost context of web`.
    pub counters: Vec<Counter>,
}

/// How the spans differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SpanChanges {
    /// How many the baseline has.
    pub baseline: u64,
    /// How many there are now.
    pub current: u64,
    /// Spans that have none of the same start, service, kind and scope in the other replay.
    pub unpaired: Unpaired,
    /// Services, kinds and names of which the number differs.
    pub by_name: Vec<NamedSpans>,
    /// What is no attribute: name, status, whether there is a parent, events, links, duration, trace state.
    pub fields: Vec<Change>,
    /// The spans' own.
    pub attributes: Vec<Change>,
    /// Their resources', once for each span.
    pub resource_attributes: Vec<Change>,
}

/// What only one of the replays had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Unpaired {
    /// Only the baseline.
    pub baseline: u64,
    /// Only the other.
    pub current: u64,
}

/// Spans of one service, kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NamedSpans {
    /// `service.name`
    pub service: String,
    /// `server`, `client`, …
    pub kind: &'static str,
    /// The spans' name.
    pub name: String,
    /// How many the baseline has.
    pub baseline: u64,
    /// How many there are now.
    pub current: u64,
}

/// A number that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Counter {
    /// What is counted.
    pub name: String,
    /// In the baseline.
    pub baseline: u64,
    /// Now.
    pub current: u64,
}

impl Comparison {
    pub(super) fn new(
        messages: MessageDiff,
        spans: SpanDiff,
        baseline: &ReplayStats,
        current: &ReplayStats,
    ) -> Self {
        let unpaired = messages.unpaired();
        let [request, response] = [messages.requests, messages.responses].map(Differences::into_rows);
        let mut comparison = Self {
            schema_version: 1,
            changed: false,
            exchanges: baseline.exchanges,
            request_headers: request.headers,
            response_headers: response.headers,
            request_bodies: request.bodies,
            response_bodies: response.bodies,
            request_trailers: request.trailers,
            response_trailers: response.trailers,
            unpaired_messages: Unpaired::from(unpaired),
            spans: SpanChanges::new(spans),
            counters: counters(baseline, current),
        };
        comparison.changed = comparison.differs();
        comparison
    }

    fn differs(&self) -> bool {
        let spans = &self.spans;
        let changes = [
            &self.request_headers,
            &self.response_headers,
            &self.request_bodies,
            &self.response_bodies,
            &self.request_trailers,
            &self.response_trailers,
            &spans.fields,
            &spans.attributes,
            &spans.resource_attributes,
        ];
        changes.iter().any(|changes| !changes.is_empty())
            || !spans.by_name.is_empty()
            || !self.counters.is_empty()
            || [self.unpaired_messages, spans.unpaired].iter().any(|unpaired| unpaired.any())
    }
}

impl SpanChanges {
    fn new(spans: SpanDiff) -> Self {
        let unpaired = Unpaired::from(spans.unpaired());
        let sum =
            |side| move |sum: u64, counts: &[u64; 2]| sum + counts.get(side).copied().unwrap_or_default();
        let (before, now) = (spans.counts.values().fold(0, sum(0)), spans.counts.values().fold(0, sum(1)));
        let differing = spans.counts.into_iter().filter(|(_, [baseline, current])| baseline != current);
        let by_name = differing.map(|((service, kind, name), [baseline, current])| NamedSpans {
            service,
            kind: kind.as_str(),
            name,
            baseline,
            current,
        });
        Self {
            baseline: before,
            current: now,
            unpaired,
            by_name: by_name.collect(),
            fields: spans.fields.into_rows(),
            attributes: spans.attributes.into_rows(),
            resource_attributes: spans.resource.into_rows(),
        }
    }
}

impl Unpaired {
    /// Whether there is any.
    pub fn any(self) -> bool {
        self.baseline + self.current > 0
    }
}

impl From<[u64; 2]> for Unpaired {
    fn from([baseline, current]: [u64; 2]) -> Self {
        Self { baseline, current }
    }
}

/// What the two counted differently.
fn counters(baseline: &ReplayStats, current: &ReplayStats) -> Vec<Counter> {
    let (before, mut now) = (counted(baseline), counted(current));
    let mut counters = Vec::new();
    for (name, baseline) in before {
        let at = now.iter().position(|(other, _)| *other == name);
        let current = at.map_or(0, |at| now.swap_remove(at).1);
        counters.push(Counter { name, baseline, current });
    }
    counters.extend(now.into_iter().map(|(name, current)| Counter { name, baseline: 0, current }));
    counters.retain(|counter| counter.baseline != counter.current);
    counters.sort_by(|one, other| one.name.cmp(&other.name));
    counters
}

fn counted(stats: &ReplayStats) -> Vec<(String, u64)> {
    let own = [
        ("exchanges", stats.exchanges),
        ("exchanges not sent", stats.not_sent),
        ("proxy passes", stats.passes),
        ("VMs lost", stats.vms_lost),
        ("local replies", stats.local_replies),
        ("pauses", stats.pauses),
        ("held until the proxy gave up", stats.held),
    ];
    let own = own.into_iter().map(|(name, count)| (name.to_owned(), count));
    let lost =
        stats.lost_context.iter().map(|(service, count)| (format!("lost context of {service}"), *count));
    let dropped = stats.dropped.iter().map(|(reason, count)| (format!("spans dropped: {reason}"), *count));
    own.chain(lost).chain(dropped).collect()
}
