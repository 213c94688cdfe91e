//! The framework, tried on small guests and on the filter that this crate carries.

mod chunkings;
mod faults;
mod guest;
mod messages;

use super::*;
use crate::vm::{FailurePolicy, LogLevel, PropertyValue, VmError};
use guest::host;
use std::time::Duration;

#[test]
fn an_exchange_passes_a_filter_that_does_nothing() {
    let mut host = host(&[]).start().unwrap();
    let exchange = host
        .request()
        .post("/a")
        .header("x", "1")
        .body_chunks(["ab", "c"])
        .trailer("t", "2")
        .respond(201)
        .header("y", "3")
        .body("de")
        .trailer("u", "4")
        .send()
        .unwrap();
    exchange.assert_passed();
    exchange.assert_request_header(":method", "POST");
    exchange.assert_request_header("x", "1");
    exchange.assert_no_request_header("y");
    exchange.assert_request_body("abc");
    exchange.assert_request_trailer("t", "2");
    exchange.assert_status(201);
    exchange.assert_response_header("y", |value: &str| value == "3");
    exchange.assert_no_response_header("x");
    exchange.assert_response_body("de");
    exchange.assert_response_trailer("u", "4");
    exchange.assert_callouts(&[]);
    exchange.assert_nothing_refused();
}

#[test]
fn what_a_filter_does_is_seen() {
    let mut host = host(&[
        ("request_headers", r#"(call $add (i32.const 0) "x-new" "n") (i32.const 0)"#),
        ("response_headers", r#"(call $say "hello") (call $count) (i32.const 0)"#),
        ("response_body", r#"(call $set (i32.const 1)) (i32.const 0)"#),
    ])
    .start()
    .unwrap();
    let exchange = host.request().http2().respond(200).body("anything").send().unwrap();
    exchange.assert_passed();
    exchange.assert_request_header("x-new", "n");
    exchange.assert_response_body("XY");
    exchange.assert_log(LogLevel::Info, "hello");
    exchange.assert_actions("request_headers", &[Action::Continue]);
    host.assert_metric("seen", 1);
    host.request().send().unwrap().assert_passed();
    host.assert_metric("seen", 2);
}

#[test]
fn an_answer_of_the_filter_reaches_the_client_and_the_request_nobody() {
    let mut host =
        host(&[("request_headers", "(call $reply (i32.const 403)) (i32.const 1)")]).start().unwrap();
    let exchange = host.request().send().unwrap();
    exchange.assert_answered(403);
    exchange.assert_response_body("XY");
    assert_eq!(exchange.request, None);
}

#[test]
fn a_request_waits_for_a_callout() {
    let pause = ("request_headers", r#"(call $http) (i32.const 1)"#);
    let go_on = ("http_call_response", "(call $show) (call $continue (i32.const 0))");
    let hosts = || host(&[pause, go_on]);
    let answer = Answer::http(200).body("yes").after(Duration::from_millis(30));
    let mut host = hosts().cluster("auth", answer).start().unwrap();
    let start = host.now();
    let exchange = host.request().get("/x").respond(200).send().unwrap();
    exchange.assert_passed();
    exchange.assert_callouts(&["auth"]);
    exchange.assert_actions("request_headers", &[Action::Pause]);
    exchange.assert_log(LogLevel::Info, "yes");
    assert_eq!(host.now().since(start), Duration::from_millis(31), "30 of the callout, 1 of the upstream");
    host.assert_all_answered();
    assert_eq!(host.callouts()[0].target(), "GET /check");

    let mut silent =
        hosts().cluster("auth", Answer::never()).patience(Duration::from_secs(5)).start().unwrap();
    let exchange = silent.request().send().unwrap();
    exchange.assert_held(Side::Request);
    assert_eq!(silent.callouts()[0].fate, Fate::Unanswered);
}

#[test]
fn hosts_run_side_by_side() {
    let threads: Vec<_> = (0_u64..8)
        .map(|number| {
            std::thread::spawn(move || {
                let mut host = host(&[("response_headers", "(call $count) (i32.const 0)")]).start().unwrap();
                for _ in 0..number {
                    host.request().send().unwrap().assert_passed();
                }
                if number > 0 {
                    host.assert_metric("seen", number);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn properties_of_plugin_and_stream_are_read() {
    let read = r#"(call $property "who") (call $property "peer") (i32.const 0)"#;
    let mut host = host(&[("request_headers", read)])
        .property(["who"], PropertyValue::Bytes(b"plugin".to_vec()))
        .start()
        .unwrap();
    let peer = PropertyValue::Bytes(b"stream".to_vec());
    let exchange = host.request().property(["peer"], peer).send().unwrap();
    exchange.assert_log(LogLevel::Info, "plugin");
    exchange.assert_log(LogLevel::Info, "stream");
}
