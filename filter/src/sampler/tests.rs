#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::IncomingDecision::{Accept, Debug, Defer, Deny};
use std::borrow::Cow;

use super::SamplingDecision::{RecordAndSample, SampleOut};
use super::*;
use crate::config::Direction;
use crate::headers::Headers;
use crate::time::Timestamp;

#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod rules;

/// A trace id with `randomness` in its low half.
fn trace_id(randomness: u64) -> TraceId {
    let mut bytes = [0xff; 16];
    bytes[8..].copy_from_slice(&randomness.to_be_bytes());
    TraceId::from_bytes(bytes).unwrap()
}

fn candidate(incoming: Option<IncomingDecision>, randomness: u64, trace_state: &str) -> Candidate {
    Candidate {
        incoming,
        trace_id: trace_id(randomness),
        trace_state: TraceState(trace_state.to_owned()),
        tells_threshold: true,
    }
}

/// A proxy that knows nothing but the time.
#[derive(Default)]
struct Clock(Timestamp);

impl Surroundings for Clock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn direction(&self) -> Option<Direction> {
        None
    }
}

/// What `sampler`, as it was configured, decides about a request without headers.
fn decide(sampler: &Sampler, candidate: Candidate) -> Sampling {
    sampler.clone().decide(candidate, &Facts::new(&Headers::default(), None, &Clock::default()))
}

const fn by_default(default: Decision) -> Sampler {
    Sampler { rules: Vec::new(), default, keep: Keep { errors: false, slower_than: None } }
}

fn ratio(ratio: f64) -> Sampler {
    by_default(Decision::Ratio(Threshold::from_ratio(ratio)))
}

const ALWAYS: Sampler = by_default(Decision::Always);
const NEVER: Sampler = by_default(Decision::Drop);

#[test]
fn rule_23_the_parent_decides_and_the_root_decision_where_there_is_none() {
    let cases = [
        (ALWAYS, None, RecordAndSample, "a root is recorded by default"),
        (ALWAYS, Some(Accept), RecordAndSample, "the parent is sampled"),
        (ALWAYS, Some(Deny), SampleOut, "the parent is not, `always` or not"),
        (ALWAYS, Some(Defer), RecordAndSample, "deferred is as a root"),
        (NEVER, None, SampleOut, "no roots"),
        (NEVER, Some(Accept), RecordAndSample, "the parent's decision holds"),
        (NEVER, Some(Debug), RecordAndSample, "nobody overrules debug"),
        (NEVER, Some(Deny), SampleOut, "both say so"),
        (NEVER, Some(Defer), SampleOut, "deferred is as a root"),
        (ratio(0.0), Some(Accept), RecordAndSample, "so with a ratio"),
        (ratio(1.0), Some(Deny), SampleOut, "so with a ratio"),
        (ratio(1.0), Some(Defer), RecordAndSample, "so with a ratio"),
    ];
    for (sampler, incoming, expected, reason) in cases {
        assert_eq!(decide(&sampler, candidate(incoming, 7, "")).decision, expected, "{reason}");
    }
}

#[test]
fn rule_24_keeps_exactly_the_random_values_from_the_threshold_on() {
    let cases = [
        (0x80_0000_0000_0000, RecordAndSample, "equal is kept"),
        (0x7f_ffff_ffff_ffff, SampleOut, "one less is not"),
        (0xff_ffff_ffff_ffff, RecordAndSample, "the highest"),
        (0xff00_0000_0000_0000, SampleOut, "the byte above the 56 bits does not count"),
    ];
    for (randomness, expected, reason) in cases {
        let decide = |share| decide(&ratio(share), candidate(None, randomness, "")).decision;
        assert_eq!(decide(0.5), expected, "{reason}");
        assert_eq!(decide(0.0), SampleOut, "ratio 0 is off: {reason}");
        assert_eq!(decide(1.0), RecordAndSample, "ratio 1 is all: {reason}");
    }
}

#[test]
fn rule_24_a_new_trace_says_by_which_threshold_it_was_kept() {
    const HIGH: u64 = 0xff_ffff_ffff_ffff;
    let cases = [
        (ALWAYS, 0, "ot=th:0", "100 %"),
        (ratio(1.0), 0, "ot=th:0", "the same"),
        (ratio(0.1), HIGH, "ot=th:e666", "10 %"),
        (ratio(0.01), HIGH, "ot=th:fd70a", "1 %"),
        (ratio(1.0 / 3.0), HIGH, "ot=th:aaab", "one in three"),
        (ratio(0.1), 0xe6_65ff_ffff_ffff, "", "dropped, so no threshold"),
        (ratio(0.0), HIGH, "", "off, so no threshold"),
        (NEVER, HIGH, "", "never is no probability"),
    ];
    for (sampler, randomness, expected, reason) in cases {
        let new = candidate(None, randomness, "");
        assert_eq!(decide(&sampler, new.clone()).trace_state.as_str(), expected, "{reason}");
        let untold = decide(&sampler, Candidate { tells_threshold: false, ..new.clone() });
        assert_eq!(untold.trace_state.as_str(), "", "{reason}, but nobody could be told");
        assert_eq!(untold.decision, decide(&sampler, new).decision, "{reason}: decided alike");
    }
}

#[test]
fn rule_25_an_explicit_randomness_counts_instead_of_the_id() {
    let cases = [
        ("", 0x90_0000_0000_0000, RecordAndSample, "the id's own bits"),
        ("ot=rv:70000000000000", 0x90_0000_0000_0000, SampleOut, "a low value for a high id"),
        ("ot=rv:80000000000000", 0, RecordAndSample, "a high value for a low id"),
        ("a=1,ot=x:1;rv:80000000000000", 0, RecordAndSample, "wherever it stands"),
        ("ot=rv:8", 0, SampleOut, "too short, so it does not count"),
        ("ot=rv:8000000000000A", 0, SampleOut, "upper case does not count"),
        ("t@ot=rv:80000000000000", 0, SampleOut, "another tenant's does not count"),
    ];
    for (state, randomness, expected, reason) in cases {
        for incoming in [None, Some(Defer)] {
            let sampling = decide(&ratio(0.5), candidate(incoming, randomness, state));
            assert_eq!(sampling.decision, expected, "{reason}");
        }
    }
}

#[test]
fn rules_25_26_a_callers_threshold_goes_on_only_if_it_explains_the_decision() {
    const LOW: u64 = 0x10_0000_0000_0000;
    const HIGH: u64 = 0xf0_0000_0000_0000;
    let kept = "a=1,ot=th:8,b=2";
    let (low_rv, high_rv) = ("ot=rv:10000000000000;th:8,a=1", "ot=rv:f0000000000000;th:8,a=1");
    let cases = [
        (Accept, HIGH, kept, kept, "sampled above it"),
        (Debug, HIGH, kept, kept, "also by debug"),
        (Deny, LOW, kept, kept, "not sampled below it"),
        (Accept, 0x80_0000_0000_0000, kept, kept, "equal is above"),
        (Accept, LOW, kept, "a=1,b=2", "sampled below it"),
        (Debug, LOW, kept, "a=1,b=2", "debug is no probability"),
        (Deny, HIGH, kept, "a=1,b=2", "not sampled above it"),
        (Deny, LOW, "ot=th:0", "", "not sampled at 100 %"),
        (Accept, LOW, high_rv, high_rv, "the explicit randomness is above it"),
        (Accept, HIGH, low_rv, "ot=rv:10000000000000,a=1", "it is not, and stays as it is"),
        (Deny, HIGH, low_rv, low_rv, "not sampled by the explicit randomness"),
        (Deny, LOW, high_rv, "ot=rv:f0000000000000,a=1", "sampled by it"),
        (Accept, LOW, "a=1,ot=rv:10000000000000;x:1", "a=1,ot=rv:10000000000000;x:1", "no threshold"),
        (Accept, LOW, "a=1,b=2", "a=1,b=2", "none is made up"),
        (Accept, LOW, "", "", "nor from nothing"),
        (Accept, HIGH, "a=1,ot=th:8G;x:1", "ot=x:1,a=1", "one outside the grammar explains nothing"),
        (Accept, HIGH, "ot=p:8;th:8;r:62", "ot=p:8;th:8;r:62", "rule 27: unknown sub-keys go on"),
        (Accept, LOW, "ot=p:8;th:8;r:62", "ot=p:8;r:62", "rule 27: without the threshold too"),
    ];
    for (incoming, randomness, state, expected, reason) in cases {
        for sampler in [ALWAYS, NEVER, ratio(0.01)] {
            let sampling = decide(&sampler, candidate(Some(incoming), randomness, state));
            assert_eq!(sampling.trace_state.as_str(), expected, "{incoming:?} {state}: {reason}");
        }
    }
}

#[test]
fn rule_24_a_deferred_decision_tells_no_threshold() {
    let sampling = decide(&ALWAYS, candidate(Some(Defer), 7, ""));
    assert_eq!((sampling.decision, sampling.trace_state.as_str()), (RecordAndSample, ""));
}
