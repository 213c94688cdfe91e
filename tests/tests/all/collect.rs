//! `meshspan collect` and those who send to it: programs and libraries that others wrote, and our filter.

use std::net::TcpStream;

use meshspan_tests::client::Request;
use meshspan_tests::collect::{Collect, Ports};
use meshspan_tests::demo;
use meshspan_tests::envoy::Config;
use meshspan_tests::oteltap::Oteltap;
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::spans::{CLIENT, SERVER, Span};
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait;
use opentelemetry::trace::{Span as _, Tracer, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A request in JSON.
const SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","name":"GET"}]}]}]}"#;

/// Envoy with its own OpenTelemetry tracer, as the benchmark has it.
const BOOTSTRAP: &str = include_str!("../../benches/envoy_overhead/bootstrap.yaml");
const NATIVE: &str = include_str!("../../benches/envoy_overhead/native.yaml");
const GRPC: &str = "grpc_service:
        envoy_grpc: { cluster_name: otel_collector }
        timeout: 10s";

fn native(http_port: Option<u16>) -> Config {
    let http = |port| {
        format!(
            "http_service:\n        http_uri: {{ uri: \"http://127.0.0.1:{port}/v1/traces\", cluster: \
             otel_collector, timeout: 10s }}"
        )
    };
    let tracer = http_port.map_or_else(|| NATIVE.to_owned(), |port| NATIVE.replace(GRPC, &http(port)));
    let tracer = tracer.trim_end().replace('\n', &format!("\n{}", " ".repeat(16)));
    let yaml = BOOTSTRAP.replace("# tracing", &tracer).replace("SERVICE", "native");
    // The protocol, HTTP/2, is one that both ports speak.
    Config::of(yaml)
}

/// The spans of one request through Envoy.
fn traced(config: Config, collect: &Collect, collector_port: u16) -> Vec<Span> {
    let (upstream, port) = (Upstream::start(), free_port());
    let config = config.port(15006, port).port(8080, upstream.port()).port(4317, collector_port);
    let _envoy = config.start();
    assert_eq!(Request::get("/a").header("traceparent", TRACEPARENT).send_http1(port).status, 200);
    collect.wait_for(2)
}

fn assert_server_and_client(spans: &[Span]) {
    let [client, server] = [CLIENT, SERVER].map(|kind| spans.iter().find(|span| span.kind == kind).unwrap());
    assert_eq!((server.trace_id.as_str(), server.parent.as_str()), (TRACE_ID, "00f067aa0ba902b7"));
    assert_eq!((client.trace_id.as_str(), client.parent.as_str()), (TRACE_ID, server.span_id.as_str()));
}

#[test]
fn envoy_s_own_tracer_is_received_over_grpc() {
    let collect = Collect::start(&["--in-memory"]);
    assert_server_and_client(&traced(native(None), &collect, collect.ports().grpc));
}

#[test]
fn envoy_s_own_tracer_is_received_over_http() {
    let collect = Collect::start(&["--in-memory"]);
    let port = collect.ports().http;
    assert_server_and_client(&traced(native(Some(port)), &collect, port));
    let accepted =
        &collect.metrics()["meshspan_receiver_requests_total{protocol=\"http\",outcome=\"accepted\"}"];
    assert!(*accepted > 0.0);
}

#[test]
fn the_filter_in_envoy_is_received() {
    let collect = Collect::start(&["--in-memory"]);
    let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm()).port(15001, free_port());
    assert_server_and_client(&traced(config, &collect, collect.ports().grpc));
}

#[test]
fn rotel_sends_every_span_by_either_protocol() {
    for protocol in ["grpc", "http"] {
        let collect = Collect::start(&["--in-memory"]);
        let ports = collect.ports();
        let rotel = Rotel::forwarding(protocol, if protocol == "grpc" { ports.grpc } else { ports.http });
        let endpoint = format!("http://127.0.0.1:{}", rotel.grpc_port());
        let mut sent = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "grpc"]);
        let mut received = collect.wait_for(sent.len());
        sent.sort();
        received.sort();
        assert_eq!(received, sent, "{protocol}");
        let name =
            format!("meshspan_receiver_requests_total{{protocol=\"{protocol}\",outcome=\"accepted\"}}");
        assert!(collect.metrics().contains_key(&name), "rotel spoke {protocol}");
    }
}

#[test]
fn opentelemetry_s_library_sends_every_span() {
    let collect = Collect::start(&["--in-memory"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let endpoint = format!("http://127.0.0.1:{}", collect.ports().grpc);
    let exporter =
        runtime.block_on(async { SpanExporter::builder().with_tonic().with_endpoint(endpoint).build() });
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter.unwrap()).build();
    let tracer = provider.tracer("tests");
    for _ in 0..1_000 {
        tracer.start("work").end();
    }
    provider.shutdown().unwrap();
    let stored = collect.metrics()["meshspan_receiver_spans_total{outcome=\"stored\"}"];
    assert_eq!(stored, 1_000.0, "all are there when the library has been told OK");
    assert!(collect.wait_for(1_000).iter().all(|span| span.name == "work"));
}

#[test]
fn the_demo_s_spans_are_counted_and_the_end_is_orderly() {
    let mut collect = Collect::start(&["--in-memory"]);
    let health = |path: &str, port| Request::get(path).send_http1(port).status;
    let ports = collect.ports();
    assert_eq!((health("/healthz", ports.metrics), health("/readyz", ports.metrics)), (200, 200));
    let endpoint = format!("http://127.0.0.1:{}", ports.http);
    let sent = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "http/protobuf"]).len();
    let metrics = collect.metrics();
    assert_eq!(metrics["meshspan_receiver_spans_total{outcome=\"stored\"}"], sent as f64);
    assert_eq!(metrics["meshspan_store_received_spans_total"], sent as f64);
    assert_eq!(metrics["meshspan_receiver_memory_bytes"], 0.0);
    collect.process().assert_alive("meshspan collect");
    let (status, printed) = collect.end();
    assert!(status.success(), "{status}");
    assert!(printed.contains(&format!("{sent} spans received: {sent} stored\n")), "{printed}");
    assert!(TcpStream::connect(("127.0.0.1", ports.http)).is_err());
}

#[test]
fn every_span_is_sent_on_to_each_destination_and_one_that_is_down_holds_up_none() {
    let (rotel, oteltap, nobody) = (Rotel::start(), Oteltap::start(), free_port());
    let grpc = format!("http://127.0.0.1:{},name=rotel,protocol=grpc,compression=gzip", rotel.grpc_port());
    let http = format!("http://127.0.0.1:{},name=oteltap,protocol=http/protobuf", oteltap.port());
    let gone = format!("http://127.0.0.1:{nobody},name=gone,protocol=grpc");
    let forwards = ["--forward", &grpc, "--forward", &http, "--forward", &gone];
    let collect = Collect::start(&[&["--in-memory", "--drain-timeout", "1"], &forwards[..]].concat());
    let endpoint = format!("http://127.0.0.1:{}", collect.ports().grpc);
    let mut sent = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "grpc"]);
    sent.sort();
    for mut received in [rotel.wait_for(sent.len()), oteltap.wait_for(sent.len())] {
        received.sort();
        assert_eq!(received, sent);
    }
    let count = sent.len();
    let of = |name: &str, outcome: &str| {
        format!("meshspan_destination_spans_total{{destination=\"{name}\",outcome=\"{outcome}\"}}")
    };
    let metrics = wait::until("both destinations to be settled", || {
        let metrics = collect.metrics();
        let settled = |name| metrics[&of(name, "exported")] == count as f64;
        (settled("rotel") && settled("oteltap")).then_some(metrics)
    });
    assert_eq!(metrics["meshspan_destination_queued_spans{destination=\"gone\"}"], count as f64);
    assert_eq!(metrics[&of("gone", "exported")], 0.0);
    let (status, printed) = collect.end();
    assert!(status.success(), "{status}");
    for line in [
        format!("rotel: {count} exported"),
        format!("oteltap: {count} exported"),
        format!("gone: 0 exported, {count} queued"),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is not in\n{printed}");
    }
}

#[test]
fn a_token_is_asked_for_on_both_ports() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let collect = Collect::start(&["--in-memory", "--token-file", file.to_str().unwrap()]);
    let ports = collect.ports();
    let export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let call = |token: &str| {
        let call = Request::grpc("x", export).header("authorization", format!("Bearer {token}"));
        call.send_http2(ports.grpc).grpc_status
    };
    let post = |token: &str| {
        let post = Request::new("POST", "x", "/v1/traces").header("content-type", "application/x-protobuf");
        post.header("authorization", format!("Bearer {token}")).send_http1(ports.http).status
    };
    assert_eq!((call("s3cret").as_deref(), post("s3cret")), (Some("0"), 200));
    assert_eq!((call("other").as_deref(), post("other")), (Some("16"), 401));
}

#[test]
fn what_was_saved_stays_when_it_starts_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saved.jsonl");
    let lines = || std::fs::read_to_string(&file).unwrap().lines().count();
    for run in 1..=2 {
        let collect = Collect::run(Ports::default(), &["--in-memory", "--save", file.to_str().unwrap()]);
        let post = Request::new("POST", "x", "/v1/traces").header("content-type", "application/json");
        assert_eq!(post.body(SPAN).send_http1(collect.ports().http).status, 200);
        let (status, _) = collect.end();
        assert!(status.success(), "{status}");
        assert_eq!(lines(), run, "a line a request");
    }
}

#[test]
fn spans_that_go_before_they_are_sent_are_told_of_once() {
    let gone = format!("http://127.0.0.1:{},name=gone,protocol=grpc", free_port());
    let arguments = ["--max-age", "1s", "--drain-timeout", "1", "--forward", &gone];
    for mode in ["--in-memory", "--forward-only"] {
        let mut collect = Collect::run(Ports::default(), &[&[mode], &arguments[..]].concat());
        for lost in 1..=2 {
            let post = Request::new("POST", "x", "/v1/traces").header("content-type", "application/json");
            assert_eq!(post.body(SPAN).send_http1(collect.ports().http).status, 200);
            let name = "meshspan_destination_dropped_spans_total{destination=\"gone\",reason=\"evicted\"}";
            wait::until("the span to go", || {
                (collect.metrics().get(name) == Some(&f64::from(lost))).then_some(())
            });
        }
        let said = "spans were lost that were not sent yet: 1 for gone, beyond --max-age";
        let stderr = collect.process().stderr();
        assert_eq!(stderr.matches(said).count(), 1, "{mode}: {stderr}");
    }
}

#[test]
fn with_json_nothing_else_is_on_stdout() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("spans.db");
    let arguments = ["-o", "json", "--store", store.to_str().unwrap()];
    let mut collect = Collect::run(Ports::default(), &arguments);
    let said = collect.process().stderr();
    assert!(said.contains(&format!("Keeping spans in {}\n", store.display())), "{said}");
    let (status, printed) = collect.end();
    assert!(status.success(), "{status}");
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(json["stored"], 0);
}
