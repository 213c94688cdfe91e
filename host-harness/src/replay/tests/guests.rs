//! Filters that do to traffic what a tracing filter never does.

use crate::collect;
use crate::topology::Emojivoto;
use crate::vm::{Filter, Limits};

use super::{beginning, run_with};

/// A filter with these imports and exports beside what every one needs.
fn guest(imports: &str, exports: &str) -> Filter {
    let text = format!(
        r#"(module {imports}
             (memory (export "memory") 1) (data (i32.const 0) "ratelimited")
             (func (export "proxy_abi_version_0_2_1")) {exports})"#
    );
    Filter::compile(&wat::parse_str(text).unwrap(), Limits::default()).unwrap()
}

/// `proxy_on_request_headers` with this body; the first parameter is the stream.
fn on_request(body: &str) -> String {
    format!(r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body})"#)
}

#[test]
fn a_local_reply_goes_back_and_the_destination_sees_nothing() {
    let import = r#"(import "env" "proxy_send_local_response" (func $reply
        (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let reply = "(drop (call $reply (i32.const 429) (i32.const 0) (i32.const 11) (i32.const 0) (i32.const 4)
        (i32.const 0) (i32.const 0) (i32.const -1))) (i32.const 1)";
    let exchanges = beginning(Emojivoto::B3);
    let roots = exchanges.iter().filter(|exchange| exchange.parent.is_none()).count();
    let filter = guest(import, &on_request(reply));
    let capture = run_with(&filter, &Emojivoto::B3.topology().unwrap(), &exchanges, 1);
    assert_eq!(capture.stats.local_replies, roots as u64, "the caller's proxy answers each root");
    assert_eq!(capture.stats.passes, roots as u64, "so no other proxy has it");
    assert_eq!(capture.stats.not_sent, (exchanges.len() - roots) as u64, "and nobody makes a call for it");
    assert_eq!(capture.stats.exchanges, roots as u64);
    let records = collect::records(&capture.spans);
    assert_eq!(records.len(), roots, "the callers' own spans alone");
    assert!(records.iter().all(|span| matches!(span.status, collect::Status::Error(_))));
    let code = ("http.response.status_code".to_owned(), "429".to_owned());
    assert!(records.iter().all(|span| span.attributes.contains(&code)), "{records:#?}");
}

#[test]
fn a_pause_is_counted_and_holds_nobody() {
    let exchanges = beginning(Emojivoto::B3);
    let filter = guest("", &on_request("(i32.const 1)"));
    let capture = run_with(&filter, &Emojivoto::B3.topology().unwrap(), &exchanges, 1);
    assert_eq!(capture.stats.pauses, 2 * exchanges.len() as u64);
    assert_eq!(
        collect::records(&capture.spans).len(),
        2 * exchanges.len(),
        "every application had its request"
    );
}

#[test]
fn a_filter_that_traps_at_every_request_stops_none() {
    let exchanges = beginning(Emojivoto::W3c);
    let filter = guest("", &on_request("unreachable"));
    let capture = run_with(&filter, &Emojivoto::W3c.topology().unwrap(), &exchanges, 1);
    assert_eq!(capture.stats.vms_lost, 2 * exchanges.len() as u64);
    assert_eq!(capture.stats.filter_time.count(), 2 * exchanges.len() as u64);
    assert_eq!(
        collect::records(&capture.spans).len(),
        2 * exchanges.len(),
        "every application had its request"
    );
}

#[test]
fn a_callout_that_is_no_export_is_refused_and_logged() {
    let import = r#"(import "env" "proxy_http_call" (func $call
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let exports = r#"(data (i32.const 64) "otel_collector")
        (data (i32.const 128) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00")
        (data (i32.const 156) ":method\00GET\00:path\00/\00:authority\00a\00")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $call (i32.const 64) (i32.const 14) (i32.const 128) (i32.const 61) (i32.const 0) (i32.const 0)
                            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 256)))
          (i32.const 0))"#;
    let exchanges = beginning(Emojivoto::B3);
    let filter = guest(import, exports);
    let capture = run_with(&filter, &Emojivoto::B3.topology().unwrap(), &exchanges, 1);
    let refused = capture
        .stats
        .logs
        .iter()
        .filter(|(_, line)| line.message.contains("something else than an OTLP export"));
    assert_eq!(refused.count(), 2 * exchanges.len(), "{:?}", capture.stats.logs.first());
}
