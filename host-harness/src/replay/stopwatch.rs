//! The real clock of a replay: how long the filter takes, and how fast the virtual clock may go.

use std::time::{Duration, Instant};

use crate::time::Timestamp;

/// What `work` gives, and the real time that it took.
#[expect(clippy::disallowed_methods, reason = "the filter's cost is real time, which no virtual clock shows")]
pub(super) fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed())
}

/// Holds the virtual clock to a multiple of the real one.
#[derive(Debug)]
pub(super) struct Pace {
    speed: f64,
    /// The first exchange's instant, and when it was due in reality.
    start: Option<(Timestamp, Instant)>,
}

impl Pace {
    /// `speed` virtual seconds a real one.
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, start: None }
    }

    /// How far the virtual clock may have come; its way begins at `first`, at the first question.
    #[expect(clippy::disallowed_methods, reason = "the pace is that of the real clock")]
    pub(super) fn now(&mut self, first: Timestamp) -> Timestamp {
        let (first, since) = *self.start.get_or_insert_with(|| (first, Instant::now()));
        let elapsed = since.elapsed().as_secs_f64() * self.speed;
        first.plus(Duration::try_from_secs_f64(elapsed).unwrap_or(Duration::MAX))
    }

    /// Waits until the virtual clock may be at `until`, for `longest` at most.
    pub(super) fn wait(&mut self, until: Timestamp, longest: Duration) {
        let ahead = until.since(self.now(until)).as_secs_f64() / self.speed;
        std::thread::sleep(Duration::try_from_secs_f64(ahead).unwrap_or(longest).min(longest));
    }
}
