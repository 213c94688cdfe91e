//! Consistent probability sampling, seen from outside: what goes onward, and what spans say.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// The low 56 bits of `TRACE`, to read the cases below by.
const RANDOMNESS: u64 = 0xce_929d_0e0e_4736;

#[test]
fn rule_24_a_new_trace_tells_its_threshold_where_w3c_goes_onward() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
    let b3_first = r#"{"start_traces": true, "propagation": {"extract": ["b3", "tracecontext"]}}"#;
    let b3_only = r#"{"start_traces": true, "propagation": {"inject": ["b3"]}}"#;
    let both = r#"{"start_traces": true, "propagation": {"inject": ["b3", "tracecontext"]}}"#;
    let to_w3c = r#"{"propagation": {"inject": ["tracecontext"]}}"#;
    let drop = r#"{"start_traces": true, "sampling": {"default": "drop"}}"#;
    let none = r#"{"start_traces": true, "sampling": {"default": {"ratio": 0}}}"#;
    let all = r#"{"start_traces": true, "sampling": {"default": {"ratio": 1}}}"#;
    let deferred = format!("{TRACE}-{CALLER}");
    let cases: [Case<'_>; 11] = [
        (ROOTS, &[], Some("ot=th:0"), "all are kept"),
        (all, &[], Some("ot=th:0"), "the same as a ratio"),
        (both, &[], Some("ot=th:0"), "W3C beside B3"),
        (ROOTS, &[("traceparent", "00-xyz"), ("tracestate", "a=1")], Some("ot=th:0"), "new, so nothing else"),
        (b3_first, &[], None, "B3 has no place for it"),
        (b3_only, &[], None, "nor if it is the only one"),
        (drop, &[], None, "never is no probability"),
        (none, &[("tracestate", "ot=th:0")], None, "ratio 0 is off"),
        (to_w3c, &[("b3", "1")], None, "rule 19: the caller's decision, by nobody knows what"),
        (to_w3c, &[("b3", &deferred)], None, "a deferred decision tells none"),
        (to_w3c, &[("b3", "d")], None, "debug is no probability"),
    ];
    for (json, pairs, expected, reason) in cases {
        let (start, after) = start(json, pairs);
        assert_eq!(after.text("tracestate").as_deref(), expected, "{reason}");
        let Some(pass) = start.pass else { continue };
        for span in pass.end(&StreamEnd::default()).spans() {
            assert_eq!(span.trace_state.as_str(), expected.unwrap_or_default(), "{reason}");
        }
    }
}

#[test]
fn rules_08_24_a_new_traces_own_random_id_decides() {
    let half = r#"{"start_traces": true, "sampling": {"default": {"ratio": 0.5}}}"#;
    let mut ids = IdGenerator::from_seed([5; 32]);
    let mut kept = 0;
    for _ in 0..200 {
        let (start, after) = start_at(half, &[], &mut ids);
        let traceparent = after.text("traceparent").unwrap();
        let trace_id = TraceId::parse(&traceparent.as_bytes()[3..35]).unwrap();
        let high = trace_id.randomness() >= 1 << 55;
        assert_eq!(start.outcome == StartOutcome::Recording, high, "{traceparent}");
        assert!(traceparent.ends_with(if high { "-03" } else { "-02" }), "rule 8: random: {traceparent}");
        assert_eq!(after.text("tracestate").as_deref(), high.then_some("ot=th:8"), "{traceparent}");
        kept += u32::from(high);
    }
    assert!((70..130).contains(&kept), "{kept} of 200");
}

#[test]
fn rules_25_26_a_callers_state_goes_on_unless_it_contradicts_the_flag() {
    assert_eq!(TraceId::parse(TRACE.as_bytes()).unwrap().randomness(), RANDOMNESS);
    let cases = [
        ("01", "a=1,ot=th:ce,b=2", "a=1,ot=th:ce,b=2", "below the id's bits"),
        ("01", "a=1,ot=th:cf,b=2", "a=1,b=2", "above them"),
        ("03", "a=1,ot=th:cf,b=2", "a=1,b=2", "rule 8: with the random flag as without"),
        ("00", "a=1,ot=th:cf,b=2", "a=1,ot=th:cf,b=2", "not sampled, and above them"),
        ("00", "a=1,ot=th:ce,b=2", "a=1,b=2", "not sampled, though below them"),
        ("01", "a=1,ot=th:cf;rv:cf000000000000", "a=1,ot=th:cf;rv:cf000000000000", "equal to rv"),
        ("01", "a=1,ot=th:cf;rv:00000000000000", "ot=rv:00000000000000,a=1", "rule 25: rv stays"),
        ("01", "ot=p:1;th:cf;q:2", "ot=p:1;q:2", "rule 27: other sub-keys stay"),
        ("01", "a=1,b=2", "a=1,b=2", "nothing of ours"),
    ];
    let configs =
        ["{}", r#"{"sampling": {"default": "drop"}}"#, r#"{"sampling": {"default": {"ratio": 0.1}}}"#];
    for (flags, state, expected, reason) in cases {
        for json in configs {
            let traceparent = format!("00-{TRACE}-{CALLER}-{flags}");
            let (start, after) = start(json, &[("traceparent", &traceparent), ("tracestate", state)]);
            assert_eq!(after.text("tracestate").as_deref(), Some(expected), "{state}: {reason}");
            assert!(after.text("traceparent").unwrap().ends_with(flags), "{reason}");
            let Some(pass) = start.pass else { continue };
            for span in pass.end(&StreamEnd::default()).spans() {
                assert_eq!(span.trace_state.as_str(), expected, "{state}: {reason}");
            }
        }
    }
}

#[test]
fn rules_24_26_the_next_proxy_agrees_and_writes_nothing() {
    let half = r#"{"start_traces": true, "sampling": {"default": {"ratio": 0.5}}}"#;
    let mut ids = IdGenerator::from_seed([6; 32]);
    for _ in 0..50 {
        let (ingress, between) = start_at(half, &[("a", "1")], &mut ids);
        let mut after = between.clone();
        let sidecar = tracer("{}").start(&between.headers(), &Bare(2000), &mut ids, &mut after);
        assert_eq!(sidecar.outcome, ingress.outcome);
        assert_eq!(after.text("tracestate"), between.text("tracestate"));
        let names: Vec<_> = after.0.iter().map(|(name, _)| name.as_str()).collect();
        let written = names.iter().position(|name| *name == "traceparent");
        assert_eq!(written, Some(names.len() - 1), "only it is written again: {names:?}");
    }
}
