//! Sampling rules, seen from outside: what goes onward, and what spans say.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::attributes::Value;

fn with_rules(rules: &str) -> String {
    format!(r#"{{"start_traces": true, "sampling": {{"rules": [{rules}]}}}}"#)
}

/// What both spans say of who decided.
fn decider(pass: &Pass) -> Option<Value<'_>> {
    let [server, client] = [&pass.server, &pass.client].map(|span| span.find(key::SAMPLING_RULE));
    assert_eq!(server, client);
    server
}

#[test]
fn each_sampled_span_says_which_rule_decided() {
    let rules = with_rules(
        r#"{"name": "checkout", "match": {"path": "/checkout"}, "decision": "always", "override": true},
           {"match": {"path": "/cart"}, "decision": {"ratio": 1}}"#,
    );
    let sampled = format!("00-{TRACE}-{CALLER}-01");
    let denied = format!("00-{TRACE}-{CALLER}-00");
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
    let cases: [Case<'_>; 7] = [
        ("/checkout", &[], Some("checkout"), "by name"),
        ("/checkout", &[("traceparent", &denied)], Some("checkout"), "over the caller"),
        ("/checkout", &[("b3", "d")], Some("parent"), "nobody overrules debug"),
        ("/cart", &[], Some("rules[1]"), "by place"),
        ("/cart", &[("traceparent", &sampled)], Some("parent"), "the caller before it"),
        ("/cart", &[("traceparent", &denied)], None, "so also here"),
        ("/", &[], Some("default"), "no rule"),
    ];
    for (path, headers, expected, reason) in cases {
        let pairs = [&[(":method", "GET"), (":path", path)], headers].concat();
        let (start, after) = start(&rules, &pairs);
        assert_eq!(start.pass.as_ref().and_then(decider), expected.map(Value::from), "{reason}");
        let onward = after.text("traceparent").or_else(|| after.text("b3")).unwrap();
        assert!(!onward.contains(CALLER), "rule 9: {reason}");
    }
}

#[test]
fn rule_23_dropped_is_told_and_deferred_is_not() {
    let sampled = format!("00-{TRACE}-{CALLER}-01");
    let b3 = format!("{TRACE}-{CALLER}");
    let drop = with_rules(r#"{"decision": "drop"}"#);
    let end = with_rules(r#"{"decision": "drop", "override": true}"#);
    let defer = with_rules(r#"{"decision": "defer"}"#);
    let w3c: &[(&str, &str)] = &[("traceparent", &sampled), ("tracestate", "a=1,ot=th:ce"), ("b3", "0")];
    let told = [
        (&drop, &[][..], "traceparent", "-02", "a new trace that is not sampled"),
        (&drop, &[("b3", b3.as_str())], "b3", "-0", "rule 17: deferred to us"),
        (&end, w3c, "traceparent", "-00", "the caller's trace ends here"),
    ];
    for (json, pairs, header, flag, reason) in told {
        let (start, after) = start(json, pairs);
        assert_eq!(start.outcome, StartOutcome::SampledOut, "{reason}");
        let value = after.text(header).unwrap();
        assert!(value.ends_with(flag) && !value.contains(CALLER), "{reason}: {value}");
    }
    assert_eq!(start(&end, w3c).1.text("tracestate").as_deref(), Some("a=1"), "rule 26");
    let untouched = [
        (&drop, w3c, "what the caller decided goes on, past us"),
        (&defer, w3c, "nothing is said"),
        (&defer, &[][..], "no trace is started"),
        (&defer, &[("b3", b3.as_str())], "still nobody has decided"),
        (&defer, &[("traceparent", "garbage"), ("tracestate", "a=1")], "nor is anything cleaned"),
    ];
    for (json, pairs, reason) in untouched {
        let (start, after) = start(json, pairs);
        assert_eq!((start.outcome, start.pass.is_none()), (StartOutcome::Deferred, true), "{reason}");
        assert_eq!(after, HeaderList::new(pairs), "byte for byte: {reason}");
    }
}

#[test]
fn without_context_rules_start_no_trace_in_a_sidecar() {
    let json = r#"{"sampling": {"rules": [{"decision": "always", "override": true}]}}"#;
    let (start, after) = start(json, &[("x-request-id", "1")]);
    assert_eq!((start.outcome, after), (StartOutcome::Untraced, HeaderList::new(&[("x-request-id", "1")])));
}

#[test]
fn a_request_id_neither_decides_nor_changes() {
    // The 15th digit is where Envoy notes its own decision: 4 none, 9 sampled, a forced, b by the client.
    let ids = ["4", "9", "a", "b"].map(|digit| format!("9e1e5b0c-6cd1-{digit}f3a-8c1d-9e1e5b0c6cd1"));
    let decisions =
        [r#""always""#, r#""drop""#, r#"{"ratio": 0.5}"#, r#"{"ratio": 0}"#, r#"{"per_second": 1}"#];
    for decision in decisions {
        let json = with_rules(&format!(r#"{{"match": {{"method": "GET"}}, "decision": {decision}}}"#));
        let without = start(&json, &[(":method", "GET")]);
        for id in ids.iter().map(String::as_str).chain(["", "\u{ff}"]) {
            let (start, mut after) = start(&json, &[(":method", "GET"), ("x-request-id", id)]);
            assert_eq!(start.outcome, without.0.outcome, "{decision}: {id}");
            assert_eq!(after.text("x-request-id").as_deref(), Some(id));
            after.remove("x-request-id");
            assert_eq!(after, without.1, "{decision}: {id}");
        }
    }
}

/// An end after `millis`, with `code` if the response's head was not seen.
fn ended(millis: u64, code: Option<u16>) -> StreamEnd<'static> {
    StreamEnd { now: at(1000 + millis * 1_000_000), response_code: code, ..StreamEnd::default() }
}

#[test]
fn what_is_not_sampled_is_kept_if_it_failed_or_lasted() {
    let json = r#"{"start_traces": true, "sampling": {"default": {"ratio": 0}, "keep_errors": true, "keep_slower_than_ms": 10}}"#;
    let denied = format!("00-{TRACE}-{CALLER}-00");
    let cases = [
        (10, "200", Fate::SampledOut, "neither"),
        (11, "200", Fate::Kept, "slower"),
        (1, "503", Fate::Kept, "an error of both spans"),
        (1, "404", Fate::Kept, "an error of the CLIENT span alone"),
    ];
    for (millis, status, expected, reason) in cases {
        for headers in [&[][..], &[("traceparent", denied.as_str())], &[("b3", "0")]] {
            let (start, after) = start(json, headers);
            assert_eq!(start.outcome, StartOutcome::Undecided, "{reason}");
            let onward = after.text("traceparent").or_else(|| after.text("b3")).unwrap();
            assert!(["-00", "-02", "-0"].iter().any(|end| onward.ends_with(end)), "unsampled: {onward}");
            let mut pass = start.pass.unwrap();
            pass.record_response(Some(status.as_bytes()), None, None);
            let end = ended(millis, None);
            assert_eq!(pass.fate(&end), expected, "{headers:?}: {reason}");
            let finished = pass.end(&end);
            for span in finished.spans() {
                assert!(!span.flags.sampled(), "the trace is not: {reason}");
                assert_eq!(span.attributes.find(key::SAMPLING_LOCAL), Some(Value::Bool(true)), "{reason}");
                assert!(onward.contains(&span.trace_id.to_string()), "the trace that went onward");
            }
        }
    }
}

#[test]
fn a_failure_that_no_head_tells_is_kept() {
    let json = r#"{"start_traces": true, "sampling": {"default": "drop", "keep_errors": true}}"#;
    for (code, expected, reason) in [
        (None, Fate::Kept, "no response"),
        (Some(503), Fate::Kept, "the proxy's own"),
        (Some(200), Fate::SampledOut, "the proxy's own, and no error"),
    ] {
        let pass = start(json, &[]).0.pass.unwrap();
        assert_eq!(pass.fate(&ended(1, code)), expected, "{reason}");
    }
}

#[test]
fn only_what_might_be_kept_begins_spans() {
    let keeping = |rest: &str| format!(r#"{{{rest} "sampling": {{"keep_errors": true, {}}}}}"#, "RULES");
    let with = |rest: &str, rules: &str| keeping(rest).replace("RULES", rules);
    let roots = r#""start_traces": true,"#;
    let sampled = format!("00-{TRACE}-{CALLER}-01");
    let w3c: &[(&str, &str)] = &[("traceparent", &sampled)];
    let cases = [
        (with("", r#""default": "parent""#), &[][..], StartOutcome::Untraced, "of no trace"),
        (with(roots, r#""default": "drop""#), &[], StartOutcome::Undecided, "no rule said so"),
        (
            with(roots, r#""rules": [{"decision": {"per_second": 0}}]"#),
            &[],
            StartOutcome::Undecided,
            "over the rate",
        ),
        (with(roots, r#""rules": [{"decision": {"ratio": 0}}]"#), &[], StartOutcome::Undecided, "by chance"),
        (
            with(roots, r#""rules": [{"decision": "drop"}]"#),
            &[],
            StartOutcome::SampledOut,
            "a rule wants none",
        ),
        (with(roots, r#""rules": [{"decision": "defer"}]"#), &[], StartOutcome::Deferred, "a rule stays out"),
        (with("", r#""rules": [{"decision": "drop"}]"#), w3c, StartOutcome::Deferred, "a rule stays out"),
        (with("", r#""default": "parent""#), w3c, StartOutcome::Recording, "sampled anyway"),
    ];
    for (json, pairs, expected, reason) in cases {
        let (start, _) = start(&json, pairs);
        assert_eq!(start.outcome, expected, "{reason}");
        let begins = matches!(expected, StartOutcome::Undecided | StartOutcome::Recording);
        assert_eq!(start.pass.is_some(), begins, "{reason}");
        if expected == StartOutcome::Recording {
            let pass = start.pass.unwrap();
            assert_eq!(pass.fate(&ended(1, Some(200))), Fate::Sampled);
            assert_eq!(pass.server.find(key::SAMPLING_LOCAL), None, "{reason}");
        }
    }
}
