//! Rules: which one counts, what it may decide where the caller has, what goes onward then.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::cell::Cell;
use std::time::Duration;

use super::SamplingDecision::{Defer as StayOut, Drop};
use super::*;
use crate::attributes::route::PathTemplate;

/// A proxy that counts how often it is asked.
#[derive(Default)]
struct Counting {
    times: Cell<u32>,
    routes: Cell<u32>,
    directions: Cell<u32>,
}

impl Surroundings for Counting {
    fn now(&self) -> Timestamp {
        self.times.set(self.times.get() + 1);
        Timestamp::default()
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        self.routes.set(self.routes.get() + 1);
        Some(Cow::Borrowed(b"local_web"))
    }

    fn direction(&self) -> Option<Direction> {
        self.directions.set(self.directions.get() + 1);
        Some(Direction::Inbound)
    }
}

fn rule(matcher: Matcher, decision: Decision) -> Rule {
    Rule { name: "x".to_owned(), matcher, decision, overrides: false }
}

/// A sampler whose only rule is for all requests.
fn one(decision: Decision, overrides: bool) -> Sampler {
    Sampler { rules: vec![Rule { overrides, ..rule(Matcher::default(), decision) }], ..ALWAYS }
}

fn path(path: &str) -> Matcher {
    Matcher { path: Some(path.to_owned()), ..Matcher::default() }
}

fn route(name: &str) -> Matcher {
    Matcher { route: Some(Pattern::new(name)), ..Matcher::default() }
}

fn value(pattern: &str) -> HeaderCondition {
    HeaderCondition::Value(Pattern::new(pattern))
}

const HIGH: u64 = 0xff_ffff_ffff_ffff;

fn half() -> Decision {
    Decision::Ratio(Threshold::from_ratio(0.5))
}

const REQUEST: [(&str, &str); 8] = [
    (":method", "POST"),
    (":authority", "API.shop.example:8443"),
    (":path", "/users/42/orders?page=2"),
    ("x-canary", "yes"),
    ("x-team", "web"),
    ("x-team", "mobile-2"),
    ("x-empty", ""),
    ("x-request-id", "9e1e5b0c-0000-9000-8000-000000000000"),
];

fn is_match(matcher: &Matcher, pairs: &[(&str, &str)]) -> bool {
    let headers =
        Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect());
    matcher.matches(&Facts::new(&headers, None, &Counting::default()))
}

#[test]
fn each_condition_is_held_against_its_part_of_the_request() {
    let any = Matcher::default;
    let template = |text: &str| Some(PathTemplate::parse(text).unwrap());
    let methods = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let header = |name: &str, condition| Matcher { headers: vec![(name.to_owned(), condition)], ..any() };
    let host = |pattern: &str| Matcher { host: Some(Pattern::new(pattern)), ..any() };
    let prefix = |text: &str| Matcher { path_prefix: Some(text.to_owned()), ..any() };
    let cases = [
        (any(), true, "nothing is asked"),
        (path("/users/42/orders"), true, "without the query"),
        (path("/users/42"), false, "the whole path"),
        (path("/Users/42/orders"), false, "paths have case"),
        (prefix("/users/"), true, "its beginning"),
        (prefix("/user/"), false, "another beginning"),
        (Matcher { path_template: template("/users/{id}/orders"), ..any() }, true, "a variable"),
        (Matcher { path_template: template("/users/{id}"), ..any() }, false, "fewer segments"),
        (host("api.*"), true, "in any case, without port"),
        (host("api.shop.example"), true, "all of it"),
        (host("*.example:8443"), false, "a port is never there"),
        (host("shop.*"), false, "from its beginning"),
        (Matcher { methods: methods(&["GET", "post"]), ..any() }, true, "one of them, in any case"),
        (Matcher { methods: methods(&["GET"]), ..any() }, false, "another method"),
        (header("x-canary", value("yes")), true, "the value"),
        (header("x-canary", value("YES")), false, "values have case"),
        (header("x-team", value("mobile-*")), true, "any of its values"),
        (header("x-team", value("web,mobile-2")), false, "not their list"),
        (header("x-empty", HeaderCondition::Present), true, "there, though empty"),
        (header("x-empty", value("*")), true, "a star is also nothing"),
        (header("x-gone", HeaderCondition::Present), false, "not there"),
        (header("x-gone", value("*")), false, "so it has no value"),
        (header("x-gone", HeaderCondition::Absent), true, "as was asked"),
        (header("x-canary", HeaderCondition::Absent), false, "there"),
        (route("local_*"), true, "the proxy's route"),
        (route("local"), false, "another route"),
        (Matcher { direction: Some(Direction::Inbound), ..any() }, true, "the listener's"),
        (Matcher { direction: Some(Direction::Outbound), ..any() }, false, "the other"),
        (Matcher { host: Some(Pattern::new("api.*")), ..path("/users/42/orders") }, true, "both hold"),
        (Matcher { host: Some(Pattern::new("web.*")), ..path("/users/42/orders") }, false, "one does not"),
    ];
    for (matcher, expected, reason) in cases {
        assert_eq!(is_match(&matcher, &REQUEST), expected, "{reason}: {matcher:?}");
    }
}

#[test]
fn what_a_request_does_not_have_never_fits() {
    for (matcher, pairs, expected, reason) in [
        (Matcher { host: Some(Pattern::new("*")), ..Matcher::default() }, &[][..], false, "no host"),
        (
            Matcher { host: Some(Pattern::new("web")), ..Matcher::default() },
            &[("host", "web:80")],
            true,
            "nginx's name",
        ),
        (
            Matcher { host: Some(Pattern::new("a")), ..Matcher::default() },
            &[(":path", "http://a/b"), (":authority", "c")],
            true,
            "absolute form",
        ),
        (path("/b"), &[(":path", "http://a/b")], true, "absolute form"),
        (path("/"), &[(":method", "CONNECT")], false, "CONNECT has no path"),
    ] {
        assert_eq!(is_match(&matcher, pairs), expected, "{reason}");
    }
}

#[test]
fn the_first_rule_that_matches_counts_and_gives_its_name() {
    let sampler = Sampler {
        rules: vec![
            rule(path("/other"), Decision::Drop),
            rule(path("/users/42/orders"), Decision::Always),
            rule(path("/users/42/orders"), Decision::Drop),
        ],
        ..NEVER
    };
    let headers =
        Headers::new(REQUEST.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect());
    let clock = Clock::default();
    let facts = Facts::new(&headers, None, &clock);
    let sampling = sampler.clone().decide(candidate(None, 7, ""), &facts);
    assert_eq!((sampling.decision, sampling.decider), (RecordAndSample, Decider::Rule(1)));
    let names = [Decider::Rule(1), Decider::Default, Decider::Parent].map(|decider| sampler.name(decider));
    assert_eq!(names, ["x", "default", "parent"]);
    assert_eq!(decide(&sampler, candidate(None, 7, "")).decider, Decider::Default, "none matches");
}

#[test]
fn rule_23_a_rule_decides_where_the_caller_has_not() {
    let by_rule = Decider::Rule(0);
    let cases = [
        (Decision::Always, RecordAndSample, "record"),
        (Decision::Parent, RecordAndSample, "no parent"),
        (Decision::Drop, Drop, "never"),
        (Decision::Defer, StayOut, "nothing said"),
        (half(), RecordAndSample, "random enough"),
        (Decision::PerSecond(TokenBucket::new(1.0)), RecordAndSample, "the first in this second"),
        (Decision::PerSecond(TokenBucket::new(0.0)), SampleOut, "0 means none"),
        (Decision::Ratio(Threshold::from_ratio(0.0)), SampleOut, "0 means none"),
    ];
    for (decision, expected, reason) in cases {
        for incoming in [None, Some(Defer)] {
            for overrides in [false, true] {
                let sampling = decide(&one(decision.clone(), overrides), candidate(incoming, HIGH, ""));
                assert_eq!(
                    (sampling.decision, sampling.decider),
                    (expected, by_rule),
                    "{incoming:?}: {reason}"
                );
            }
        }
    }
}

#[test]
fn rule_23_a_callers_decision_holds_unless_overridden() {
    const HELD: Decider = Decider::Parent;
    const RULE: Decider = Decider::Rule(0);
    let cases = [
        (Decision::Always, false, Deny, SampleOut, HELD, "not asked to override"),
        (Decision::Always, true, Deny, RecordAndSample, RULE, "asked to"),
        (Decision::Always, true, Accept, RecordAndSample, RULE, "which changes nothing but who decided"),
        (half(), false, Accept, RecordAndSample, HELD, "not asked to override"),
        (half(), true, Accept, SampleOut, RULE, "asked to"),
        (Decision::PerSecond(TokenBucket::new(0.0)), false, Accept, RecordAndSample, HELD, "not asked to"),
        (Decision::PerSecond(TokenBucket::new(0.0)), true, Accept, SampleOut, RULE, "asked to"),
        (Decision::Parent, true, Accept, RecordAndSample, HELD, "the caller's own"),
        (Decision::Parent, true, Deny, SampleOut, HELD, "the caller's own"),
        (Decision::Drop, true, Accept, Drop, RULE, "ends the trace for all that follow"),
        (Decision::Drop, false, Accept, StayOut, RULE, "no spans here, the caller's decision goes on"),
        (Decision::Drop, false, Deny, StayOut, RULE, "no spans here, the caller's decision goes on"),
        (Decision::Defer, false, Accept, StayOut, RULE, "says nothing, so it overrides nothing"),
        (Decision::Defer, true, Deny, StayOut, RULE, "says nothing"),
        (Decision::Drop, true, Debug, RecordAndSample, HELD, "nobody overrules debug"),
        (Decision::Defer, false, Debug, RecordAndSample, HELD, "nobody stays out of it"),
    ];
    for (decision, overrides, incoming, expected, decider, reason) in cases {
        let sampling = decide(&one(decision.clone(), overrides), candidate(Some(incoming), 7, ""));
        assert_eq!(
            (sampling.decision, sampling.decider),
            (expected, decider),
            "{decision:?} {incoming:?}: {reason}"
        );
    }
}

#[test]
fn rules_24_26_what_goes_onward_explains_a_rules_decision() {
    let limited = || Decision::PerSecond(TokenBucket::new(1.0));
    let cases = [
        (half(), None, HIGH, "", "ot=th:8", "a new trace tells the rule's threshold"),
        (half(), None, 7, "", "", "dropped, so none"),
        (limited(), None, HIGH, "", "", "a rate is no probability"),
        (Decision::Always, Some(Deny), 7, "a=1,ot=th:8", "ot=th:0,a=1", "all are recorded here"),
        (half(), Some(Accept), HIGH, "a=1,ot=th:e", "ot=th:8,a=1", "kept by our threshold alone"),
        (
            half(),
            Some(Accept),
            0x60_0000_0000_0000,
            "a=1,ot=th:4",
            "a=1",
            "theirs says sampled, the flag does not",
        ),
        (half(), Some(Deny), 7, "a=1,ot=th:e", "a=1,ot=th:e", "theirs agrees that it is not"),
        (limited(), Some(Accept), HIGH, "a=1,ot=th:8", "a=1", "how likely it was here, nobody knows"),
        (Decision::Drop, Some(Accept), HIGH, "a=1,ot=th:8", "a=1", "theirs says sampled, the flag does not"),
        (Decision::Drop, Some(Deny), 7, "a=1,ot=th:8", "a=1,ot=th:8", "theirs agrees that it is not"),
        (
            Decision::Always,
            Some(Deny),
            7,
            "ot=rv:10000000000000;x:1",
            "ot=th:0;rv:10000000000000;x:1",
            "rules 25 and 27: the rest stays",
        ),
    ];
    for (decision, incoming, randomness, state, expected, reason) in cases {
        let sampling = decide(&one(decision, true), candidate(incoming, randomness, state));
        assert_eq!(sampling.trace_state.as_str(), expected, "{reason}");
    }
    let untold = Candidate { tells_threshold: false, ..candidate(Some(Deny), 7, "") };
    assert_eq!(decide(&one(Decision::Always, true), untold).trace_state.as_str(), "", "nobody could be told");
}

#[test]
fn a_rate_counts_only_what_it_decides() {
    let mut sampler = one(Decision::PerSecond(TokenBucket::new(2.0)), false);
    let headers = Headers::default();
    let mut at = |millis: u64, incoming| {
        let clock = Clock(Timestamp::default().plus(Duration::from_millis(3_600_000 + millis)));
        sampler.decide(candidate(incoming, 7, ""), &Facts::new(&headers, None, &clock)).decision
    };
    for _ in 0..5 {
        assert_eq!(at(0, Some(Accept)), RecordAndSample, "the caller's decision costs no token");
    }
    let decided = [0, 0, 0, 499, 500].map(|millis| at(millis, None));
    assert_eq!(decided, [RecordAndSample, RecordAndSample, SampleOut, SampleOut, RecordAndSample]);
}

#[test]
fn the_proxy_is_asked_once_and_only_if_need_be() {
    let inbound = Matcher { direction: Some(Direction::Inbound), ..Matcher::default() };
    let outbound = Matcher { direction: Some(Direction::Outbound), ..Matcher::default() };
    let rate = || Decision::PerSecond(TokenBucket::new(1.0));
    let cases = [
        (vec![], None, half(), [0, 0, 0], "no rules"),
        (vec![path("/"), path("/a")], None, half(), [0, 0, 0], "rules that need nothing"),
        (vec![path("/"), route("a"), route("local_web")], None, half(), [0, 1, 0], "two ask for the route"),
        (
            vec![route("local_web"), inbound.clone()],
            None,
            half(),
            [0, 1, 0],
            "the first that matches ends it",
        ),
        (
            vec![Matcher { path: Some("/no".to_owned()), ..route("a") }],
            None,
            half(),
            [0, 0, 0],
            "no such path",
        ),
        (vec![outbound.clone(), inbound.clone()], None, half(), [0, 0, 1], "two ask for the direction"),
        (vec![outbound, inbound], Some(Direction::Inbound), half(), [0, 0, 0], "it is configured"),
        (vec![path("/"), Matcher::default()], None, rate(), [1, 0, 0], "a rate needs the clock"),
        (vec![path("/")], None, rate(), [0, 0, 0], "but only where it decides"),
    ];
    for (matchers, direction, decision, expected, reason) in cases {
        let rules = matchers.into_iter().map(|matcher| rule(matcher, decision.clone())).collect();
        let proxy = Counting::default();
        let headers = Headers::default();
        let facts = Facts::new(&headers, direction, &proxy);
        Sampler { rules, ..ALWAYS }.decide(candidate(None, 7, ""), &facts);
        let asked = [&proxy.times, &proxy.routes, &proxy.directions].map(Cell::get);
        assert_eq!(asked, expected, "{reason}");
    }
}
