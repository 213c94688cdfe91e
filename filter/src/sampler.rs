//! Which traces are recorded. Parent-based: what the caller decided holds, and the configured
//! [`RootDecision`] counts only where nobody has decided yet.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>

use crate::context::IncomingDecision;
use crate::ids::TraceId;

/// What becomes of a request's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplingDecision {
    /// No spans here, and the next hop is told so.
    Drop,
    /// Spans are recorded and exported, and the next hop is told so.
    RecordAndSample,
}

/// How many of the 2^56 possible random values are too low to be sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold(u64);

impl Threshold {
    /// All possible values: nothing is sampled.
    const MAX: u64 = 1 << 56;
    /// Hex digits that are kept beyond the leading `f`s (the specification's recommended precision).
    const PRECISION: u32 = 4;

    /// The threshold that keeps `ratio` of all traces, rounded to the precision that `ot=th` has on
    /// the wire, so that every sampler that reads it decides alike. A ratio of 0 keeps nothing.
    pub fn from_ratio(ratio: f64) -> Self {
        let ratio = ratio.clamp(0.0, 1.0);
        let kept = (ratio * Self::MAX as f64).round() as u64;
        let threshold = Self::MAX.saturating_sub(kept);
        if kept == 0 || threshold == 0 {
            return Self(threshold);
        }
        // Leading `f` digits of the threshold, or leading zeros, carry no information.
        let insignificant = kept.min(threshold).leading_zeros().saturating_sub(8) / 4;
        let shift = 4 * 14_u32.saturating_sub(Self::PRECISION + insignificant);
        if shift == 0 {
            return Self(threshold);
        }
        Self(((threshold + (1 << (shift - 1))) >> shift) << shift)
    }

    /// Whether a trace with 56 bits of `randomness` is kept.
    pub const fn keeps(self, randomness: u64) -> bool {
        randomness >= self.0
    }
}

/// The decision for a trace that nobody has decided about: a new one, or one whose caller defers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootDecision {
    /// Record every one.
    Always,
    /// Record none.
    Drop,
    /// Record those whose id is random enough.
    Ratio(Threshold),
}

/// Parent-based sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Counts where the caller made no decision.
    pub root: RootDecision,
}

impl Sampler {
    /// Decides about one trace. `incoming` is the caller's decision, none if there is no caller.
    pub fn decide(&self, incoming: Option<IncomingDecision>, trace_id: TraceId) -> SamplingDecision {
        let sampled = match incoming {
            Some(IncomingDecision::Accept | IncomingDecision::Debug) => true,
            Some(IncomingDecision::Deny) => false,
            Some(IncomingDecision::Defer) | None => match self.root {
                RootDecision::Always => true,
                RootDecision::Drop => false,
                RootDecision::Ratio(threshold) => threshold.keeps(trace_id.randomness()),
            },
        };
        if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::ids::IdGenerator;

    fn trace_id(randomness: u64) -> TraceId {
        let mut bytes = [0xff; 16];
        bytes[8..].copy_from_slice(&randomness.to_be_bytes());
        TraceId::from_bytes(bytes).unwrap()
    }

    #[test]
    fn rule_23_the_parent_decides_and_the_root_decision_where_there_is_none() {
        use IncomingDecision::{Accept, Debug, Defer, Deny};
        use SamplingDecision::{Drop, RecordAndSample};
        let cases = [
            (RootDecision::Always, None, RecordAndSample, "a root is recorded by default"),
            (RootDecision::Always, Some(Accept), RecordAndSample, "the parent is sampled"),
            (RootDecision::Always, Some(Deny), Drop, "the parent is not, `always` or not"),
            (RootDecision::Always, Some(Defer), RecordAndSample, "deferred is as a root"),
            (RootDecision::Drop, None, Drop, "no roots"),
            (RootDecision::Drop, Some(Accept), RecordAndSample, "the parent's decision holds"),
            (RootDecision::Drop, Some(Debug), RecordAndSample, "nobody overrules debug"),
            (RootDecision::Drop, Some(Deny), Drop, "both say so"),
            (RootDecision::Drop, Some(Defer), Drop, "deferred is as a root"),
            (
                RootDecision::Ratio(Threshold::from_ratio(0.0)),
                Some(Accept),
                RecordAndSample,
                "so with a ratio",
            ),
            (RootDecision::Ratio(Threshold::from_ratio(1.0)), Some(Deny), Drop, "so with a ratio"),
        ];
        for (root, incoming, expected, reason) in cases {
            assert_eq!(Sampler { root }.decide(incoming, trace_id(7)), expected, "{reason}");
        }
    }

    #[test]
    fn rule_24_thresholds_have_four_significant_digits() {
        let cases = [
            (1.0, 0, "all"),
            (0.5, 0x80_0000_0000_0000, "exact"),
            (0.25, 0xc0_0000_0000_0000, "exact"),
            (0.1, 0xe6_6600_0000_0000, "th:e666"),
            (1.0 / 3.0, 0xaa_ab00_0000_0000, "th:aaab, rounded up"),
            (0.01, 0xfd_70a0_0000_0000, "th:fd70a, a leading f does not count"),
            (0.001, 0xff_be77_0000_0000, "th:ffbe77, two do not"),
            (0.0, 1 << 56, "none"),
            (-1.0, 1 << 56, "below the range is as none"),
            (7.0, 0, "above the range is as all"),
            (1e-30, 1 << 56, "too small for 56 bits is none"),
        ];
        for (ratio, expected, reason) in cases {
            assert_eq!(Threshold::from_ratio(ratio), Threshold(expected), "{ratio}: {reason}");
        }
    }

    #[test]
    fn rule_24_keeps_exactly_the_random_values_from_the_threshold_on() {
        let half = Sampler { root: RootDecision::Ratio(Threshold::from_ratio(0.5)) };
        let none = Sampler { root: RootDecision::Ratio(Threshold::from_ratio(0.0)) };
        let all = Sampler { root: RootDecision::Ratio(Threshold::from_ratio(1.0)) };
        let cases = [
            (0x80_0000_0000_0000, true, "equal is kept"),
            (0x7f_ffff_ffff_ffff, false, "one less is not"),
            (0xff_ffff_ffff_ffff, true, "the highest"),
            (0xff00_0000_0000_0000, false, "the byte above the 56 bits does not count"),
        ];
        for (randomness, kept, reason) in cases {
            let id = trace_id(randomness);
            assert_eq!(half.decide(None, id) == SamplingDecision::RecordAndSample, kept, "{reason}");
            assert_eq!(none.decide(None, id), SamplingDecision::Drop, "ratio 0 is off: {reason}");
            assert_eq!(all.decide(None, id), SamplingDecision::RecordAndSample, "ratio 1 is all: {reason}");
        }
    }

    #[test]
    fn rule_24_a_ratio_keeps_about_that_share_of_random_ids() {
        let sampler = Sampler { root: RootDecision::Ratio(Threshold::from_ratio(0.1)) };
        let mut ids = IdGenerator::from_seed([3; 32]);
        let kept =
            (0..10_000).filter(|_| sampler.decide(None, ids.trace_id()) == SamplingDecision::RecordAndSample);
        let kept = kept.count();
        assert!((900..1100).contains(&kept), "{kept} of 10000");
    }
}
