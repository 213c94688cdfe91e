//! Instants as the wire has them. Nothing here asks for the time: the host's clock is handed in.

use std::time::Duration;

/// An instant: nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `nanos` nanoseconds after the Unix epoch.
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_unix_nanos(self) -> u64 {
        self.0
    }

    /// The instant `duration` later; the last representable one if that is too far.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// The instant `duration` earlier; the epoch if that is before it.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let epoch = Timestamp::from_unix_nanos(0);
        let end = Timestamp::from_unix_nanos(u64::MAX);
        assert_eq!(epoch.minus(Duration::from_secs(1)), epoch);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(epoch.since(end), Duration::ZERO);
        assert_eq!(epoch.plus(Duration::from_nanos(7)).since(epoch), Duration::from_nanos(7));
    }
}
