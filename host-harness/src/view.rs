//! Spans as people look at them: traces as trees, the overhead of each proxy pass, a waterfall, a summary.
//! Pure: it writes nowhere and asks for neither time nor terminal.
//! `records → traces(records) → text::waterfall(&trace, width)`

pub mod compare;
pub mod comparison;
pub mod document;
pub mod graph;
pub mod library;
pub mod query;
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
mod units;

pub use breakdown::{Breakdown, Pass};
pub use critical_path::Segment;
pub use hops::Hop;
pub use library::Library;
pub use propagation::Break;
pub use query::Query;
pub use skew::Skew;
pub use units::{bytes, duration};

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
///
/// A span whose parent is not there is an orphan, but for one case: in a trace without any true root, the
/// span that started first is the entry, called by somebody who is not recorded.
pub fn traces(records: Vec<SpanRecord>) -> Vec<Trace> {
    let mut by_trace: BTreeMap<[u8; 16], Vec<SpanRecord>> = BTreeMap::new();
    for record in records {
        by_trace.entry(record.trace_id).or_default().push(record);
    }
    let mut traces: Vec<Trace> = by_trace.into_iter().map(|(id, spans)| trace(id, spans)).collect();
    traces.sort_by_key(|trace| (trace.start, trace.trace_id));
    traces
}

fn trace(trace_id: [u8; 16], mut spans: Vec<SpanRecord>) -> Trace {
    // A parent starts no later than its children; of two that start together the longer one comes first.
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end), span.span_id));
    let services = spans.iter().map(|span| span.service.clone()).collect();
    let errors = spans.iter().filter(|span| matches!(span.status, Status::Error(_))).count();
    let start = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let end = spans.iter().map(|span| span.end).max().unwrap_or_default();
    Trace { trace_id, nodes: tree(spans), services, errors, start, end }
}

/// `spans`, sorted by start, as nodes in depth-first order.
fn tree(spans: Vec<SpanRecord>) -> Vec<Node> {
    let mut index: HashMap<[u8; 8], usize> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        index.entry(span.span_id).or_insert(at);
    }
    let parent_of = |span: &SpanRecord| {
        span.parent.filter(|id| *id != span.span_id).and_then(|id| index.get(&id)).copied()
    };
    let parents: Vec<Option<usize>> = spans.iter().map(parent_of).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for (at, parent) in parents.iter().enumerate() {
        if let Some(siblings) = parent.and_then(|parent| children.get_mut(parent)) {
            siblings.push(at);
        }
    }
    let has_root = spans.iter().any(|span| span.parent.is_none());
    let roots: Vec<usize> = (0..spans.len()).filter(|&at| parents.get(at) == Some(&None)).collect();
    let entry = if has_root { None } else { roots.first().copied() };
    let mut builder = Builder { spans: spans.into_iter().map(Some).collect(), children, nodes: Vec::new() };
    for root in roots {
        builder.place(root, Some(root) != entry);
    }
    // What is left hangs in a circle of parents: cut at the span that started first.
    for at in 0..builder.spans.len() {
        builder.place(at, true);
    }
    builder.nodes
}

struct Builder {
    /// Taken out when placed.
    spans: Vec<Option<SpanRecord>>,
    children: Vec<Vec<usize>>,
    nodes: Vec<Node>,
}

impl Builder {
    /// Places `root` and all below it that are not placed yet; it is an orphan if it has a parent and is
    /// `not_entry`.
    fn place(&mut self, root: usize, not_entry: bool) {
        let mut open = vec![(root, None, 0)];
        while let Some((at, parent, depth)) = open.pop() {
            let Some(span) = self.spans.get_mut(at).and_then(Option::take) else { continue };
            let placed = self.nodes.len();
            if let Some(siblings) = parent.and_then(|parent: usize| self.nodes.get_mut(parent)) {
                siblings.children.push(placed);
            }
            let is_orphan = parent.is_none() && span.parent.is_some() && not_entry;
            self.nodes.push(Node { span, depth, parent, children: Vec::new(), is_orphan });
            let children = self.children.get(at).into_iter().flatten().rev();
            open.extend(children.map(|&child| (child, Some(placed), depth + 1)));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
