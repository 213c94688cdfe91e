//! Waiting for something that another process does; the only place here that reads the real clock.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a fixture may take to start or to show what it received.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls `probe` until it gives a value; panics, naming `what`, after [`PATIENCE`].
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    until_or(probe, || what.to_owned())
}

/// The same; what it waits for is told only when it did not come.
pub fn until_or<T>(mut probe: impl FnMut() -> Option<T>, what: impl FnOnce() -> String) -> T {
    let deadline = deadline();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        if passed(deadline) {
            panic!("waited {PATIENCE:?} in vain for {}", what());
        }
        sleep(Duration::from_millis(20));
    }
}

/// Runs `action` and says how long it took.
#[expect(clippy::disallowed_methods, reason = "real processes live in real time")]
pub fn timed<T>(action: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (action(), start.elapsed())
}

/// The time of day in nanoseconds since 1970, to hold against what other processes say.
#[expect(clippy::disallowed_methods, reason = "real processes live in real time")]
pub fn unix_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock after 1970").as_nanos().try_into().expect("a time of this century")
}

#[expect(clippy::disallowed_methods, reason = "real processes live in real time")]
fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

#[expect(clippy::disallowed_methods, reason = "real processes live in real time")]
fn passed(deadline: Instant) -> bool {
    Instant::now() > deadline
}
