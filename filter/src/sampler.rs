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
