//! Which requests leave spans though their trace is not sampled. Decided once they are over.

use std::time::Duration;

/// What is kept of what is not sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Requests that failed.
    pub errors: bool,
    /// Requests that lasted longer.
    pub slower_than: Option<Duration>,
}

impl Keep {
    /// Whether nothing is ever kept.
    pub const fn is_nothing(self) -> bool {
        !self.errors && self.slower_than.is_none()
    }

    /// Whether a request that `lasted` so long is kept.
    pub fn wants(self, has_failed: bool, lasted: Duration) -> bool {
        (self.errors && has_failed) || self.slower_than.is_some_and(|limit| lasted > limit)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn either_reason_is_enough() {
        let second = Duration::from_secs(1);
        let more = second + Duration::from_nanos(1);
        let (errors, slow) = (Keep { errors: true, slower_than: None }, Some(second));
        let cases = [
            (Keep::default(), true, more, false, "nothing is kept"),
            (errors, true, Duration::ZERO, true, "a failure"),
            (errors, false, more, false, "success, however slow"),
            (Keep { errors: false, slower_than: slow }, true, second, false, "not slower, though a failure"),
            (Keep { errors: false, slower_than: slow }, false, more, true, "slower"),
            (Keep { slower_than: slow, ..errors }, false, second, false, "neither"),
            (Keep { slower_than: slow, ..errors }, true, second, true, "one of both"),
        ];
        for (keep, has_failed, lasted, expected, reason) in cases {
            assert_eq!(keep.wants(has_failed, lasted), expected, "{reason}");
            assert_eq!(keep.is_nothing(), keep == Keep::default(), "{reason}");
        }
    }
}
