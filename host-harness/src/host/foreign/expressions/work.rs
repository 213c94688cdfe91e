//! What one evaluation may cost.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes that one evaluation reads of attributes (64 for each entry of a map included) and matches with
/// patterns, each new pattern counted as 8 KiB.
pub const MAX_EXPRESSION_WORK: usize = 128 * 1024;

/// The bytes of one evaluation so far.
#[derive(Debug, Default)]
pub(super) struct Work(AtomicUsize);

impl Work {
    /// Counts bytes; whether the evaluation may go on.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let before = self.0.fetch_add(bytes.min(MAX_EXPRESSION_WORK + 1), Ordering::Relaxed);
        before.saturating_add(bytes) <= MAX_EXPRESSION_WORK
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) > MAX_EXPRESSION_WORK
    }
}
