//! The same wasm in the harness's nginx: the same headers onward, the same trees of spans, and no call that
//! nginx ends the VM for. What differs is in [`DIFFERENCES`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meshspan::collect::{SpanRecord, Status, records};
use meshspan::host::{HeaderMap, HostProfile, NGINX_AUTHORITY, PropertyValue};
use meshspan::replay::{CONTEXT_HEADERS, Capture, ReplayOptions, replay};
use meshspan::topology::{Emojivoto, NGINX_COLLECTOR};
use meshspan::traffic::jsonl::JsonLines;
use meshspan::vm::{CallReply, Filter, Limits, LogLevel, LogLine, OutboundKind, PluginOptions};
use meshspan_filter::config::Config;
use meshspan_tests::harness::HarnessPair;
use meshspan_tests::sidecar::{SAMPLED, Sidecar, options, spans};
use meshspan_tests::tools::repository;

const PROPAGATION: &[u8] = include_bytes!("../../recordings/propagation.jsonl");
const SECOND: Duration = Duration::from_secs(1);
const HTTP: &str = r#"{"direction":"inbound","export":{"cluster":"127.0.0.1:4318","protocol":"http"}}"#;

/// Attributes that nginx's spans have otherwise, and why.
const DIFFERENCES: [(&str, &str); 2] = [
    ("rpc.response.status_code", "gRPC's status is in the trailers, which are not told"),
    ("error.type", "as gRPC's status, which it repeats"),
];

fn nginx(configuration: &str) -> Sidecar {
    let options = PluginOptions {
        profile: HostProfile::Nginx,
        clusters: vec![NGINX_COLLECTOR.to_owned()],
        properties: vec![
            property("source.address", "10.0.0.7:43210"),
            property("upstream.address", "10.0.0.8:8080"),
            property("request.protocol", "HTTP/1.1"),
        ],
        ..options(configuration)
    };
    Sidecar::start_with(options).unwrap()
}

/// One that nginx always has; its address is shown without the port.
fn property(path: &str, value: &str) -> (Vec<String>, PropertyValue) {
    (path.split('.').map(str::to_owned).collect(), PropertyValue::Bytes(value.into()))
}

#[test]
fn both_hosts_send_on_the_same_headers_and_export_the_same_spans() {
    let both = |profile, collector: &str, export: &str| {
        let plugin = |name: &str, direction: &str| {
            format!(r#"{{"service":{{"name":"{name}"}},"direction":"{direction}","export":{export}}}"#)
        };
        let [outbound, inbound] = [plugin("web", "outbound"), plugin("api", "inbound")];
        HarnessPair::start_as(profile, collector, meshspan::filter_wasm(), [&outbound, &inbound])
    };
    let mut envoy = both(HostProfile::Envoy, "otel_collector", r#"{"protocol":"grpc"}"#);
    let export = format!(r#"{{"protocol":"http","cluster":"{NGINX_COLLECTOR}"}}"#);
    let mut nginx = both(HostProfile::Nginx, NGINX_COLLECTOR, &export);
    let exchanges: Vec<_> = JsonLines::new(PROPAGATION).map(Result::unwrap).collect();
    assert!(exchanges.len() > 10);
    let mut compared = 0;
    for exchange in &exchanges {
        let (expected, expected_spans) = envoy.exchange(exchange);
        let (headers, spans) = nginx.exchange(exchange);
        assert_eq!(sorted(&headers), sorted(&expected), "headers of exchange {}", exchange.id);
        let (ours, theirs) = (records(&spans), records(&expected_spans));
        assert_eq!(tree(&ours), tree(&theirs), "spans of exchange {}", exchange.id);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(attributes(ours), attributes(theirs), "{} of exchange {}", ours.name, exchange.id);
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared} spans");
}

#[test]
fn emojivoto_replayed_through_both_hosts_gives_the_same_traces() {
    for variant in [Emojivoto::B3, Emojivoto::W3c] {
        let [envoy, nginx] =
            [HostProfile::Envoy, HostProfile::Nginx].map(|profile| captured(variant, profile));
        let (ours, theirs) = (records(&nginx.spans), records(&envoy.spans));
        assert!(ours.len() > 1_000, "{}", ours.len());
        let ids = |spans: &[SpanRecord]| spans.iter().map(identity).collect::<BTreeSet<_>>();
        assert_eq!(ids(&ours), ids(&theirs), "{variant:?}");
        assert_eq!((nginx.stats.vms_lost, &nginx.stats.dropped), (0, &BTreeMap::new()), "{variant:?}");
        assert_eq!(nginx.stats.lost_context, envoy.stats.lost_context, "{variant:?}");
        assert_eq!(
            errors(nginx.stats.logs.iter().map(|(_, line)| line)),
            Vec::<String>::new(),
            "{variant:?}"
        );
    }
}

#[test]
fn a_request_causes_no_error_line_and_finds_the_host_out_once() {
    let mut sidecar = nginx(HTTP);
    sidecar.get(&[]);
    sidecar.vm.take_hostcalls();
    sidecar.get(&[]);
    assert_eq!(sidecar.vm.take_hostcalls().get("proxy_get_property"), None, "of an untraced request");
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    let call = sidecar.export();
    assert_eq!(call.upstream, NGINX_COLLECTOR.as_bytes());
    let OutboundKind::Http { headers, .. } = &call.kind else { panic!("{call:?}") };
    assert_eq!(headers.first(":path"), Some(&b"/v1/traces"[..]));
    sidecar.answer(&call, success());
    assert_eq!(sidecar.counter("spans_exported"), 2);
    assert_eq!(errors(sidecar.logs().iter()), Vec::<String>::new());
    sidecar.assert_counters_add_up();
}

#[test]
fn grpc_is_not_tried_but_one_line_says_what_to_change_and_counting_goes_on() {
    let mut sidecar = nginx("{}");
    for _ in 0..20 {
        sidecar.sampled_get();
        sidecar.pass(2 * SECOND);
    }
    let logs = sidecar.logs();
    let warned: Vec<_> = logs.iter().filter(|line| line.level == LogLevel::Warn).collect();
    assert_eq!(warned.len(), 1, "{logs:?}");
    for part in ["export.protocol", "\"http\"", "export.cluster", "127.0.0.1:4318"] {
        assert!(warned[0].message.contains(part), "{part}: {}", warned[0].message);
    }
    assert_eq!(sidecar.counter("spans_dropped_export_failed"), 40);
    sidecar.assert_counters_add_up();
}

#[test]
fn a_collector_that_is_no_address_is_one_clear_line() {
    let mut sidecar = nginx(r#"{"export":{"protocol":"http"}}"#);
    for _ in 0..10 {
        sidecar.sampled_get();
        sidecar.pass(2 * SECOND);
    }
    let logs = sidecar.logs();
    let ours =
        |line: &&LogLine| line.message.contains("export.cluster") && line.message.contains("127.0.0.1:4318");
    assert_eq!(logs.iter().filter(ours).count(), 1, "{logs:?}");
    assert!(sidecar.counter("exports_failed") > 3);
    sidecar.assert_counters_add_up();
}

#[test]
fn the_gauges_are_set_and_the_lost_answer_of_an_older_nginx_does_not_stop_export() {
    let mut sidecar = nginx(HTTP);
    sidecar.sampled_get();
    sidecar.pass(SECOND / 2);
    assert_eq!(sidecar.counter("queue_spans"), 2);
    sidecar.pass(2 * SECOND);
    let lost = sidecar.export();
    sidecar.pass(20 * SECOND);
    let again = sidecar.export();
    assert_eq!(spans(&again), spans(&lost));
    sidecar.answer(&again, success());
    assert_eq!(sidecar.counter("queue_spans"), 0);
    sidecar.assert_counters_add_up();
}

#[test]
fn a_header_that_came_twice_goes_on_once_and_clean() {
    let mut sidecar = nginx(HTTP);
    let two: [(&str, &[u8]); 2] = [("b3", b"80f198ee56343ba8-e457b5a2e4d86bd1-1"), ("b3", b"0")];
    let once = sidecar.get(&two[..1]);
    assert_eq!(once.all(b"b3").count(), 1);
    let twice = sidecar.get(&[("TraceParent", SAMPLED.as_bytes()), two[0], two[1]]);
    assert_eq!(twice.all(b"traceparent").count(), 1, "in whatever case it came: {twice:?}");
    assert!(twice.first("traceparent").is_some_and(|value| value != SAMPLED.as_bytes()));
    assert_eq!(twice.all(b"b3").count(), 0, "it names another trace");
}

#[test]
fn the_spans_name_the_host_that_the_client_asked_for() {
    let mut sidecar = nginx(HTTP);
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    let exported = format!("{:?}", spans(&sidecar.export()));
    assert!(exported.contains("\"web\""), "{exported}");
    let own_name = NGINX_AUTHORITY.split(':').next().unwrap();
    assert!(!exported.contains(own_name), "{exported}");
}

#[test]
fn an_integer_in_digits_is_the_status_where_no_head_came() {
    let mut sidecar = nginx(HTTP);
    let stream = sidecar.vm.open_stream().unwrap();
    let head = [(":method", "GET"), (":path", "/"), (":authority", "web"), ("traceparent", SAMPLED)];
    sidecar.vm.request_headers(stream, HeaderMap::from_pairs(head), true).unwrap();
    sidecar.vm.set_property(stream, &["response", "code"], PropertyValue::Int(499));
    sidecar.vm.close_stream(stream).unwrap();
    sidecar.pass(2 * SECOND);
    let exported = format!("{:?}", spans(&sidecar.export()));
    assert!(exported.contains("IntValue(499)"), "{exported}");
}

/// The configuration that people copy: its plugin part is valid, and it sets every header that the filter may
/// remove, so that nginx forgets it.
#[test]
fn the_configuration_to_copy_fits_the_filter() {
    let text = std::fs::read_to_string(repository().join("envoy-config/nginx/nginx.conf")).unwrap();
    let (_, rest) = text.split_once("proxy_wasm meshspan '").unwrap();
    let (plugin, _) = rest.split_once("';").unwrap();
    let (config, warnings) = Config::parse(plugin.as_bytes(), &[]).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(config.export.cluster.parse::<std::net::SocketAddr>().is_ok(), "{}", config.export.cluster);
    let mut sidecar = nginx(plugin);
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    assert_eq!(spans(&sidecar.export()).len(), 2);
    for name in CONTEXT_HEADERS {
        let line = format!("proxy_set_header {name} $http_{};", name.replace('-', "_"));
        assert!(text.contains(&line), "nginx.conf has no line {line}");
    }
}

fn captured(variant: Emojivoto, profile: HostProfile) -> Capture {
    let filter = Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap();
    let options = ReplayOptions { profile, ..ReplayOptions::new(7) };
    let exchanges = JsonLines::new(variant.recording());
    let mut go_on = |_| std::ops::ControlFlow::Continue(());
    replay(&filter, &variant.topology().unwrap(), exchanges, &options, &mut go_on).unwrap()
}

fn success() -> CallReply {
    let headers = HeaderMap::from_pairs([(":status", "200")]);
    CallReply::Http { headers, body: Vec::new(), trailers: HeaderMap::new() }
}

fn errors<'a>(logs: impl Iterator<Item = &'a LogLine>) -> Vec<String> {
    logs.filter(|line| line.level >= LogLevel::Warn).map(|line| line.message.clone()).collect()
}

fn sorted(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut pairs: Vec<_> = headers.iter().map(|(name, value)| (text(name), text(value))).collect();
    pairs.sort();
    pairs
}

/// What makes a span the same: the two hosts' filters draw the same ids.
fn identity(span: &SpanRecord) -> (Vec<u8>, String, &'static str, String) {
    let ids = [&span.trace_id[..], &span.span_id, span.parent.as_ref().map_or(&[], |id| id)].concat();
    (ids, span.name.clone(), span.kind.as_str(), span.service.clone())
}

fn tree(spans: &[SpanRecord]) -> Vec<impl PartialEq + std::fmt::Debug> {
    spans.iter().map(identity).collect()
}

/// All attributes but those that may differ, and the status unless it is gRPC's.
fn attributes(span: &SpanRecord) -> (Vec<(String, String)>, Option<Status>) {
    let differs = |key: &str| DIFFERENCES.iter().any(|(known, _)| *known == key);
    let mut kept: Vec<_> = span.attributes.iter().filter(|(key, _)| !differs(key)).cloned().collect();
    kept.sort();
    let is_rpc = kept.iter().any(|(key, _)| key.starts_with("rpc."));
    (kept, (!is_rpc).then(|| span.status.clone()))
}
