//! What will happen, in the order of a virtual clock.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::time::Timestamp;

/// Events by instant; those at the same instant in the order in which they were pushed.
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    pushed: u64,
}

struct Entry<E> {
    at: Timestamp,
    order: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, at: Timestamp, event: E) {
        self.heap.push(Reverse(Entry { at, order: self.pushed, event }));
        self.pushed += 1;
    }

    pub(super) fn pop(&mut self) -> Option<(Timestamp, E)> {
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
    fn earlier_first_then_first_come() {
        let mut queue = Queue::new();
        for (at, event) in [(2, "d"), (1, "a"), (1, "b"), (2, "e"), (1, "c")] {
            queue.push(Timestamp::from_unix_nanos(at), event);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, ["a", "b", "c", "d", "e"]);
    }
}
