//! Sampling rules through the filter's wasm: in the harness's host, and in a real Envoy.

use std::time::Duration;

use meshspan::vm::{HeaderMap, PropertyValue};
use meshspan_tests::client::Request;
use meshspan_tests::envoy::Config;
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::sidecar::{SAMPLED, Sidecar, spans};
use meshspan_tests::tools;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// An ingress with these rules; the default records nothing.
fn ingress(rules: &str) -> Sidecar {
    let sampling = format!(r#""sampling":{{"default":"drop","rules":[{rules}]}}"#);
    Sidecar::start(&format!(r#"{{"start_traces":true,{sampling}}}"#))
}

/// One request of 5 ms, answered with `status`, on a route of this name. Returns the headers that go onward.
fn send(sidecar: &mut Sidecar, pairs: &[(&str, &str)], route: Option<&str>, status: &str) -> HeaderMap {
    let stream = sidecar.vm.open_stream().unwrap();
    if let Some(name) = route {
        sidecar.vm.set_property(stream, &["xds", "route_name"], PropertyValue::Bytes(name.into()));
    }
    sidecar.vm.request_headers(stream, HeaderMap::from_pairs(pairs.iter().copied()), true).unwrap();
    let onward = sidecar.vm.request_map(stream).clone();
    sidecar.vm.set_time(sidecar.vm.now().plus(Duration::from_millis(5)));
    sidecar.vm.response_headers(stream, HeaderMap::from_pairs([(":status", status)]), true).unwrap();
    sidecar.vm.close_stream(stream).unwrap();
    onward
}

/// A GET of `path` on `host` with `more` headers.
fn get<'a>(host: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[(":method", "GET"), (":authority", host), (":path", path), (":scheme", "http")], more].concat()
}

/// All spans that wait.
fn exported(sidecar: &mut Sidecar) -> Vec<Span> {
    sidecar.pass(Duration::from_secs(2));
    let calls = sidecar.vm.take_calls();
    for call in &calls {
        sidecar.answer(call, meshspan::collect::accept(call));
    }
    calls.iter().flat_map(spans).collect()
}

/// What each span says of an attribute.
fn values(spans: &[Span], key: &str) -> Vec<String> {
    let find = |span: &Span| {
        let pair = span.attributes.iter().find(|pair| pair.key == key)?;
        match pair.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text.clone()),
            other => Some(format!("{other:?}")),
        }
    };
    spans.iter().map(|span| find(span).unwrap_or_else(|| "none".to_owned())).collect()
}

fn text(onward: &HeaderMap, name: &str) -> Option<String> {
    onward.first(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn rule_23_each_kind_of_condition_decides() {
    let rows = [
        (r#"{"path":"/a"}"#, get("web", "/a?q=1", &[]), get("web", "/a/b", &[])),
        (r#"{"path_prefix":"/a"}"#, get("web", "/a/b", &[]), get("web", "/b/a", &[])),
        (r#"{"path_template":"/a/{id}"}"#, get("web", "/a/1", &[]), get("web", "/a/1/2", &[])),
        (r#"{"host":"api.*"}"#, get("API.example:80", "/", &[]), get("web", "/", &[])),
        (r#"{"method":["POST","get"]}"#, get("web", "/", &[]), vec![(":method", "PUT"), (":path", "/")]),
        (r#"{"headers":{"x-a":"b*"}}"#, get("web", "/", &[("x-a", "bc")]), get("web", "/", &[("x-a", "cb")])),
        (r#"{"headers":{"X-A":true}}"#, get("web", "/", &[("x-a", "")]), get("web", "/", &[])),
        (r#"{"direction":"inbound","path":"/a"}"#, get("web", "/a", &[]), get("web", "/", &[])),
    ];
    for (condition, fits, fails) in rows {
        let mut sidecar = ingress(&format!(r#"{{"name":"x","match":{condition},"decision":"always"}}"#));
        let onward = send(&mut sidecar, &fits, None, "200");
        assert!(text(&onward, "traceparent").unwrap().ends_with("-03"), "{condition}");
        let onward = send(&mut sidecar, &fails, None, "200");
        assert!(text(&onward, "traceparent").unwrap().ends_with("-02"), "{condition}");
        assert_eq!(values(&exported(&mut sidecar), "sampling.rule"), ["x", "x"], "{condition}");
        assert_eq!((sidecar.counter("spans_started"), sidecar.counter("spans_sampled_out")), (2, 2));
        sidecar.assert_counters_add_up();
    }
}

#[test]
fn rule_23_a_route_decides_by_its_name() {
    let mut sidecar = ingress(r#"{"match":{"route":"shop-*"},"decision":"always"}"#);
    for (route, end) in [(Some("shop-cart"), "-03"), (Some("other"), "-02"), (None, "-02")] {
        let onward = send(&mut sidecar, &get("web", "/", &[]), route, "200");
        assert!(text(&onward, "traceparent").unwrap().ends_with(end), "{route:?}");
    }
    assert_eq!(values(&exported(&mut sidecar), "sampling.rule"), ["rules[0]"; 2]);
}

#[test]
fn a_rate_lets_so_many_through_and_tells_no_threshold() {
    let mut sidecar = ingress(r#"{"decision":{"per_second":20}}"#);
    let mut kept = 0;
    // 200 requests of 5 ms: a second.
    for _ in 0..200 {
        let onward = send(&mut sidecar, &get("web", "/", &[]), None, "200");
        assert_eq!(text(&onward, "tracestate"), None, "rule 24: how probable it was nobody knows");
        kept += u64::from(text(&onward, "traceparent").unwrap().ends_with("-03"));
    }
    assert!((39..=40).contains(&kept), "20 at once and 20 in the second after: {kept}");
    assert_eq!(exported(&mut sidecar).len() as u64, 2 * kept);
    assert_eq!(sidecar.counter("spans_sampled_out"), 400 - 2 * kept);
    sidecar.assert_counters_add_up();
}

#[test]
fn rules_23_26_a_caller_is_overridden_only_on_request() {
    let state = ("tracestate", "a=1,ot=th:8");
    let rows = [
        (r#""drop""#, SAMPLED, None, 0, "no spans here, but the caller's trace goes on"),
        (r#""drop","override":true"#, SAMPLED, Some(("-00", "a=1")), 0, "ends here for all"),
        (r#""defer""#, UNSAMPLED, None, 0, "untouched"),
        (
            r#""always""#,
            UNSAMPLED,
            Some(("-00", "a=1")),
            0,
            "the caller's decision holds; its threshold says otherwise",
        ),
        (
            r#""always","override":true"#,
            UNSAMPLED,
            Some(("-01", "ot=th:0,a=1")),
            2,
            "all are recorded from here on",
        ),
        (r#"{"ratio":0},"override":true"#, SAMPLED, Some(("-00", "a=1")), 0, "0 means none"),
    ];
    for (decision, traceparent, expected, recorded, reason) in rows {
        let mut sidecar = ingress(&format!(r#"{{"decision":{decision}}}"#));
        let onward =
            send(&mut sidecar, &get("web", "/", &[("traceparent", traceparent), state]), None, "200");
        let (parent, list) = (text(&onward, "traceparent").unwrap(), text(&onward, "tracestate").unwrap());
        match expected {
            Some((flags, expected)) => {
                assert!(parent.ends_with(flags) && parent != traceparent, "{reason}: {parent}");
                assert_eq!(list, expected, "{reason}");
            }
            None => assert_eq!((parent.as_str(), list.as_str()), (traceparent, state.1), "{reason}"),
        }
        assert_eq!(exported(&mut sidecar).len(), recorded, "{reason}");
        assert_eq!(sidecar.counter("spans_sampled_out"), if recorded == 0 { 2 } else { 0 }, "{reason}");
    }
}

#[test]
fn a_request_id_neither_decides_nor_changes() {
    let mut sidecar =
        Sidecar::start(r#"{"start_traces":true,"sampling":{"rules":[{"decision":{"per_second":1000}}]}}"#);
    // The 15th digit is where Envoy notes its own decision: 4 none, 9 sampled, a and b forced.
    for digit in ["4", "9", "a", "b"] {
        let id = format!("9e1e5b0c-6cd1-{digit}f3a-8c1d-9e1e5b0c6cd1");
        let onward = send(&mut sidecar, &get("web", "/", &[("x-request-id", &id)]), None, "200");
        assert_eq!(text(&onward, "x-request-id"), Some(id));
        assert!(text(&onward, "traceparent").unwrap().ends_with("-03"), "{digit}");
    }
}

#[test]
fn what_is_not_sampled_is_kept_if_it_failed_or_lasted() {
    let rows = [
        (r#""keep_errors":true"#, "503", true, "failed"),
        (r#""keep_errors":true"#, "200", false, "succeeded"),
        (r#""keep_slower_than_ms":4"#, "200", true, "5 ms are more"),
        (r#""keep_slower_than_ms":5"#, "503", false, "5 ms are not"),
    ];
    let health = r#""rules":[{"match":{"path":"/healthz"},"decision":"drop"}]"#;
    for (keep, status, is_kept, reason) in rows {
        let mut sidecar = Sidecar::start(&format!(r#"{{"sampling":{{{keep},{health}}}}}"#));
        send(&mut sidecar, &get("web", "/", &[]), None, "503");
        send(&mut sidecar, &get("web", "/healthz", &[("traceparent", UNSAMPLED)]), None, "503");
        sidecar.sampled_get();
        assert_eq!(values(&exported(&mut sidecar), "sampling.local"), ["none"; 2], "{reason}");
        let onward = send(&mut sidecar, &get("web", "/", &[("traceparent", UNSAMPLED)]), None, status);
        assert!(text(&onward, "traceparent").unwrap().ends_with("-00"), "{reason}: nobody is told");
        let kept = exported(&mut sidecar);
        assert_eq!(kept.len(), if is_kept { 2 } else { 0 }, "{reason}");
        assert!(kept.iter().all(|span| span.flags & 1 == 0), "{reason}: the trace is not sampled");
        assert!(values(&kept, "sampling.local").iter().all(|value| value == "BoolValue(true)"), "{reason}");
        assert!(values(&kept, "sampling.rule").iter().all(|value| value == "parent"), "{reason}");
        let counted =
            ["spans_started", "spans_exported", "spans_sampled_out"].map(|name| sidecar.counter(name));
        assert_eq!(counted, if is_kept { [4, 4, 2] } else { [2, 2, 4] }, "{reason}");
        sidecar.assert_counters_add_up();
    }
}

/// The README's configuration, started as it stands.
fn readmes_example() -> Sidecar {
    let readme = std::fs::read_to_string(tools::repository().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```json configuration\n").expect("README.md has lost its example");
    let mut sidecar = Sidecar::start(rest.split("```").next().unwrap());
    let logs = sidecar.logs();
    assert!(logs.iter().all(|line| line.level < meshspan::vm::LogLevel::Warn), "{logs:?}");
    sidecar
}

#[test]
fn the_readmes_example_does_what_it_says() {
    let mut sidecar = readmes_example();
    let health = send(&mut sidecar, &get("web", "/healthz/live", &[]), None, "200");
    assert!(text(&health, "traceparent").unwrap().ends_with("-02"));
    let debugging = get("web", "/", &[("x-debug", "1"), ("traceparent", UNSAMPLED)]);
    assert!(text(&send(&mut sidecar, &debugging, None, "200"), "traceparent").unwrap().ends_with("-01"));
    let order = [(":method", "POST"), (":authority", "api.example"), (":path", "/orders")];
    let kept = (0..50)
        .filter(|_| text(&send(&mut sidecar, &order, None, "200"), "traceparent").unwrap().ends_with("-03"));
    assert_eq!(kept.count(), 12, "ten at once, and two in the 250 ms that it took");
    let legacy = send(&mut sidecar, &get("web", "/", &[]), Some("legacy-mail"), "200");
    assert_eq!(text(&legacy, "traceparent"), None);
    let ordinary = get("web", "/", &[("traceparent", UNSAMPLED)]);
    send(&mut sidecar, &ordinary, None, "404");
    let mut names = values(&exported(&mut sidecar), "sampling.rule");
    names.dedup();
    assert_eq!(names, ["debugging", "rules[2]", "parent"]);
}

#[test]
fn rule_23_envoys_routes_and_directions_decide() {
    let rules = r#""start_traces": true, "sampling": { "default": "drop", "rules": [
                                { "match": { "route": "check*" }, "decision": "drop" },
                                { "match": { "direction": "outbound" }, "decision": "defer" },
                                { "name": "in", "match": { "direction": "inbound" }, "decision": "always" } ] },"#;
    let route = r#"routes:
                        - { name: checks, match: { path: "/healthz" }, route: { cluster: app } }"#;
    let (upstream, rotel, inbound, outbound) = (Upstream::start(), Rotel::start(), free_port(), free_port());
    let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm());
    let config = config.replace(r#""start_traces": false,"#, rules).replace("routes:", route);
    let config = config.port(15006, inbound).port(15001, outbound).port(4317, rotel.grpc_port());
    let envoy = config.port(8080, upstream.port()).port(8081, upstream.port()).start();
    for (port, path, flags, reason) in [
        (inbound, "/healthz", Some("-02"), "dropped by its route, and told so"),
        (outbound, "/healthz", Some("-02"), "the same on the other side"),
        (outbound, "/", None, "deferred by its direction"),
        (inbound, "/", Some("-03"), "recorded by its direction"),
    ] {
        assert_eq!(Request::get(path).send_http1(port).status, 200, "{reason}: {}", envoy.log());
        let got = upstream.take_one();
        match flags {
            Some(flags) => assert!(got.value("traceparent").ends_with(flags), "{reason}: {got:?}"),
            None => assert_eq!(got.values("traceparent"), Vec::<&[u8]>::new(), "{reason}"),
        }
    }
    assert_eq!(rotel.wait_for(2).len(), 2);
    wait::until("the rule's name", || rotel.log().contains("sampling.rule: Str(in)").then_some(()));
    let counted = wait::until("all counters", || {
        let stats = envoy.stats("wasmcustom.meshspan_spans_");
        let counted =
            ["started", "exported", "sampled_out"].map(|name| stats.get(name).copied().unwrap_or(0));
        (counted.iter().sum::<u64>() >= 10).then_some(counted)
    });
    assert_eq!(counted, [2, 2, 6]);
}
