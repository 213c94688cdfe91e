//! The critical path: the spans, each for a part of its time, that the trace's end waited for.
//! Shorten one of these parts, and the trace is shorter; shorten any other, and it is not.
//!
//! From the root's end backwards: whatever child ended last before that instant is what was waited for.

use super::Trace;
use crate::time::Timestamp;

/// A part of a span's time that lies on the critical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index in [`Trace::nodes`].
    pub node: usize,
    /// When the part begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
}

impl Trace {
    /// The parts, latest first, of the tree below the first root. They follow each other without a gap and
    /// none overlaps, so their sum is the root's duration.
    pub fn critical_path(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let Some(root) = self.nodes.first() else { return segments };
        // What is still to be explained: of this node, back from this instant, to this one.
        let mut open = vec![(0, root.span.start, root.span.end)];
        while let Some((node, from, to)) = open.pop() {
            if from >= to {
                continue;
            }
            let Some(child) = self.last_child_before(node, from, to) else {
                push(&mut segments, node, from, to);
                continue;
            };
            let (index, start, end) = child;
            push(&mut segments, node, end, to);
            // The rest of this node, once the child is explained.
            open.push((node, from, start));
            open.push((index, start, end));
        }
        segments
    }

    /// The child that ended last in `from..=to`, with its time cut to there.
    fn last_child_before(
        &self,
        node: usize,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<(usize, Timestamp, Timestamp)> {
        let children = self.nodes.get(node)?.children.iter();
        let spans = children.filter_map(|&child| Some((child, &self.nodes.get(child)?.span)));
        let within = spans.filter(|(_, span)| span.start < to && span.end > from && span.end > span.start);
        // Of those that outlast the instant, the one that began last was waited for the longest.
        let last = within.max_by_key(|(_, span)| (span.end.min(to), span.start))?;
        let (index, span) = last;
        Some((index, span.start.max(from), span.end.min(to)))
    }
}

fn push(segments: &mut Vec<Segment>, node: usize, from: Timestamp, to: Timestamp) {
    if from < to {
        segments.push(Segment { node, from, to });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::{SpanKind, SpanRecord};
    use crate::view::tests::app;
    use crate::view::traces;

    fn path(spans: Vec<SpanRecord>) -> Vec<(u8, u64, u64)> {
        let trace = traces(spans).remove(0);
        let segments = trace.critical_path();
        let nanos = |at: Timestamp| at.as_unix_nanos();
        segments.iter().map(|s| (trace.nodes[s.node].span.span_id[0], nanos(s.from), nanos(s.to))).collect()
    }

    fn span(id: u8, parent: u8, start: u64, end: u64) -> SpanRecord {
        app(id, (parent > 0).then_some(parent), SpanKind::Internal, start, end)
    }

    #[test]
    fn what_the_end_waited_for() {
        type Row = (&'static str, Vec<SpanRecord>, Vec<(u8, u64, u64)>);
        let table: [Row; 6] = [
            ("a span alone", vec![span(1, 0, 0, 10)], vec![(1, 0, 10)]),
            (
                "one after the other",
                vec![span(1, 0, 0, 100), span(2, 1, 10, 40), span(3, 1, 50, 90)],
                vec![(1, 90, 100), (3, 50, 90), (1, 40, 50), (2, 10, 40), (1, 0, 10)],
            ),
            (
                "side by side: only the one that ended last",
                vec![span(1, 0, 0, 100), span(2, 1, 10, 60), span(3, 1, 10, 90)],
                vec![(1, 90, 100), (3, 10, 90), (1, 0, 10)],
            ),
            (
                "overlapping: the earlier one until the later began",
                vec![span(1, 0, 0, 100), span(2, 1, 10, 60), span(3, 1, 50, 90)],
                vec![(1, 90, 100), (3, 50, 90), (2, 10, 50), (1, 0, 10)],
            ),
            (
                "a child that outlives its parent counts up to the parent's end",
                vec![span(1, 0, 0, 100), span(2, 1, 50, 150)],
                vec![(2, 50, 100), (1, 0, 50)],
            ),
            (
                "grandchildren",
                vec![span(1, 0, 0, 100), span(2, 1, 10, 90), span(3, 2, 20, 80)],
                vec![(1, 90, 100), (2, 80, 90), (3, 20, 80), (2, 10, 20), (1, 0, 10)],
            ),
        ];
        for (reason, spans, expected) in table {
            assert_eq!(path(spans), expected, "{reason}");
        }
    }

    #[test]
    fn its_parts_add_up_to_the_root() {
        let spans = (1..=60u8).map(|id| {
            let (start, length) = (u64::from(id) * 37 % 101, u64::from(id) * 53 % 97);
            span(id, id / 3, if id == 1 { 0 } else { start }, if id == 1 { 150 } else { start + length })
        });
        // Ids below 3 have no parent but the first: they make other roots, which do not count.
        let spans =
            spans.map(|s| if s.span_id[0] == 2 { SpanRecord { parent: Some([1; 8]), ..s } } else { s });
        let segments = path(spans.collect());
        assert_eq!(segments.iter().map(|(_, from, to)| to - from).sum::<u64>(), 150);
        assert!(segments.windows(2).all(|pair| pair[0].1 == pair[1].2), "no gap, no overlap: {segments:?}");
    }
}
