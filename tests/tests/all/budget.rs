//! What a request costs, without a clock: hostcalls by name, instructions, the artifact's bytes.
//!
//! When a change of the filter moves a figure: the failure prints the new rows of [`BUDGETS`], and
//! `UPDATE_GOLDEN=1 cargo test --release -p meshspan -p meshspan-tests --test all -- budget` writes the fuel.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use meshspan::host::{HeaderMap, PropertyValue};
use meshspan::vm::{Filter, Limits, Vm};
use meshspan_tests::sidecar::{SAMPLED, options};
use meshspan_tests::tools::repository;

/// The most bytes that the wasm may have.
const MAX_ARTIFACT_BYTES: usize = 256 * 1024;
/// Requests that the fuel is averaged over, so that a queue's growth counts as often as it happens.
const REQUESTS: u64 = 100;
/// How much more fuel than recorded a request may take, in percent.
const TOLERANCE_PERCENT: u64 = 5;

const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const B3: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1";

/// A kind of request.
struct Kind {
    name: &'static str,
    context: Option<(&'static str, &'static str)>,
    is_grpc: bool,
}

const KINDS: [Kind; 5] = [
    Kind { name: "untraced", context: None, is_grpc: false },
    Kind { name: "unsampled", context: Some(("traceparent", UNSAMPLED)), is_grpc: false },
    Kind { name: "sampled", context: Some(("traceparent", SAMPLED)), is_grpc: false },
    Kind { name: "sampled gRPC with trailers", context: Some(("traceparent", SAMPLED)), is_grpc: true },
    Kind { name: "sampled by B3", context: Some(("b3", B3)), is_grpc: false },
];

/// The hostcalls of one request of each kind, in the order of [`KINDS`]: name and how often.
const BUDGETS: [&[(&str, u64)]; 5] = [
    // untraced: 2 calls
    &[("proxy_get_header_map_pairs", 1), ("proxy_get_property", 1)],
    // unsampled: 2 calls
    &[("proxy_get_header_map_pairs", 1), ("proxy_replace_header_map_value", 1)],
    // sampled: 14 calls
    &[
        ("proxy_get_current_time_nanoseconds", 3),
        ("proxy_get_header_map_pairs", 1),
        ("proxy_get_header_map_value", 1),
        ("proxy_get_property", 8),
        ("proxy_replace_header_map_value", 1),
    ],
    // sampled gRPC with trailers: 15 calls
    &[
        ("proxy_get_current_time_nanoseconds", 3),
        ("proxy_get_header_map_pairs", 1),
        ("proxy_get_header_map_value", 3),
        ("proxy_get_property", 7),
        ("proxy_replace_header_map_value", 1),
    ],
    // sampled by B3: 14 calls
    &[
        ("proxy_get_current_time_nanoseconds", 3),
        ("proxy_get_header_map_pairs", 1),
        ("proxy_get_header_map_value", 1),
        ("proxy_get_property", 8),
        ("proxy_replace_header_map_value", 1),
    ],
];

/// Compiled once; its VMs count their fuel.
static FILTER: LazyLock<Filter> =
    LazyLock::new(|| Filter::compile_counting_fuel(meshspan::filter_wasm(), Limits::default()).unwrap());

#[test]
fn a_request_makes_the_hostcalls_of_its_budget() {
    let mut rows = String::new();
    let mut as_budgeted = true;
    for (kind, budget) in KINDS.iter().zip(BUDGETS) {
        let mut vm = warm(kind);
        vm.take_hostcalls();
        request(&mut vm, kind);
        let made: Vec<(&str, u64)> = vm.take_hostcalls().into_iter().collect();
        as_budgeted &= made == budget;
        rows.push_str(&format!(
            "    // {}: {} calls\n    &[\n",
            kind.name,
            made.iter().map(|(_, n)| n).sum::<u64>()
        ));
        made.iter().for_each(|call| rows.push_str(&format!("        {call:?},\n")));
        rows.push_str("    ],\n");
    }
    assert!(as_budgeted, "BUDGETS of {} would have to be, for what the filter does now:\n{rows}", file!());
}

#[test]
fn a_request_takes_no_more_fuel_than_recorded() {
    let used: BTreeMap<&str, u64> = KINDS.iter().map(|kind| (kind.name, fuel(kind))).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let json = serde_json::to_string_pretty(&used).unwrap() + "\n";
        std::fs::write(golden(), json).unwrap();
        return;
    }
    let recorded = std::fs::read_to_string(golden()).unwrap_or_default();
    let recorded: BTreeMap<&str, u64> = serde_json::from_str(&recorded).unwrap();
    assert_eq!(
        recorded.keys().collect::<Vec<_>>(),
        used.keys().collect::<Vec<_>>(),
        "run with UPDATE_GOLDEN=1"
    );
    let over: Vec<String> = used
        .iter()
        .filter(|(kind, fuel)| **fuel * 100 > recorded[*kind] * (100 + TOLERANCE_PERCENT))
        .map(|(kind, fuel)| format!("{kind}: {fuel} instead of {}", recorded[kind]))
        .collect();
    assert!(
        over.is_empty(),
        "more than {TOLERANCE_PERCENT} % above {}: {over:#?}; if that is meant, run with UPDATE_GOLDEN=1",
        golden().display()
    );
}

#[test]
fn the_artifact_is_small() {
    let bytes = meshspan::filter_wasm().len();
    println!("meshspan_filter.wasm: {bytes} bytes of at most {MAX_ARTIFACT_BYTES}");
    assert!(
        bytes <= MAX_ARTIFACT_BYTES,
        "the wasm has {bytes} bytes, at most {MAX_ARTIFACT_BYTES} are allowed"
    );
}

fn golden() -> PathBuf {
    repository().join("tests/golden/fuel.json")
}

/// Instructions of one request, over its whole life; its share of a tick or an export is not in it.
fn fuel(kind: &Kind) -> u64 {
    let mut vm = warm(kind);
    let before = vm.fuel_used().unwrap();
    (0..REQUESTS).for_each(|_| request(&mut vm, kind));
    (vm.fuel_used().unwrap() - before) / REQUESTS
}

/// A VM that has had some requests, so that what happens once is over.
fn warm(kind: &Kind) -> Vm {
    let mut vm = FILTER.start(options("{}")).unwrap();
    (0..10).for_each(|_| request(&mut vm, kind));
    vm
}

/// One exchange as Envoy tells it, from a browser's headers to the log.
fn request(vm: &mut Vm, kind: &Kind) {
    let stream = vm.open_stream().unwrap();
    let text = |text: &str| PropertyValue::Bytes(text.into());
    vm.set_property(stream, &["request", "time"], PropertyValue::Timestamp(vm.now()));
    vm.set_property(stream, &["request", "protocol"], text(if kind.is_grpc { "HTTP/2" } else { "HTTP/1.1" }));
    vm.set_property(stream, &["source", "address"], text("10.0.0.7:43210"));
    vm.set_property(stream, &["upstream", "address"], text("10.0.0.8:8080"));
    let mut head = HeaderMap::from_pairs([
        (":method", if kind.is_grpc { "POST" } else { "GET" }),
        (":path", if kind.is_grpc { "/emojivoto.v1.EmojiService/ListAll" } else { "/api/list?page=2" }),
        (":authority", "web-svc.emojivoto:80"),
        (":scheme", "http"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "*/*"),
        ("x-request-id", "6c1c9a1e-3f7f-4a52-9a7e-6c1f0a1d2b3c"),
    ]);
    if kind.is_grpc {
        head.add("content-type", "application/grpc");
        head.add("te", "trailers");
    }
    kind.context.iter().for_each(|(name, value)| head.add(*name, *value));
    vm.request_headers(stream, head, !kind.is_grpc).unwrap();
    vm.set_time(vm.now().plus(Duration::from_millis(5)));
    let details = text("via_upstream");
    vm.set_property(stream, &["response", "code_details"], details);
    vm.set_property(
        stream,
        &["response", "backend_latency"],
        PropertyValue::Duration(Duration::from_millis(4)),
    );
    let content = if kind.is_grpc { "application/grpc" } else { "application/json" };
    let head = HeaderMap::from_pairs([(":status", "200"), ("content-type", content), ("server", "envoy")]);
    vm.response_headers(stream, head, false).unwrap();
    vm.response_body(stream, vec![b'x'; 812], !kind.is_grpc).unwrap();
    if kind.is_grpc {
        vm.response_trailers(stream, HeaderMap::from_pairs([("grpc-status", "0")])).unwrap();
    }
    vm.close_stream(stream).unwrap();
}
