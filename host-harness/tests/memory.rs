//! Memory stays as it is, however many exchanges have passed: this process's own, in a binary by itself because
//! other tests would be counted, too, and the guest's.
//!
//! `MESHSPAN_EXCHANGES=10000000 cargo test --release -p meshspan --test memory -- --nocapture`
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use meshspan::collect::{accept, decode_call, span_count};
use meshspan::host::PropertyValue;
use meshspan::vm::{Filter, HeaderMap, Limits, PluginOptions, Vm};

/// How many in a run that nobody has asked to be longer.
const EXCHANGES: u64 = 200_000;
/// After as many, memory has its final size.
const WARM: u64 = 50_000;
/// Exchanges between two exports.
const TICK: u64 = 100;
/// What the allocator may do with its own lists: far less than a byte for each exchange.
const SLACK: usize = 1 << 20;

#[test]
fn exchanges_leave_nothing_behind() {
    let exchanges = std::env::var("MESHSPAN_EXCHANGES")
        .map_or(EXCHANGES, |text| text.parse().unwrap_or_else(|_| panic!("MESHSPAN_EXCHANGES is {text:?}")));
    let filter = Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap();
    let options = PluginOptions { clusters: vec!["otel_collector".to_owned()], ..PluginOptions::default() };
    let mut vm = filter.start(options).unwrap();
    let mut spans = pass(&mut vm, WARM);
    let (resident, guest) = (resident_bytes(), vm.memory_bytes());
    spans += pass(&mut vm, exchanges.saturating_sub(WARM));
    let (resident_now, guest_now) = (resident_bytes(), vm.memory_bytes());
    println!(
        "{exchanges} exchanges, {spans} spans; resident {resident} bytes after {WARM}, {resident_now} at the end; \
         guest {guest}, {guest_now}"
    );
    assert_eq!(spans, 2 * exchanges.max(WARM), "every span was exported");
    assert_eq!(guest_now, guest, "the guest has grown");
    assert!(resident_now <= resident + SLACK, "the host has grown from {resident} to {resident_now} bytes");
}

/// Sends as many exchanges through the VM; how many spans came out.
fn pass(vm: &mut Vm, exchanges: u64) -> u64 {
    let mut spans = 0;
    for number in 1..=exchanges {
        exchange(vm, number);
        if number % TICK == 0 || number == exchanges {
            vm.set_time(vm.now().plus(Duration::from_secs(1)));
            vm.tick().unwrap();
            for call in vm.take_calls() {
                spans += span_count(&decode_call(&call).unwrap().unwrap().resource_spans);
                vm.answer(call.token, accept(&call)).unwrap();
            }
        }
    }
    spans
}

/// One with every part that an exchange can have.
fn exchange(vm: &mut Vm, number: u64) {
    let stream = vm.open_stream().unwrap();
    vm.set_property(stream, &["request", "time"], PropertyValue::Timestamp(vm.now()));
    let head = HeaderMap::from_pairs([
        (":method", "POST"),
        (":path", "/emojivoto.v1.EmojiService/ListAll"),
        (":authority", "web:80"),
        (":scheme", "http"),
        ("content-type", "application/grpc"),
        ("traceparent", &format!("00-{number:032x}-00f067aa0ba902b7-01")),
    ]);
    vm.request_headers(stream, head, false).unwrap();
    vm.request_body(stream, vec![b'x'; 300], true).unwrap();
    vm.set_time(vm.now().plus(Duration::from_millis(5)));
    vm.response_headers(stream, HeaderMap::from_pairs([(":status", "200")]), false).unwrap();
    vm.response_body(stream, vec![b'y'; 800], false).unwrap();
    vm.response_trailers(stream, HeaderMap::from_pairs([("grpc-status", "0")])).unwrap();
    vm.close_stream(stream).unwrap();
}

/// What this process holds of the machine's memory.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}
