//! What holds for all thresholds, all trace ids and any `ot`.

use proptest::prelude::*;

use super::*;
use crate::ids::IdGenerator;
use crate::propagation::tracestate;

/// Values of `ot` that are right, nearly right, or anything that `tracestate` lets through.
fn values() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        "th:[0-9a-f]{1,14}",
        "th:[0-9a-fA-F]{0,15}",
        "rv:[0-9a-f]{14}",
        "rv:[0-9a-fA-F]{13,15}",
        "[a-z][a-z0-9]{0,3}:[A-Za-z0-9._-]{0,9}",
        "[!-+./:->-~-]{0,9}",
    ];
    proptest::collection::vec(member, 0..8).prop_map(|members| members.join(";"))
}

fn decisions() -> impl Strategy<Value = Option<IncomingDecision>> {
    proptest::sample::select(vec![None, Some(Accept), Some(Debug), Some(Defer), Some(Deny)])
}

fn is_kept(share: f64, randomness: u64) -> bool {
    decide(&ratio(share), candidate(None, randomness, "")).decision == RecordAndSample
}

proptest! {
    #[test]
    fn rule_24_a_threshold_that_is_written_is_read_back(share in 0.0..=1.0_f64, exponent in 0..60_i32) {
        let threshold = Threshold::from_ratio(share * 2_f64.powi(-exponent));
        if let Some(th) = threshold.to_th() {
            prop_assert_eq!(Threshold::parse(&th), Some(threshold));
            prop_assert!(th == "0" || !th.ends_with('0'), "{}", th);
        }
    }

    #[test]
    fn rule_24_th_is_read_and_written_without_its_trailing_zeros(th in "[0-9a-f]{1,14}") {
        let expected = match th.trim_end_matches('0') {
            "" => "0",
            significant => significant,
        };
        let written = Threshold::parse(&th).and_then(Threshold::to_th);
        prop_assert_eq!(written.as_deref(), Some(expected));
    }

    #[test]
    fn rules_24_25_27_what_ot_says_is_read_back(value in values()) {
        let text = OtState::parse(&value).to_text();
        let state = OtState::parse(&text);
        prop_assert_eq!(state.to_text(), text.clone());
        prop_assert!(text.len() <= value.len());
        let foreign = |list: &str| {
            let others = list.split(';').filter(|member| !member.is_empty());
            let others = others.filter(|member| !member.starts_with("th:") && !member.starts_with("rv:"));
            others.map(str::to_owned).collect::<Vec<_>>()
        };
        prop_assert_eq!(foreign(&text), foreign(&value), "rule 27");
    }

    /// Consistency: who keeps a share of traces keeps them all again with a larger share.
    #[test]
    fn rule_24_a_larger_share_keeps_all_that_a_smaller_keeps(
        (a, b) in (0.0..=1.0_f64, 0.0..=1.0_f64),
        exponent in 0..60_i32,
        randomness: u64,
    ) {
        let (a, b) = (a * 2_f64.powi(-exponent), b * 2_f64.powi(-exponent));
        let (smaller, larger) = (a.min(b), a.max(b));
        // High randomness, where small shares differ, is as likely as any other.
        let randomness = randomness | (((1 << 56) - 1) << (56 - exponent.min(56)));
        prop_assert!(!is_kept(smaller, randomness) || is_kept(larger, randomness));
    }

    #[test]
    fn rules_25_26_what_goes_onward_explains_itself(
        value in values(),
        incoming in decisions(),
        share in 0.0..=1.0_f64,
        randomness: u64,
    ) {
        let list = if value.is_empty() { "a=1,b=2".to_owned() } else { format!("a=1,ot={value},b=2") };
        let Ok(trace_state) = tracestate::parse([list.as_bytes()]) else { return Ok(()) };
        let before = OtState::of(&trace_state).unwrap_or_default();
        let given = Candidate { trace_state: trace_state.clone(), ..candidate(incoming, randomness, "") };
        let sampling = decide(&ratio(share), given.clone());
        let after = OtState::of(&sampling.trace_state).unwrap_or_default();
        prop_assert_eq!(after.randomness, before.randomness, "rule 25");
        let randomness = after.randomness.unwrap_or_else(|| given.trace_id.randomness());
        if let Some(threshold) = after.threshold {
            let sampled = sampling.decision == RecordAndSample;
            prop_assert_eq!(threshold.keeps(randomness), sampled, "rule 26");
        }
        let others: Vec<_> = sampling.trace_state.as_str().split(',').collect();
        let others: Vec<_> = others.into_iter().filter(|entry| !entry.starts_with("ot=")).collect();
        prop_assert_eq!(others, ["a=1", "b=2"], "other vendors' entries are as they were");
        let again = tracestate::parse([sampling.trace_state.as_str().as_bytes()]);
        prop_assert_eq!(again.as_ref(), Ok(&sampling.trace_state), "it is a valid list");
        // The next proxy, told the decision, has nothing to change.
        if incoming.is_some() {
            let told = if sampling.decision == RecordAndSample { Accept } else { Deny };
            let next = Candidate { incoming: Some(told), trace_state: sampling.trace_state.clone(), ..given };
            let next = decide(&ALWAYS, next);
            prop_assert_eq!((next.decision, next.trace_state), (sampling.decision, sampling.trace_state));
        }
    }
}

#[test]
fn rule_24_a_ratio_keeps_about_that_share_of_random_ids() {
    let mut ids = IdGenerator::from_seed([3; 32]);
    let drawn: Vec<_> = (0..100_000).map(|_| ids.trace_id()).collect();
    for (share, expected) in [(0.5, 49_000..51_000), (0.1, 9_600..10_400), (0.01, 880..1_120)] {
        let candidates = drawn.iter().map(|id| Candidate { trace_id: *id, ..candidate(None, 0, "") });
        let kept = candidates.filter(|new| decide(&ratio(share), new.clone()).decision == RecordAndSample);
        let kept = kept.count();
        assert!(expected.contains(&kept), "{share}: {kept} of 100000");
    }
}
