//! The requests that were written last, in memory: those who follow the writer need not read the file.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Entry;

/// The most bytes of requests that are held here; who is further behind reads the file.
const MAX_BYTES: usize = 32 << 20;

/// The most requests: each may hold a connection's whole buffer, of which it is a part.
const MAX_REQUESTS: usize = 4_096;

/// The newest requests, without a gap.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Recent {
    /// Adds what is in the file now, in order.
    pub(super) fn push(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut held = self.lock();
        for entry in entries {
            held.bytes += entry.request.len();
            held.entries.push_back(entry);
        }
        while (held.bytes > MAX_BYTES || held.entries.len() > MAX_REQUESTS)
            && let Some(oldest) = held.entries.pop_front()
        {
            held.bytes -= oldest.request.len();
        }
    }

    /// The requests after `position`, at least one and then at most `max_requests` as far as they fit into
    /// `max_bytes`; `None` if what comes next is not here.
    pub(super) fn after(&self, position: u64, max_requests: usize, max_bytes: usize) -> Option<Vec<Entry>> {
        let held = self.lock();
        let first = held.entries.front()?.position;
        let skipped = usize::try_from((position + 1).checked_sub(first)?).ok()?;
        if skipped >= held.entries.len() {
            return None;
        }
        Some(taken(held.entries.iter().skip(skipped).take(max_requests), max_bytes))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first of the entries and as many more as fit.
pub(super) fn taken<'a>(entries: impl Iterator<Item = &'a Entry>, max_bytes: usize) -> Vec<Entry> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for entry in entries {
        bytes += entry.request.len();
        if bytes > max_bytes && !taken.is_empty() {
            break;
        }
        taken.push(entry.clone());
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(position: u64, bytes: usize) -> Entry {
        Entry { position, request: vec![0; bytes].into(), spans: 1 }
    }

    #[test]
    fn who_follows_gets_what_is_here_and_is_told_what_is_not() {
        let recent = Recent::default();
        assert_eq!(recent.after(0, 9, 99), None, "nothing yet");
        recent.push((5..=8).map(|position| entry(position, 10)));
        let positions = |position, requests, bytes| {
            let found = recent.after(position, requests, bytes)?;
            Some(found.iter().map(|entry| entry.position).collect::<Vec<_>>())
        };
        assert_eq!(positions(4, 9, 99), Some(vec![5, 6, 7, 8]));
        assert_eq!(positions(5, 2, 99), Some(vec![6, 7]), "so many");
        assert_eq!(positions(5, 9, 25), Some(vec![6, 7]), "so many bytes");
        assert_eq!(positions(5, 9, 1), Some(vec![6]), "at least one");
        assert_eq!(positions(3, 9, 99), None, "the first is gone");
        assert_eq!(positions(8, 9, 99), None, "there is no next");
        recent.push([entry(9, MAX_BYTES)]);
        assert_eq!(positions(7, 9, 99), None, "too much to hold");
        assert_eq!(positions(8, 9, 99), Some(vec![9]));
    }
}
