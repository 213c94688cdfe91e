//! The real clock of a replay: how long the filter takes. All else runs on the virtual clock.

use std::time::{Duration, Instant};

/// What `work` gives, and the real time that it took.
pub(super) fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed())
}
