//! Which traces are recorded, and what `tracestate` tells others of it. Parent-based: what the caller
//! decided holds unless a [`Rule`] overrides it, and the first rule that matches, else the default,
//! counts where nobody has decided yet.
//! How `ot` spells thresholds and randomness is `ot`'s and `threshold`'s affair.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>
//!
//! a new trace …f0e1d2c3b4a596, ratio 0.1 → recorded, `ot=th:e666`

mod keep;
mod limit;
mod matcher;
mod ot;
mod pattern;
mod threshold;

use crate::context::{IncomingDecision, TraceState};
use crate::ids::TraceId;

pub use self::keep::Keep;
pub use self::limit::TokenBucket;
pub use self::matcher::{Facts, HeaderCondition, Matcher, Surroundings};
pub use self::ot::OtState;
pub use self::pattern::Pattern;
pub use self::threshold::Threshold;

/// What spans call the caller's decision.
pub const PARENT: &str = "parent";
/// What spans call the default.
pub const DEFAULT: &str = "default";

/// What becomes of a request's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplingDecision {
    /// Spans are recorded and exported, and the next hop is told so.
    RecordAndSample,
    /// The trace is not sampled, and the next hop is told so; [`Keep`] may want its spans all the same.
    SampleOut,
    /// A rule wants no spans of such requests, and the next hop is told that the trace is not sampled.
    Drop,
    /// A rule wants no spans of such requests, and nothing is said: headers go onward as they came.
    Defer,
}

/// What a rule, or the default, does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Record every one.
    Always,
    /// As the caller decided; record if it did not.
    Parent,
    /// Record none.
    Drop,
    /// Record none and leave the decision to those who come next.
    Defer,
    /// Record those whose id, or `rv`, is random enough.
    Ratio(Threshold),
    /// Record as many as there are tokens.
    PerSecond(TokenBucket),
}

impl Decision {
    /// Whether no request gets spans.
    const fn wants_no_spans(&self) -> bool {
        matches!(self, Self::Drop | Self::Defer)
    }

    /// Decides about a trace with 56 bits of `randomness`, whatever its caller said.
    fn apply(&mut self, decider: Decider, randomness: u64, facts: &Facts<'_>) -> Verdict {
        let (decision, threshold) = match self {
            Self::Always | Self::Parent => (SamplingDecision::RecordAndSample, Some(Threshold::ALL)),
            // Only a rule is a reason to keep nothing in any case.
            Self::Drop if decider == Decider::Default => (SamplingDecision::SampleOut, None),
            Self::Drop => (SamplingDecision::Drop, None),
            Self::Defer => (SamplingDecision::Defer, None),
            Self::Ratio(threshold) => (sample(threshold.keeps(randomness)), Some(*threshold)),
            // How likely it was that there is a token, nobody knows.
            Self::PerSecond(bucket) => (sample(bucket.take(facts.now())), None),
        };
        Verdict { decision, decider, threshold }
    }
}

const fn sample(sampled: bool) -> SamplingDecision {
    if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::SampleOut }
}

/// A decision about some requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What spans call it.
    pub name: String,
    /// The requests that it is for.
    pub matcher: Matcher,
    /// What becomes of them.
    pub decision: Decision,
    /// Whether it counts also where the caller has decided.
    pub overrides: bool,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    /// The caller.
    Parent,
    /// The default.
    Default,
    /// A rule, by its place.
    Rule(usize),
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
    /// Who said so.
    pub decider: Decider,
    /// Vendors' state as it goes onward and into the spans.
    pub trace_state: TraceState,
}

/// Parent-based sampler with rules. Rate limits make it remember what it has let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// In order: the first that matches counts.
    pub rules: Vec<Rule>,
    /// Counts where the caller made no decision and no rule matches.
    pub default: Decision,
    /// What leaves spans though it is not sampled.
    pub keep: Keep,
}

/// What the caller, a rule or the default says of one trace.
struct Verdict {
    decision: SamplingDecision,
    decider: Decider,
    /// By which threshold it is recorded, if it was decided here and by one.
    threshold: Option<Threshold>,
}

impl Verdict {
    const fn of_caller(sampled: bool) -> Self {
        Self { decision: sample(sampled), decider: Decider::Parent, threshold: None }
    }
}

impl Sampler {
    /// Decides about one trace. If it is recorded by our own decision it says by which threshold, if
    /// by any; else the threshold of the caller goes on only if it explains the decision, for
    /// otherwise nobody knows how many traces this one stands for.
    pub fn decide(&mut self, candidate: Candidate, facts: &Facts<'_>) -> Sampling {
        let (theirs, randomness) = match OtState::of(&candidate.trace_state) {
            Some(state) => (state.threshold, state.randomness),
            None => (None, None),
        };
        let randomness = randomness.unwrap_or_else(|| candidate.trace_id.randomness());
        let Verdict { decision, decider, threshold } = self.judge(candidate.incoming, randomness, facts);
        let Candidate { incoming, trace_state, tells_threshold, .. } = candidate;
        let sampled = decision == SamplingDecision::RecordAndSample;
        let is_own = decider != Decider::Parent && incoming != Some(IncomingDecision::Defer);
        let threshold = if is_own && sampled {
            threshold.filter(|_| tells_threshold)
        } else {
            theirs.filter(|threshold| threshold.keeps(randomness) == sampled)
        };
        Sampling { decision, decider, trace_state: ot::settle(trace_state, threshold) }
    }

    /// What spans call the one who decided.
    pub fn name(&self, decider: Decider) -> &str {
        match decider {
            Decider::Parent => PARENT,
            Decider::Default => DEFAULT,
            Decider::Rule(at) => self.rules.get(at).map_or(DEFAULT, |rule| &rule.name),
        }
    }

    /// Nobody overrules debug. Where the caller has decided and the rule does not override it, the
    /// rule has no say in what others do: it can only keep this proxy out of the trace.
    fn judge(&mut self, incoming: Option<IncomingDecision>, randomness: u64, facts: &Facts<'_>) -> Verdict {
        let caller = match incoming {
            Some(IncomingDecision::Debug) => return Verdict::of_caller(true),
            Some(IncomingDecision::Accept) => Some(true),
            Some(IncomingDecision::Deny) => Some(false),
            Some(IncomingDecision::Defer) | None => None,
        };
        let found = self.rules.iter_mut().enumerate().find(|(_, rule)| rule.matcher.matches(facts));
        let Some((at, rule)) = found else {
            return match caller {
                Some(sampled) => Verdict::of_caller(sampled),
                None => self.default.apply(Decider::Default, randomness, facts),
            };
        };
        match caller {
            Some(sampled) if rule.decision == Decision::Parent => Verdict::of_caller(sampled),
            Some(_) if !rule.overrides && rule.decision.wants_no_spans() => {
                Decision::Defer.apply(Decider::Rule(at), randomness, facts)
            }
            Some(sampled) if !rule.overrides => Verdict::of_caller(sampled),
            _ => rule.decision.apply(Decider::Rule(at), randomness, facts),
        }
    }
}

#[cfg(test)]
mod tests;
