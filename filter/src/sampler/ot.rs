//! OpenTelemetry's own entry in `tracestate`: what `ot` says about sampling. The list that it stands
//! in is `propagation::tracestate`'s affair, what follows from it `sampler`'s.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>
//!
//! `th:e666;rv:6e6d1a75832a2f;x:1` → threshold e666, randomness 6e6d1a75832a2f, `x:1` kept

use super::threshold::{DIGITS, Threshold, hex_value};
use crate::context::TraceState;

/// The entry's key.
const KEY: &str = "ot";
/// Longest value of the entry.
const MAX_LEN: usize = 256;
/// Before the threshold's digits.
const TH: &str = "th:";
/// Before the randomness' digits.
const RV: &str = "rv:";

/// What the entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtState<'a> {
    /// `th`: what the sampled spans have been held against. None if unknown.
    pub threshold: Option<Threshold>,
    /// `rv`: 56 random bits that count instead of the trace id's. None if those do.
    pub randomness: Option<u64>,
    /// Other sub-keys with their values, as they came and in order.
    others: Vec<&'a str>,
    /// Whether a `th` or `rv` was there that says nothing: outside the grammar or repeated.
    invalid: bool,
}

impl<'a> OtState<'a> {
    /// Parses the entry's value. A `th` or `rv` outside the grammar says nothing; of repeated ones
    /// the first counts. Everything else is kept as it is.
    pub fn parse(value: &'a str) -> Self {
        let mut state = Self::default();
        let (mut th, mut rv) = (None, None);
        for member in value.split(';').filter(|member| !member.is_empty()) {
            let (slot, digits) = match (member.strip_prefix(TH), member.strip_prefix(RV)) {
                (Some(digits), _) => (&mut th, digits),
                (_, Some(digits)) => (&mut rv, digits),
                (None, None) => {
                    state.others.push(member);
                    continue;
                }
            };
            state.invalid |= slot.is_some();
            slot.get_or_insert(digits);
        }
        state.threshold = th.and_then(Threshold::parse);
        state.randomness = rv.filter(|digits| digits.len() == DIGITS).and_then(hex_value);
        state.invalid |= th.is_some() != state.threshold.is_some();
        state.invalid |= rv.is_some() != state.randomness.is_some();
        state
    }

    /// What `trace_state` says, if it has the entry.
    pub fn of(trace_state: &'a TraceState) -> Option<Self> {
        trace_state.value(KEY).map(Self::parse)
    }

    /// The entry's value, at most 256 characters; empty if there is nothing to say. Where a threshold
    /// would make it longer, it has none: better unknown than a randomness or a sub-key lost.
    pub fn to_text(&self) -> String {
        let th = self.threshold.and_then(Threshold::to_th).map(|digits| format!("{TH}{digits}"));
        let rv = self.randomness.map(|bits| format!("{RV}{bits:014x}"));
        let join = |th: Option<&str>| {
            let members = th.into_iter().chain(rv.as_deref()).chain(self.others.iter().copied());
            members.collect::<Vec<_>>().join(";")
        };
        let text = join(th.as_deref());
        if text.len() > MAX_LEN { join(None) } else { text }
    }
}

/// `trace_state` with `threshold` and nothing invalid in the entry, which moves to the head; as it is,
/// if it says just that already.
pub(super) fn settle(trace_state: TraceState, threshold: Option<Threshold>) -> TraceState {
    let found = OtState::of(&trace_state).unwrap_or_default();
    if found.threshold == threshold && !found.invalid {
        return trace_state;
    }
    let text = OtState { threshold, ..found }.to_text();
    // Without anything to say, or should a foreign sub-key not fit the grammar, the entry goes.
    trace_state.with(KEY, &text).unwrap_or_else(|_| trace_state.without(KEY))
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const RANDOM: &str = "rv:6e6d1a75832a2f";

    #[test]
    fn rules_24_25_27_ot_is_read_by_sub_key() {
        type Case<'a> = (&'a str, Option<Threshold>, Option<u64>, &'a [&'a str], &'a str);
        let rv = Some(0x6e_6d1a_7583_2a2f);
        let half = Threshold::parse("8");
        let cases: [Case<'_>; 17] = [
            ("th:0", Some(Threshold::ALL), None, &[], "the specification's 100 %"),
            (RANDOM, None, rv, &[], "the specification's randomness"),
            ("th:8;rv:6e6d1a75832a2f", half, rv, &[], "both"),
            ("rv:6e6d1a75832a2f;th:8", half, rv, &[], "in any order"),
            ("p:8;th:8;r:62", half, None, &["p:8", "r:62"], "rule 27: others are kept, in order"),
            ("x:1;x:2;foo", None, None, &["x:1", "x:2", "foo"], "rule 27: whatever they are"),
            ("ths:8;arv:1;TH:8", None, None, &["ths:8", "arv:1", "TH:8"], "keys are compared as a whole"),
            (";;th:8;", half, None, &[], "empty members say nothing"),
            ("", None, None, &[], "nor does nothing"),
            ("th:;x:1", None, None, &["x:1"], "no digit"),
            ("th:G;x:1", None, None, &["x:1"], "not hex"),
            ("th:123456789012345", None, None, &[], "15 digits"),
            ("rv:6e6d1a75832a2", None, None, &[], "rule 25: 13 digits"),
            ("rv:6e6d1a75832a2f0", None, None, &[], "rule 25: 15 digits"),
            ("rv:6E6D1A75832A2F", None, None, &[], "rule 25: upper case"),
            ("th:8;th:0", half, None, &[], "of two thresholds the first counts"),
            ("th:x;th:8", None, None, &[], "even where it says nothing"),
        ];
        for (value, threshold, randomness, others, reason) in cases {
            let state = OtState::parse(value);
            assert_eq!((state.threshold, state.randomness), (threshold, randomness), "{value}: {reason}");
            assert_eq!(state.others, others, "{value}: {reason}");
        }
    }

    #[test]
    fn rules_26_27_only_what_changes_is_written() {
        let random = "a=1,ot=rv:6e6d1a75832a2f;x:1,b=2";
        let cases = [
            ("", Some("0"), "ot=th:0", "the first entry"),
            ("", None, "", "nothing to say"),
            ("a=1,b=2", None, "a=1,b=2", "other vendors' entries alone"),
            ("a=1,b=2", Some("e666"), "ot=th:e666,a=1,b=2", "to the left of the others"),
            (random, None, random, "nothing changes, so nothing moves"),
            (random, Some("8"), "ot=th:8;rv:6e6d1a75832a2f;x:1,a=1,b=2", "rule 25: the randomness stays"),
            ("a=1,ot=x:1;th:800,b=2", Some("8"), "a=1,ot=x:1;th:800,b=2", "the same, spelt longer"),
            ("a=1,ot=th:8;x:1,b=2", None, "ot=x:1,a=1,b=2", "erased, and modified entries move left"),
            ("a=1,ot=th:8,b=2", None, "a=1,b=2", "nothing is left of it"),
            ("a=1,ot=rv:6E;th:8,b=2", Some("8"), "ot=th:8,a=1,b=2", "an invalid randomness goes"),
            ("a=1,ot=rv:6E,b=2", None, "a=1,b=2", "also alone"),
            ("ot=th:8;th:0", Some("8"), "ot=th:8", "a repeated threshold goes"),
            ("ot=th:8;ot:0", Some("0"), "ot=th:0;ot:0", "replaced"),
            ("t@ot=th:8", None, "t@ot=th:8", "another tenant's"),
        ];
        for (list, threshold, expected, reason) in cases {
            let threshold = threshold.map(|th| Threshold::parse(th).expect(reason));
            let state = settle(TraceState(list.to_owned()), threshold);
            assert_eq!(state.as_str(), expected, "{list}: {reason}");
        }
    }

    #[test]
    fn rule_27_the_entry_has_at_most_256_characters() {
        let other = |len: usize| format!("x:{}", "1".repeat(len - 2));
        let threshold = Threshold::parse("e666");
        let cases = [
            (other(248), Some("th:e666"), 256, "just fits"),
            (other(249), None, 249, "one more does not, and the threshold goes"),
            (format!("{};{RANDOM}", other(230)), Some("th:e666"), 256, "with a randomness too"),
            (format!("{};{RANDOM}", other(238)), None, 256, "the randomness stays"),
        ];
        for (value, first, len, reason) in cases {
            let list = settle(TraceState(format!("ot={value}")), threshold);
            let text = list.value(KEY).expect(reason);
            assert_eq!(text.len(), len, "{reason}");
            assert_eq!(text.split(';').find(|member| member.starts_with(TH)), first, "{reason}");
            assert_eq!(text.contains(RANDOM), value.contains(RANDOM), "{reason}");
        }
    }
}
