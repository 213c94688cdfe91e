//! Which failed exports may be sent again, and when.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#failures>

mod after;

use std::time::Duration;

use crate::ids::IdGenerator;
pub use after::retry_after;

const FIRST: Duration = Duration::from_millis(500);

/// The longest wait before another attempt, also when the collector asks for a longer one.
pub const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Whether OTLP/gRPC lets a request that ended with this status be sent again.
///
/// `RESOURCE_EXHAUSTED` may be only with a `RetryInfo`, which no host shows to a plugin.
pub const fn grpc_may_retry(status: u32) -> bool {
    const CANCELLED: u32 = 1;
    const DEADLINE_EXCEEDED: u32 = 4;
    const ABORTED: u32 = 10;
    const OUT_OF_RANGE: u32 = 11;
    const UNAVAILABLE: u32 = 14;
    const DATA_LOSS: u32 = 15;
    matches!(status, CANCELLED | DEADLINE_EXCEEDED | ABORTED | OUT_OF_RANGE | UNAVAILABLE | DATA_LOSS)
}

/// Whether OTLP/HTTP lets a request that was answered with this status be sent again.
pub const fn http_may_retry(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// The wait after the failed `attempt` (1 is the first): 0.5 s doubled for each further one, at most
/// [`MAX_BACKOFF`], of which a random half keeps proxies from retrying in step.
pub fn backoff(attempt: u32, ids: &mut IdGenerator) -> Duration {
    let doublings = attempt.saturating_sub(1).min(6);
    let half = FIRST.saturating_mul(1 << doublings).min(MAX_BACKOFF) / 2;
    half + Duration::from_nanos(ids.below(u64::try_from(half.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn rule_40_only_these_grpc_statuses_may_be_retried() {
        let retried: Vec<u32> = (0..=17).filter(|status| grpc_may_retry(*status)).collect();
        assert_eq!(retried, [1, 4, 10, 11, 14, 15]);
    }

    #[test]
    fn rule_41_only_these_http_statuses_may_be_retried() {
        let retried: Vec<u16> = (100..=599).filter(|status| http_may_retry(*status)).collect();
        assert_eq!(retried, [429, 502, 503, 504]);
    }

    #[test]
    fn rule_41_backoff_doubles_up_to_its_limit_with_jitter() {
        let mut ids = IdGenerator::from_seed([3; 32]);
        for (attempt, full) in
            [(1, 500), (2, 1_000), (3, 2_000), (6, 16_000), (7, 30_000), (u32::MAX, 30_000)]
        {
            let (low, high) = (Duration::from_millis(full / 2), Duration::from_millis(full));
            let waits: Vec<_> = (0..50).map(|_| backoff(attempt, &mut ids)).collect();
            assert!(waits.iter().all(|wait| (low..high).contains(wait)), "attempt {attempt}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "attempt {attempt} has no jitter");
        }
    }
}
