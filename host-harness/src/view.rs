//! Spans as people look at them: traces as trees, the overhead of each proxy pass, a waterfall, a summary.
//! Pure: it writes nowhere and asks for neither time nor terminal.
//! `records → traces(records) → text::waterfall(&trace, width)`

pub mod comparison;
pub mod document;
pub mod graph;
pub mod library;
pub mod query;
pub mod side_by_side;
pub mod summary;
pub mod table;
pub mod tally;
pub mod text;
pub mod transcript;

mod breakdown;
mod critical_path;
mod hops;
mod propagation;
mod skew;
mod tree;
mod units;

pub use breakdown::{Breakdown, Pass};
pub use critical_path::Segment;
pub use hops::Hop;
pub use propagation::Break;
pub use query::Query;
pub use skew::Skew;
pub use tree::{Bond, Place, places};
pub use units::{bytes, duration};

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    collect::{SpanRecord, Status},
    time::Timestamp,
};

/// One span at its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The span.
    pub span: SpanRecord,
    /// Steps from its root; 0 for a root.
    pub depth: usize,
    /// Index of the parent in [`Trace::nodes`].
    pub parent: Option<usize>,
    /// Indices of the children, in the order of their start.
    pub children: Vec<usize>,
    /// Its parent is missing from the trace, and it is not the trace's entry.
    pub is_orphan: bool,
}

/// All spans of one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Common to the spans.
    pub trace_id: [u8; 16],
    /// Depth first: each before its children, siblings and roots in the order of their start.
    pub nodes: Vec<Node>,
    /// The services that took part.
    pub services: BTreeSet<String>,
    /// Spans that ended with an error.
    pub errors: usize,
    /// The first start.
    pub start: Timestamp,
    /// The last end.
    pub end: Timestamp,
}

impl Trace {
    /// From the first start to the last end.
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }

    /// The nodes without a parent in the trace: first of all the entry, then orphans.
    pub fn roots(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.parent.is_none())
    }

    /// Spans whose parent is missing.
    pub fn orphans(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_orphan).count()
    }
}

/// The traces that `records` make up, in the order of their start.
pub fn traces(records: Vec<SpanRecord>) -> Vec<Trace> {
    let mut by_trace: BTreeMap<[u8; 16], Vec<SpanRecord>> = BTreeMap::new();
    for record in records {
        by_trace.entry(record.trace_id).or_default().push(record);
    }
    let mut traces: Vec<Trace> = by_trace.into_iter().map(|(id, spans)| trace(id, spans)).collect();
    traces.sort_by_key(|trace| (trace.start, trace.trace_id));
    traces
}

fn trace(trace_id: [u8; 16], spans: Vec<SpanRecord>) -> Trace {
    let services = spans.iter().map(|span| span.service.clone()).collect();
    let errors = spans.iter().filter(|span| matches!(span.status, Status::Error(_))).count();
    let start = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let end = spans.iter().map(|span| span.end).max().unwrap_or_default();
    Trace { trace_id, nodes: nodes(spans), services, errors, start, end }
}

/// `spans` in depth-first order.
fn nodes(spans: Vec<SpanRecord>) -> Vec<Node> {
    let bonds: Vec<Bond> = spans.iter().map(Bond::from).collect();
    let mut spans: Vec<Option<SpanRecord>> = spans.into_iter().map(Some).collect();
    let mut nodes: Vec<Node> = Vec::with_capacity(spans.len());
    for Place { at, parent, depth, is_orphan } in places(&bonds) {
        let Some(span) = spans.get_mut(at).and_then(Option::take) else { continue };
        let own = nodes.len();
        if let Some(above) = parent.and_then(|parent| nodes.get_mut(parent)) {
            above.children.push(own);
        }
        nodes.push(Node { span, depth, parent, children: Vec::new(), is_orphan });
    }
    nodes
}

#[cfg(test)]
pub(crate) mod tests;
