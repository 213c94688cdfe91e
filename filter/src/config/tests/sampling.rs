//! `sampling`: rules, their conditions and their decisions.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::sampler::{HeaderCondition, Matcher, Pattern, Rule, TokenBucket};

/// A configuration with these rules.
fn with_rules(rules: &str) -> String {
    format!(r#"{{"sampling": {{"rules": [{rules}]}}}}"#)
}

#[test]
fn every_key_of_a_rule_has_its_effect() {
    let json = with_rules(
        r#"{"name": "health", "match": {"path": "/healthz"}, "decision": "drop", "override": true},
           {"match": {"path_prefix": "/static/", "path_template": "/static/{file}", "method": "GET",
                      "host": "api.*", "direction": "inbound", "route": "local_*",
                      "headers": {"X-Canary": "true", "x-debug": true, "x-no": false}},
            "decision": {"per_second": 2.5}},
           {"match": {"method": ["GET", "HEAD"], "direction": "outbound"}, "decision": {"ratio": 0}},
           {"match": {}, "decision": "defer"}"#,
    );
    let (config, warnings) = parse(&json).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let rule =
        |name: &str, matcher, decision| Rule { name: name.to_owned(), matcher, decision, overrides: false };
    let header = |name: &str, condition| (name.to_owned(), condition);
    let health = Matcher { path: Some("/healthz".to_owned()), ..Matcher::default() };
    let everything = Matcher {
        path: None,
        path_prefix: Some("/static/".to_owned()),
        path_template: Some(PathTemplate::parse("/static/{file}").unwrap()),
        methods: vec!["GET".to_owned()],
        host: Some(Pattern::new("api.*")),
        headers: vec![
            header("x-canary", HeaderCondition::Value(Pattern::new("true"))),
            header("x-debug", HeaderCondition::Present),
            header("x-no", HeaderCondition::Absent),
        ],
        direction: Some(Direction::Inbound),
        route: Some(Pattern::new("local_*")),
    };
    let methods = Matcher {
        methods: vec!["GET".to_owned(), "HEAD".to_owned()],
        direction: Some(Direction::Outbound),
        ..Matcher::default()
    };
    let expected = [
        Rule { overrides: true, ..rule("health", health, Decision::Drop) },
        rule("rules[1]", everything, Decision::PerSecond(TokenBucket::new(2.5))),
        rule("rules[2]", methods, Decision::Ratio(Threshold::from_ratio(0.0))),
        rule("rules[3]", Matcher::default(), Decision::Defer),
    ];
    assert_eq!(config.sampler.rules, expected);
    assert_eq!(config.sampler.default, Decision::Parent);
}

#[test]
fn what_is_kept_is_configured_apart() {
    let cases = [
        (r#"{"keep_errors": true}"#, Keep { errors: true, slower_than: None }),
        (
            r#"{"keep_slower_than_ms": 1500}"#,
            Keep { errors: false, slower_than: Some(Duration::from_millis(1500)) },
        ),
        (r#"{"keep_slower_than_ms": null}"#, Keep::default()),
    ];
    for (sampling, expected) in cases {
        let (config, warnings) = parse(&format!(r#"{{"sampling": {sampling}}}"#)).unwrap();
        assert_eq!((config.sampler.keep, warnings), (expected, Vec::new()), "{sampling}");
    }
    assert_eq!(
        parse(r#"{"sampling": {"keep_slower_than_ms": 0}}"#).unwrap_err(),
        "sampling.keep_slower_than_ms is 0, expected a whole number in 1..=3600000"
    );
}

#[test]
fn rules_23_24_decisions_are_names_or_numbers() {
    let cases = [
        (r#""parent""#, Decision::Parent),
        (r#""always""#, Decision::Always),
        (r#""drop""#, Decision::Drop),
        (r#""defer""#, Decision::Defer),
        (r#"{"ratio": 1}"#, Decision::Ratio(Threshold::ALL)),
        (r#"{"ratio": 0.25}"#, Decision::Ratio(Threshold::from_ratio(0.25))),
        (r#"{"per_second": 0}"#, Decision::PerSecond(TokenBucket::new(0.0))),
        (r#"{"per_second": 1000000}"#, Decision::PerSecond(TokenBucket::new(1e6))),
    ];
    for (text, expected) in cases {
        let (config, warnings) = parse(&format!(r#"{{"sampling": {{"default": {text}}}}}"#)).unwrap();
        assert_eq!((config.sampler.default, warnings), (expected.clone(), Vec::new()), "{text}");
        let (config, warnings) = parse(&with_rules(&format!(r#"{{"decision": {text}}}"#))).unwrap();
        let decisions: Vec<_> = config.sampler.rules.into_iter().map(|rule| rule.decision).collect();
        assert_eq!((decisions, warnings), (vec![expected], Vec::new()), "{text}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    const ONE: &str = r#"expected one of "parent", "always", "drop", "defer" or {"ratio": 0.0..=1.0} or {"per_second": 0.0..=1000000.0}"#;
    let default = [
        (r#"{"ratio": 1.5}"#, ".ratio is 1.5, expected 0.0..=1.0".to_owned()),
        (r#"{"ratio": -0.1}"#, ".ratio is -0.1, expected 0.0..=1.0".to_owned()),
        (r#"{"ratio": "1"}"#, ".ratio is \"1\", expected 0.0..=1.0".to_owned()),
        (r#"{"per_second": -1}"#, ".per_second is -1, expected 0.0..=1000000.0".to_owned()),
        (r#"{"per_second": 1000001}"#, ".per_second is 1000001, expected 0.0..=1000000.0".to_owned()),
        (r#""alway""#, format!(r#" is "alway", {ONE}"#)),
        ("1", format!(" is 1, {ONE}")),
        ("{}", format!(" is {{}}, {ONE}")),
        (r#"{"ratio": 1, "per_second": 1}"#, format!(r#" is {{"per_second":1,"ratio":1}}, {ONE}"#)),
    ];
    for (text, problem) in default {
        let error = parse(&format!(r#"{{"sampling": {{"default": {text}}}}}"#)).unwrap_err();
        assert_eq!(error, format!("sampling.default{problem}"));
        let two = format!(r#"{{"match": {{"path": "/"}}, "decision": "drop"}}, {{"decision": {text}}}"#);
        assert_eq!(parse(&with_rules(&two)).unwrap_err(), format!("sampling.rules[1].decision{problem}"));
    }
    assert_eq!(
        parse(&with_rules(r#"{"match": {}}"#)).unwrap_err(),
        format!("sampling.rules[0].decision is missing, {ONE}")
    );
    assert_eq!(
        parse(r#"{"sampling": {"rules": {}}}"#).unwrap_err(),
        "sampling.rules is {}, expected a list of rules"
    );
    assert_eq!(
        parse(&with_rules(r#""drop""#)).unwrap_err(),
        r#"sampling.rules[0] is "drop", expected an object such as {"decision": "drop"}"#
    );
}

#[test]
fn what_a_rule_cannot_have_is_refused_with_its_place() {
    let long = format!("\"{}\"", "x".repeat(257));
    let cases = [
        (r#""name": "default""#, r#"name is "default", expected a name, but not "default" or "parent""#),
        (r#""name": """#, r#"name is "", expected a name, but not "default" or "parent""#),
        (r#""name": 1"#, "name is 1, expected a string"),
        (&format!(r#""name": {long}"#), "expected at most 64 characters"),
        (r#""override": 1"#, "override is 1, expected true or false"),
        (r#""match": []"#, "match is [], expected an object"),
        (r#""match": {"path": "healthz"}"#, r#"match.path is "healthz", expected a path that begins with /"#),
        (r#""match": {"path_prefix": "/a?b"}"#, "match.path_prefix is \"/a?b\", expected a path"),
        (r#""match": {"path_template": "/a/{"}"#, "match.path_template is \"/a/{\", expected a path such as"),
        (r#""match": {"host": ""}"#, "match.host is \"\", expected 1 to 256 bytes, * for anything"),
        (&format!(r#""match": {{"route": {long}}}"#), "expected 1 to 256 bytes"),
        (r#""match": {"method": 1}"#, "match.method is 1, expected a list of methods, or one"),
        (r#""match": {"method": ["GET", 1]}"#, "match.method[1] is 1, expected the name of a method"),
        (r#""match": {"method": ["GET", "A B"]}"#, "match.method is \"A B\", expected methods such as GET"),
        (
            r#""match": {"direction": "up"}"#,
            r#"match.direction is "up", expected one of "inbound", "outbound""#,
        ),
        (r#""match": {"headers": "x"}"#, "match.headers is \"not shown\", expected an object of strings"),
        (
            r#""match": {"headers": {"a b": "x"}}"#,
            "match.headers.a b is \"a b\", expected the name of a header",
        ),
        (
            r#""match": {"headers": {"a": 1}}"#,
            "match.headers.a is \"not shown\", expected a string, true or false",
        ),
        (
            &format!(r#""match": {{"headers": {{"a": {long}}}}}"#),
            "match.headers.a is \"not shown\", expected at most 256",
        ),
    ];
    for (keys, expected) in cases {
        let error = parse(&with_rules(&format!(r#"{{"decision": "drop", {keys}}}"#))).unwrap_err();
        assert!(error.starts_with("sampling.rules[0].") && error.contains(expected), "{keys}: {error}");
    }
    let rule = |i| format!(r#"{{"match": {{"path": "/{i}"}}, "decision": "drop"}}"#);
    let rules = |n: u32| with_rules(&(0..n).map(rule).collect::<Vec<_>>().join(","));
    assert_eq!(parse(&rules(100)).map(|(_, warnings)| warnings), Ok(Vec::new()));
    assert_eq!(parse(&rules(101)).unwrap_err(), r#"sampling.rules is "101 rules", expected at most 100"#);
}

#[test]
fn what_means_nothing_is_a_warning() {
    let cases = [
        (
            r#"{"decision": {"ratio": 1, "ration": 1}}"#,
            "unknown key sampling.rules[0].decision.ration is ignored, did you mean sampling.rules[0].decision.ratio?",
        ),
        (
            r#"{"decision": "drop", "match": {"paht": "/"}}"#,
            "unknown key sampling.rules[0].match.paht is ignored, did you mean sampling.rules[0].match.path?",
        ),
        (
            r#"{"decision": "drop", "overide": true}"#,
            "unknown key sampling.rules[0].overide is ignored, did you mean sampling.rules[0].override?",
        ),
        (
            r#"{"decision": "parent", "override": true}"#,
            "sampling.rules[0].override changes nothing: its decision is the caller's own",
        ),
        (
            r#"{"decision": "drop"}, {"match": {"path": "/"}, "decision": "always"}"#,
            "sampling.rules[1] is never reached: sampling.rules[0] matches all its requests",
        ),
        (
            r#"{"match": {"path": "/"}, "decision": "drop"}, {"match": {"path": "/a"}, "decision": "drop"},
               {"match": {"path": "/"}, "decision": "always"}"#,
            "sampling.rules[2] is never reached: sampling.rules[0] matches all its requests",
        ),
    ];
    for (rules, expected) in cases {
        let (_, warnings) = parse(&with_rules(rules)).unwrap();
        assert_eq!(warnings, [expected], "{rules}");
    }
}

#[test]
fn secrets_in_headers_are_never_in_errors() {
    for headers in
        [r#"{"authorization": ["s3cret"]}"#, r#""authorization=s3cret""#, r#"[{"authorization": "s3cret"}]"#]
    {
        let rule = format!(r#"{{"match": {{"headers": {headers}}}, "decision": "drop"}}"#);
        let error = parse(&with_rules(&rule)).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
