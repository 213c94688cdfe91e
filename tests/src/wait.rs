//! Waiting for something that another process does; the only place here that reads the real clock.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a fixture may take to start or to show what it received.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls `probe` until it gives a value; panics, naming `what`, after [`PATIENCE`].
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = deadline();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(!passed(deadline), "waited {PATIENCE:?} in vain for {what}");
        sleep(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "real processes live in real time")]
fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

#[expect(clippy::disallowed_methods, reason = "real processes live in real time")]
fn passed(deadline: Instant) -> bool {
    Instant::now() > deadline
}
