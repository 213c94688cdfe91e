//! A guest that makes the host keep ever more: each kind of thing has a bound, and the guest is told.

use super::*;
use crate::host::{
    MAX_ACTIONS, MAX_ALL_HISTOGRAM_VALUES, MAX_BODY_BYTES, MAX_HISTOGRAM_VALUES, MAX_MAP_BYTES, MAX_METRICS,
    MAX_PENDING_CALLS, MAX_PROPERTY_BYTES, MAX_QUEUED_CALL_BYTES, MAX_SHARED_BYTES,
};

/// Where a flood's number is, as four bytes that differ each time, with 1 MiB of zeros behind them.
const NUMBER: &str = "65536";

/// Makes a hostcall again and again, with another number at [`NUMBER`] each time, until it is refused or was
/// made `times` times; then logs the last status. Returns how often it succeeded.
fn flood(callback: &str, prepare: &[&str], hostcall: &str, times: usize) -> (usize, String, Vm) {
    let function = format!(
        "(func $flood (local $n i32) (local $status i32)
           (loop $again
             (i32.store (i32.const {NUMBER}) (local.get $n))
             (local.set $status {hostcall})
             (if (i32.eqz (local.get $status)) (then
               (local.set $n (i32.add (local.get $n) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))))
           (i32.store (i32.const 60) (local.get $n))
           (call $status (local.get $status)))"
    );
    let script =
        Script::new().pages(48).with(&function).on(callback, &[prepare, &["(call $flood)"]].concat());
    let limits = Limits { memory_bytes: 64 << 20, call_deadline: Duration::from_secs(20) };
    let options = PluginOptions { clusters: vec!["otel".into()], ..PluginOptions::default() };
    let mut vm = Filter::compile(&script.wasm(), limits).unwrap().start(options).unwrap();
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), false).unwrap();
    vm.request_body(stream, b"x".to_vec(), true).unwrap();
    let done = vm.memory.data(&vm.store)[60..64].try_into().unwrap();
    let status = said(&mut vm).into_iter().rev().find(|line| line.len() <= 2).unwrap_or_default();
    (u32::from_le_bytes(done) as usize, status, vm)
}

/// A call with a value of so many bytes, of which the first four differ.
fn value(bytes: usize) -> String {
    format!("(i32.const {NUMBER}) (i32.const {bytes})")
}

#[test]
fn what_the_host_keeps_is_bounded_and_the_guest_is_told() {
    const MIB: usize = 1 << 20;
    let call = "(call $proxy_grpc_call (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)";
    // Hostcall, most successes, least successes.
    let rows = [
        (
            "metrics",
            format!("(call $proxy_define_metric (i32.const 0) {} (i32.const 72))", value(4)),
            MAX_METRICS,
            MAX_METRICS - 1,
        ),
        (
            "shared data of large values",
            format!("(call $proxy_set_shared_data {} {} (i32.const 0))", value(4), value(MIB)),
            MAX_SHARED_BYTES / MIB,
            15,
        ),
        (
            "shared data of small values",
            format!("(call $proxy_set_shared_data {} {} (i32.const 0))", value(4), value(0)),
            MAX_SHARED_BYTES / 64,
            100_000,
        ),
        (
            "properties",
            format!("(call $proxy_set_property {} {})", value(4), value(1000)),
            MAX_PROPERTY_BYTES / 1000,
            900,
        ),
        (
            "small properties",
            format!("(call $proxy_set_property {} {})", value(4), value(0)),
            MAX_PROPERTY_BYTES / 64,
            10_000,
        ),
        (
            "headers",
            format!("(call $proxy_add_header_map_value (i32.const 0) {} {})", value(4), value(10_000)),
            MAX_MAP_BYTES / 10_000,
            400,
        ),
        (
            "a body",
            format!(
                "(call $proxy_set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 0) {})",
                value(MIB)
            ),
            MAX_BODY_BYTES / MIB,
            62,
        ),
        (
            "callouts",
            format!("{call} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 72))"),
            MAX_PENDING_CALLS,
            MAX_PENDING_CALLS,
        ),
        (
            "large callouts",
            format!("{call} {} (i32.const 0) (i32.const 72))", value(MIB)),
            MAX_QUEUED_CALL_BYTES / MIB,
            63,
        ),
        ("decisions", "(call $proxy_close_stream (i32.const 0))".to_owned(), MAX_ACTIONS, MAX_ACTIONS),
    ];
    for (what, hostcall, most, least) in rows {
        let callback = if what == "headers" { "request_headers" } else { "request_body" };
        let (done, status, _) = flood(callback, &["say 'otel'"], &hostcall, 10_000_000);
        assert_eq!(status, "10", "{what} after {done}");
        assert!((least..=most).contains(&done), "{what}: {done}, expected {least} to {most}");
    }
}

#[test]
fn what_is_kept_in_part_is_bounded_without_a_word() {
    let log = format!("(call $proxy_log (i32.const 2) {})", value(1 << 20));
    let (done, status, _) = flood("request_headers", &[], &log, 1000);
    assert_eq!((done, status.as_str()), (1000, "0"), "the guest need not care");

    let reply = format!(
        "(call $proxy_send_local_response (i32.const 403) (i32.const 0) (i32.const 0) {} (i32.const 0) (i32.const 0) (i32.const -1))",
        value(1 << 20)
    );
    let (done, ..) = flood("request_body", &[], &reply, 1000);
    assert_eq!(done, 1000, "the last one counts");
}

#[test]
fn headers_removed_again_and_again_are_not_all_kept() {
    let value = "(i32.const 65536) (i32.const 1000000)";
    let round = format!(
        "(loop $again
           (drop (call $proxy_add_header_map_value (i32.const 0) (i32.const 1024) (i32.const 1) {value}))
           (drop (call $proxy_remove_header_map_value (i32.const 0) (i32.const 1024) (i32.const 1)))
           (i32.store (i32.const 60) (i32.add (i32.load (i32.const 60)) (i32.const 1)))
           (br_if $again (i32.lt_u (i32.load (i32.const 60)) (i32.const 100))))"
    );
    let mut vm = Script::new().pages(32).on("request_headers", &["say 'x'", &round]).vm();
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), true).unwrap();
    let kept = vm.removed_request_headers(stream).byte_size();
    assert!((1..=MAX_MAP_BYTES).contains(&kept), "{kept}");
}

#[test]
fn histograms_share_a_bound() {
    let fill = format!(
        "(loop $metric
           (drop (call $proxy_define_metric (i32.const 2) (i32.const 60) (i32.const 4) (i32.const 72)))
           (i32.store (i32.const 64) (i32.const 0))
           (loop $value
             (drop (call $proxy_record_metric (i32.load (i32.const 72)) (i64.const 1)))
             (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
             (br_if $value (i32.lt_u (i32.load (i32.const 64)) (i32.const {}))))
           (i32.store (i32.const 60) (i32.add (i32.load (i32.const 60)) (i32.const 1)))
           (br_if $metric (i32.lt_u (i32.load (i32.const 60)) (i32.const 40))))",
        MAX_HISTOGRAM_VALUES + 1
    );
    let script = Script::new().on("tick", &[&fill]);
    let limits = Limits { call_deadline: Duration::from_secs(20), ..Limits::default() };
    let mut vm = Filter::compile(&script.wasm(), limits).unwrap().start(PluginOptions::default()).unwrap();
    vm.tick().unwrap();
    let sizes: Vec<usize> = vm
        .metrics()
        .values()
        .map(|value| match value {
            MetricValue::Histogram(values) => values.len(),
            MetricValue::Counter(_) | MetricValue::Gauge(_) => 0,
        })
        .collect();
    assert_eq!(sizes.len(), 40);
    assert!(sizes.iter().all(|size| *size > 0), "each has its latest value");
    let all: usize = sizes.iter().sum();
    assert!(all <= MAX_ALL_HISTOGRAM_VALUES + 40, "{all}");
}
