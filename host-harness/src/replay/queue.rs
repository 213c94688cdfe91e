//! What will happen, in the order of a virtual clock.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::time::Timestamp;

/// Events by instant. Of those at the same instant, what was planned comes first, in the order of its
/// ranks, then what came up, in the order in which it did: so it is the same however early a plan is known.
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    pushed: u64,
}

struct Entry<E> {
    at: Timestamp,
    order: (Origin, u64, u8),
    event: E,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Planned,
    CameUp,
}

impl<E> Queue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }

    pub(super) fn plan(&mut self, at: Timestamp, rank: (u64, u8), event: E) {
        self.heap.push(Reverse(Entry { at, order: (Origin::Planned, rank.0, rank.1), event }));
    }

    pub(super) fn push(&mut self, at: Timestamp, event: E) {
        self.heap.push(Reverse(Entry { at, order: (Origin::CameUp, self.pushed, 0), event }));
        self.pushed += 1;
    }

    /// The first event, if it is before `until`, or whenever it is if that is `None`.
    pub(super) fn pop_before(&mut self, until: Option<Timestamp>) -> Option<(Timestamp, E)> {
        let Reverse(first) = self.heap.peek()?;
        if until.is_some_and(|until| first.at >= until) {
            return None;
        }
        self.heap.pop().map(|Reverse(Entry { at, event, .. })| (at, event))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_first_then_by_rank_then_first_come() {
        let mut queue = Queue::new();
        let at = Timestamp::from_unix_nanos;
        for (when, event) in [(2, "f"), (1, "c"), (1, "d")] {
            queue.push(at(when), event);
        }
        for (when, rank, event) in [(1, (1, 0), "b"), (2, (0, 0), "e"), (1, (0, 7), "a")] {
            queue.plan(at(when), rank, event);
        }
        let early: Vec<_> =
            std::iter::from_fn(|| queue.pop_before(Some(at(2)))).map(|(_, event)| event).collect();
        assert_eq!(early, ["a", "b", "c", "d"]);
        let late: Vec<_> = std::iter::from_fn(|| queue.pop_before(None)).map(|(_, event)| event).collect();
        assert_eq!(late, ["e", "f"]);
    }
}
