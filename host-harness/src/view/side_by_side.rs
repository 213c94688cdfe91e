//! Two traces side by side: which operations, at which place in the tree, are in one and not in the other,
//! and how long they took.
//!
//! Spans with the same service, name and kind below the same ones above are one row.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Trace, library::Found, units::nanos};

/// What two traces have in common and what not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SideBySide {
    /// The first trace.
    pub first: Found,
    /// The second trace.
    pub second: Found,
    /// Depth first; what is only in the second trace behind what is in the first.
    pub rows: Vec<SideBySideRow>,
}

/// An operation at one place in the trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SideBySideRow {
    /// Steps from the root.
    pub depth: usize,
    /// `service.name`.
    pub service: String,
    /// The spans' name.
    pub name: String,
    /// The spans' kind.
    pub kind: &'static str,
    /// How many the first trace has.
    pub first: u64,
    /// How many the second trace has.
    pub second: u64,
    /// The sum of their durations in the first trace.
    pub first_ns: u64,
    /// The sum of their durations in the second trace.
    pub second_ns: u64,
}

/// Where spans are one row: below which row, and what they are.
type Place = (Option<usize>, String, String, &'static str);

#[derive(Default)]
struct Rows {
    rows: Vec<SideBySideRow>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    places: BTreeMap<Place, usize>,
}

impl SideBySide {
    /// Compares the two.
    pub fn of(first: &Trace, second: &Trace) -> Self {
        let mut rows = Rows::default();
        rows.add(first, |row, nanos| {
            (row.first, row.first_ns) = (row.first + 1, row.first_ns.saturating_add(nanos))
        });
        rows.add(second, |row, nanos| {
            (row.second, row.second_ns) = (row.second + 1, row.second_ns.saturating_add(nanos));
        });
        Self { first: Found::from(first), second: Found::from(second), rows: rows.in_order() }
    }
}

impl Rows {
    fn add(&mut self, trace: &Trace, count: impl Fn(&mut SideBySideRow, u64)) {
        // For each node, its row.
        let mut row_of: Vec<usize> = Vec::with_capacity(trace.nodes.len());
        for node in &trace.nodes {
            let above = node.parent.and_then(|parent| row_of.get(parent)).copied();
            let span = &node.span;
            let place = (above, span.service.clone(), span.name.clone(), span.kind.as_str());
            let at = match self.places.get(&place) {
                Some(&at) => at,
                None => self.new_row(place, node.depth),
            };
            if let Some(row) = self.rows.get_mut(at) {
                count(row, nanos(span.end.since(span.start)));
            }
            row_of.push(at);
        }
    }

    fn new_row(&mut self, place: Place, depth: usize) -> usize {
        let at = self.rows.len();
        let (above, service, name, kind) = place.clone();
        let row =
            SideBySideRow { depth, service, name, kind, first: 0, second: 0, first_ns: 0, second_ns: 0 };
        self.rows.push(row);
        self.children.push(Vec::new());
        above.and_then(|above| self.children.get_mut(above)).unwrap_or(&mut self.roots).push(at);
        self.places.insert(place, at);
        at
    }

    fn in_order(self) -> Vec<SideBySideRow> {
        let mut rows: Vec<Option<SideBySideRow>> = self.rows.into_iter().map(Some).collect();
        let mut ordered = Vec::with_capacity(rows.len());
        let mut open: Vec<usize> = self.roots.into_iter().rev().collect();
        while let Some(at) = open.pop() {
            ordered.extend(rows.get_mut(at).and_then(Option::take));
            open.extend(self.children.get(at).into_iter().flatten().rev());
        }
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::{SpanKind, SpanRecord};
    use crate::view::tests::app;
    use crate::view::traces;

    fn named(id: u8, parent: u8, name: &str, start: u64, end: u64) -> SpanRecord {
        let parent = (parent > 0).then_some(parent);
        SpanRecord { name: name.to_owned(), ..app(id, parent, SpanKind::Internal, start, end) }
    }

    #[test]
    fn the_same_operation_at_the_same_place_is_one_row() {
        let first = vec![
            named(1, 0, "root", 0, 100),
            named(2, 1, "read", 10, 20),
            named(3, 1, "read", 20, 40),
            named(4, 2, "wait", 10, 15),
        ];
        let second =
            vec![named(1, 0, "root", 0, 90), named(2, 1, "read", 10, 20), named(3, 1, "write", 20, 40)];
        let comparison = SideBySide::of(&traces(first).remove(0), &traces(second).remove(0));
        let rows: Vec<_> = comparison
            .rows
            .iter()
            .map(|row| (row.depth, row.name.as_str(), row.first, row.second, row.first_ns, row.second_ns))
            .collect();
        let expected = [
            (0, "root", 1, 1, 100, 90),
            (1, "read", 2, 1, 30, 10),
            (2, "wait", 1, 0, 5, 0),
            (1, "write", 0, 1, 0, 20),
        ];
        assert_eq!(rows, expected);
        assert_eq!((comparison.first.spans, comparison.second.spans), (4, 3));
    }
}
