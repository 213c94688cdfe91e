//! Which span stands where in its trace's tree.
//!
//! A span whose parent is not there is an orphan, but for one case: in a trace without any true root, the
//! span that started first is the entry, called by somebody who is not recorded.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::collect::SpanRecord;
use crate::time::Timestamp;

/// What decides a span's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    /// The span.
    pub span_id: [u8; 8],
    /// The span that caused it; `None` for a root.
    pub parent: Option<[u8; 8]>,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
}

impl From<&SpanRecord> for Bond {
    fn from(span: &SpanRecord) -> Self {
        Self { span_id: span.span_id, parent: span.parent, start: span.start, end: span.end }
    }
}

/// A span's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of the spans stands here.
    pub at: usize,
    /// Index of the parent's place.
    pub parent: Option<usize>,
    /// Steps from its root; 0 for a root.
    pub depth: usize,
    /// Its parent is missing from the trace, and it is not the trace's entry.
    pub is_orphan: bool,
}

/// The places of one trace's spans, depth first: each before its children, siblings and roots in the order of
/// their start.
pub fn places(spans: &[Bond]) -> Vec<Place> {
    let mut sorted: Vec<(usize, &Bond)> = spans.iter().enumerate().collect();
    // A parent starts no later than its children; of two that start together the longer one comes first.
    sorted.sort_by_key(|(_, span)| (span.start, Reverse(span.end), span.span_id));
    let mut index: HashMap<[u8; 8], usize> = HashMap::with_capacity(spans.len());
    for (at, (_, span)) in sorted.iter().enumerate() {
        index.entry(span.span_id).or_insert(at);
    }
    let parent_of =
        |span: &Bond| span.parent.filter(|id| *id != span.span_id).and_then(|id| index.get(&id)).copied();
    let parents: Vec<Option<usize>> = sorted.iter().map(|(_, span)| parent_of(span)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for (at, parent) in parents.iter().enumerate() {
        if let Some(siblings) = parent.and_then(|parent| children.get_mut(parent)) {
            siblings.push(at);
        }
    }
    let has_root = spans.iter().any(|span| span.parent.is_none());
    let roots: Vec<usize> = (0..spans.len()).filter(|&at| parents.get(at) == Some(&None)).collect();
    let entry = if has_root { None } else { roots.first().copied() };
    let spans = sorted.into_iter().map(Some).collect();
    let mut builder = Builder { spans, children, places: Vec::with_capacity(parents.len()) };
    for root in roots {
        builder.place(root, Some(root) != entry);
    }
    // What is left hangs in a circle of parents: cut at the span that started first.
    for at in 0..builder.spans.len() {
        builder.place(at, true);
    }
    builder.places
}

struct Builder<'a> {
    /// By start; taken out when placed.
    spans: Vec<Option<(usize, &'a Bond)>>,
    children: Vec<Vec<usize>>,
    places: Vec<Place>,
}

impl Builder<'_> {
    /// Places `root` and all below it that are not placed yet; it is an orphan if it has a parent and is
    /// `not_entry`.
    fn place(&mut self, root: usize, not_entry: bool) {
        let mut open = vec![(root, None, 0)];
        while let Some((at, parent, depth)) = open.pop() {
            let Some((given, span)) = self.spans.get_mut(at).and_then(Option::take) else { continue };
            let placed = self.places.len();
            let is_orphan = parent.is_none() && span.parent.is_some() && not_entry;
            self.places.push(Place { at: given, parent, depth, is_orphan });
            let children = self.children.get(at).into_iter().flatten().rev();
            open.extend(children.map(|&child| (child, Some(placed), depth + 1)));
        }
    }
}
