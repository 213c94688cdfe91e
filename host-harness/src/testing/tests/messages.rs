//! An assertion that does not hold says what was found.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn message(assert: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assert)).expect_err("it holds");
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn each_message_shows_what_was_found() {
    let callbacks = [("request_headers", r#"(call $say "hi") (call $http) (i32.const 0)"#)];
    let mut host = host(&callbacks).cluster("auth", Answer::never()).start().unwrap();
    let exchange = host.request().get("/x").header("x-a", "1").respond(404).body("none").send().unwrap();
    exchange.assert_passed();
    type Assert<'a> = Box<dyn FnOnce() + 'a>;
    let rows: Vec<(Assert<'_>, &[&str])> = vec![
        (
            Box::new(|| exchange.assert_request_header("x-a", "2")),
            &[r#"x-a: ["1"], expected "2""#, ":path: /x"],
        ),
        (Box::new(|| exchange.assert_request_header("x-b", |_: &str| true)), &["x-b: [], expected one that"]),
        (Box::new(|| exchange.assert_no_request_header("x-a")), &[r#"x-a: ["1"], expected none"#]),
        (Box::new(|| exchange.assert_response_trailer("t", "1")), &["it never came"]),
        (
            Box::new(|| exchange.assert_status(200)),
            &["the status is not 200", ":status: 404", "log: info: hi"],
        ),
        (Box::new(|| exchange.assert_response_body("some")), &[r#"is Some("none"), expected "some""#]),
        (Box::new(|| exchange.assert_answered(403)), &["did not answer by a 403"]),
        (Box::new(|| exchange.assert_refused()), &["was not refused", "proxy_on_request_headers"]),
        (Box::new(|| exchange.assert_bypassed()), &["was not bypassed"]),
        (Box::new(|| exchange.assert_held(Side::Response)), &["does not hold the Response"]),
        (Box::new(|| exchange.assert_reset()), &["was not reset"]),
        (
            Box::new(|| exchange.assert_actions("request_headers", &[Action::Pause])),
            &["proxy_on_request_headers gave [Continue], expected [Pause]"],
        ),
        (Box::new(|| exchange.assert_log(LogLevel::Warn, "hi")), &["no line at level warn", "info: hi"]),
        (
            Box::new(|| exchange.assert_callouts(&[])),
            &[r#"went to ["auth"]"#, "auth: GET /check (Unanswered)"],
        ),
        (Box::new(|| host.assert_all_answered()), &["auth: GET /check (Unanswered)"]),
        (Box::new(|| host.assert_metric("m", 1)), &["the metric m is None, expected 1"]),
        (Box::new(|| host.assert_span("GET", |_| true)), &[r#"no such span "GET" among the 0 exported"#]),
        (Box::new(|| host.assert_spans(1)), &["0 spans exported, expected 1"]),
    ];
    for (assert, expected) in rows {
        let message = message(assert);
        for part in expected {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }
}
