//! What can go wrong around a filter, and can be made to.

use super::*;

const CALL_AND_WAIT: [(&str, &str); 2] = [
    ("request_headers", "(call $http) (i32.const 1)"),
    ("http_call_response", "(call $show) (call $continue (i32.const 0))"),
];

#[test]
fn every_way_that_a_callout_fails() {
    let rows = [
        ("a time-out, of 500 ms", Answer::timeout(), 501, "upstream request timeout"),
        ("a 503", Answer::http(503).body("down").after(Duration::from_millis(9)), 10, "down"),
        ("a reset", Answer::reset().after(Duration::from_millis(2)), 3, ""),
    ];
    for (reason, answer, millis, said) in rows {
        let mut host = host(&CALL_AND_WAIT).cluster("auth", answer).start().unwrap();
        let start = host.now();
        let exchange = host.request().send().unwrap();
        exchange.assert_passed();
        exchange.assert_log(LogLevel::Info, said);
        assert_eq!(host.now().since(start), Duration::from_millis(millis), "{reason}");
    }
}

#[test]
fn answers_come_in_turn_and_can_be_changed() {
    let mut host = host(&CALL_AND_WAIT)
        .cluster("auth", Answer::http(200).body("one"))
        .cluster("auth", Answer::http(200).body("two"))
        .start()
        .unwrap();
    for expected in ["one", "two", "two"] {
        // The guest lets the first stream go on, whichever called.
        let mut one = host.fresh().unwrap();
        for _ in 0..["one", "two"].iter().position(|word| *word == expected).unwrap() {
            one.request().send().unwrap();
        }
        let exchange = one.request().send().unwrap();
        exchange.assert_log(LogLevel::Info, expected);
    }
    host.answer("auth", Answer::http(200).body("three"));
    host.request().send().unwrap().assert_log(LogLevel::Info, "three");
}

#[test]
fn a_trap_at_any_hostcall_follows_the_policy() {
    let callbacks = [("request_headers", r#"(call $say "a") (call $say "b") (i32.const 0)"#)];
    for n in 1..=2 {
        let start = |policy| host(&callbacks).failure_policy(policy).start().unwrap();
        let mut closed = start(FailurePolicy::FailClosed);
        closed.trap_at_hostcall(n).unwrap();
        closed.request().send().unwrap().assert_refused();
        closed.request().send().unwrap().assert_refused();

        let mut open = start(FailurePolicy::FailOpen);
        open.trap_at_hostcall(n).unwrap();
        let exchange = open.request().body("x").respond(200).body("y").send().unwrap();
        exchange.assert_bypassed();
        exchange.assert_request_body("x");
        exchange.assert_response_body("y");
        open.request().send().unwrap().assert_bypassed();

        let mut reload = start(FailurePolicy::RELOAD);
        reload.trap_at_hostcall(n).unwrap();
        reload.request().send().unwrap().assert_refused();
        reload.request().send().unwrap().assert_refused();
        reload.advance(Duration::from_millis(1_500));
        reload.request().send().unwrap().assert_passed();
        assert_eq!(reload.logs().iter().filter(|line| line.message == "b").count(), 1);
    }
}

#[test]
fn memory_that_the_guest_does_not_get_is_a_status() {
    let mut host = host(&[("request_headers", r#"(call $property "plugin_name") (i32.const 0)"#)])
        .options(|options| options.plugin_name = "me".to_owned())
        .start()
        .unwrap();
    host.fail_allocation(1).unwrap();
    let exchange = host.request().send().unwrap();
    exchange.assert_passed();
    let refused = std::panic::catch_unwind(|| exchange.assert_nothing_refused()).unwrap_err();
    let message = refused.downcast_ref::<String>().unwrap();
    assert!(message.contains("proxy_get_property(path: \"plugin_name\") → InvalidMemoryAccess"), "{message}");
    let exchange = host.request().send().unwrap();
    exchange.assert_nothing_refused();
    exchange.assert_log(LogLevel::Info, "me");
}

#[test]
fn the_clock_jumps_and_the_vm_restarts() {
    let callbacks = [
        ("vm_start", "(drop (call $every (i32.const 1000))) (i32.const 1)"),
        ("tick", r#"(call $count)"#),
        ("request_headers", "(drop (call $now (i32.const 64))) (i32.const 0)"),
    ];
    let mut host = host(&callbacks).start().unwrap();
    host.advance(Duration::from_millis(3_500));
    host.assert_metric("seen", 3);
    let earlier = host.now().minus(Duration::from_secs(86_400));
    host.jump_to(earlier);
    host.request().send().unwrap().assert_passed();
    assert!(host.now().since(earlier) < Duration::from_secs(1));
    host.assert_metric("seen", 3);
    host.advance(Duration::from_secs(1));
    host.assert_metric("seen", 4);
    host.restart().unwrap();
    assert!(host.metrics().is_empty(), "another process");
    host.advance(Duration::from_secs(2));
    host.assert_metric("seen", 2);
}

#[test]
fn a_start_that_fails_is_an_error() {
    let started = host(&[("vm_start", "(i32.const 0)")]).start();
    assert!(matches!(started, Err(VmError::StartRejected { .. })), "{started:?}");
    let started = TestHost::new(b"no wasm".to_vec()).start();
    assert!(matches!(started, Err(VmError::NotWasm(_))), "{started:?}");
}
