//! The real clock of a replay: how long the filter takes. All else runs on the virtual clock.

use std::time::{Duration, Instant};

/// What `work` gives, and the real time that it took.
#[expect(clippy::disallowed_methods, reason = "the filter's cost is real time, which no virtual clock shows")]
pub(super) fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed())
}
