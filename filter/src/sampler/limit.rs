//! A rate limit as a sampling decision: so many traces a second. The clock is handed in.
//!
//! 10 a second → ten at once, then one every 100 ms

use std::time::Duration;

use crate::time::Timestamp;

/// The time that a bucket holds tokens for.
const CAPACITY: Duration = Duration::from_secs(1);

/// A token bucket that holds what one second brings, but one token at least, and is full at first.
/// How full it is follows from when it will be full again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// Between two tokens; none if there never is one.
    interval: Option<Duration>,
    full_at: Timestamp,
}

impl TokenBucket {
    /// A bucket that gets `rate` tokens a second; 0 is none ever.
    pub fn new(rate: f64) -> Self {
        let interval = Duration::try_from_secs_f64(rate.recip()).ok().filter(|_| rate > 0.0);
        Self { interval, full_at: Timestamp::default() }
    }

    /// Takes a token out at `now`; false if there is none.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let Some(interval) = self.interval else { return false };
        let capacity = CAPACITY.max(interval);
        // More than an empty bucket needs: the clock has gone back.
        if self.full_at.since(now) > capacity {
            self.full_at = now;
        }
        let full_at = self.full_at.max(now).plus(interval);
        let has_token = full_at.since(now) <= capacity;
        if has_token {
            self.full_at = full_at;
        }
        has_token
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Takes tokens at these milliseconds of an hour in which the host's clock began.
    fn taken(rate: f64, millis: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let mut bucket = TokenBucket::new(rate);
        let at = |millis| Timestamp::default().plus(Duration::from_millis(3_600_000 + millis));
        millis.into_iter().map(|millis| bucket.take(at(millis))).collect()
    }

    #[test]
    fn a_full_bucket_gives_a_seconds_worth_and_then_the_rate() {
        let cases: [(f64, &[u64], &[bool], &str); 8] = [
            (2.0, &[0, 0, 0], &[true, true, false], "two at once, no third"),
            (2.0, &[0, 0, 499, 500, 501], &[true, true, false, true, false], "one more after half a second"),
            (
                2.0,
                &[0, 0, 9000, 9000, 9000],
                &[true, true, true, true, false],
                "it never holds more than two",
            ),
            (0.5, &[0, 0, 1999, 2000], &[true, false, false, true], "one at least, every two seconds"),
            (1.5, &[0, 0, 333, 334], &[true, false, false, true], "one at once, and half a one is left"),
            (0.0, &[0, 9000, 90_000], &[false, false, false], "0 means none"),
            (
                2.0,
                &[9000, 9000, 9000, 0, 0, 0],
                &[true, true, false, true, true, false],
                "a clock that went back",
            ),
            (1e-300, &[0, 9000], &[false, false], "a rate beyond all clocks is none"),
        ];
        for (rate, millis, expected, reason) in cases {
            assert_eq!(taken(rate, millis.iter().copied()), expected, "{reason}");
        }
    }

    #[test]
    fn over_time_the_rate_is_kept() {
        for (rate, expected) in [(10.0, 10 + 600), (0.1, 1 + 5), (1000.0, 60_000)] {
            let kept = taken(rate, 0..60_000).into_iter().filter(|kept| *kept).count();
            assert!(kept.abs_diff(expected) <= 1, "{rate}: {kept} in a minute of one request a millisecond");
        }
    }
}
