//! How far the writer and the indexer are, and waiting for them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// The last request in the file.
    pub(super) committed: u64,
    /// The last request that searches see.
    pub(super) indexed: u64,
    /// Of the requests between the two.
    pub(super) unindexed_bytes: usize,
    /// The indexer has failed and tries again: it is of no use to wait for it.
    pub(super) is_stuck: bool,
    /// The store goes.
    pub(super) is_ending: bool,
}

/// The marks, shared.
#[derive(Debug, Default)]
pub(super) struct Progress {
    marks: Mutex<Marks>,
    changed: Condvar,
}

impl Progress {
    /// Changes the marks and wakes who waits for it.
    pub(super) fn update(&self, change: impl FnOnce(&mut Marks)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until the marks are as `wanted`, at most for `limit`; the marks then.
    pub(super) fn wait(&self, limit: Duration, wanted: impl Fn(&Marks) -> bool) -> Marks {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |marks| !wanted(marks));
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
