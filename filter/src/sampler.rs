//! Which traces are recorded, and what `tracestate` tells others of it. Parent-based: what the caller
//! decided holds, and the configured [`RootDecision`] counts only where nobody has decided yet.
//! How `ot` spells thresholds and randomness is `ot`'s and `threshold`'s affair.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>
//!
//! a new trace …f0e1d2c3b4a596, ratio 0.1 → recorded, `ot=th:e666`

mod ot;
mod threshold;

use crate::context::{IncomingDecision, TraceState};
use crate::ids::TraceId;

pub use self::ot::OtState;
pub use self::threshold::Threshold;

/// What becomes of a request's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplingDecision {
    /// No spans here, and the next hop is told so.
    Drop,
    /// Spans are recorded and exported, and the next hop is told so.
    RecordAndSample,
}

/// The decision for a trace that nobody has decided about: a new one, or one whose caller defers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootDecision {
    /// Record every one.
    Always,
    /// Record none.
    Drop,
    /// Record those whose id, or `rv`, is random enough.
    Ratio(Threshold),
}

impl RootDecision {
    /// What a trace's randomness is held against; none if it does not matter.
    const fn threshold(self) -> Option<Threshold> {
        match self {
            Self::Always => Some(Threshold::ALL),
            Self::Drop => None,
            Self::Ratio(threshold) => Some(threshold),
        }
    }
}

/// A trace to decide about.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The caller's decision; none if there is no caller.
    pub incoming: Option<IncomingDecision>,
    /// Its low 56 bits are taken for random, with or without the flag that says so, as OpenTelemetry's
    /// `TraceIdRatioBased` does.
    pub trace_id: TraceId,
    /// Vendors' state as the caller sent it.
    pub trace_state: TraceState,
    /// Whether the next hop can be told the threshold of a new trace: only W3C has a place for it.
    pub tells_threshold: bool,
}

/// What has been decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// What becomes of the request's spans.
    pub decision: SamplingDecision,
    /// Vendors' state as it goes onward and into the spans.
    pub trace_state: TraceState,
}

/// Parent-based sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Counts where the caller made no decision.
    pub root: RootDecision,
}

impl Sampler {
    /// Decides about one trace. A new one that is recorded says by which threshold; the threshold of a
    /// caller goes on only if it explains the decision, else nobody knows how many traces this one
    /// stands for.
    pub fn decide(&self, candidate: Candidate) -> Sampling {
        let Candidate { incoming, trace_id, trace_state, tells_threshold } = candidate;
        let (theirs, randomness) = match OtState::of(&trace_state) {
            Some(state) => (state.threshold, state.randomness),
            None => (None, None),
        };
        let randomness = randomness.unwrap_or_else(|| trace_id.randomness());
        let keeps = |threshold: Threshold| threshold.keeps(randomness);
        let ours = self.root.threshold().filter(|threshold| keeps(*threshold));
        let sampled = match incoming {
            Some(IncomingDecision::Accept | IncomingDecision::Debug) => true,
            Some(IncomingDecision::Deny) => false,
            Some(IncomingDecision::Defer) | None => ours.is_some(),
        };
        let threshold = match incoming {
            Some(_) => theirs.filter(|threshold| keeps(*threshold) == sampled),
            None => ours.filter(|_| tells_threshold),
        };
        let decision = if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        Sampling { decision, trace_state: ot::settle(trace_state, threshold) }
    }
}

#[cfg(test)]
mod tests;
