//! `meshspan collect --forward-only`: an agent before collectors that others wrote, in memory and with a file.

use std::net::TcpStream;

use meshspan_tests::client::Request;
use meshspan_tests::collect::{Collect, Ports};
use meshspan_tests::demo;
use meshspan_tests::oteltap::Oteltap;
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::spans::Span;
use meshspan_tests::wait;

/// The demo's spans, sent to a collector.
fn send(collect: &Collect) -> Vec<Span> {
    let endpoint = format!("http://127.0.0.1:{}", collect.ports().grpc);
    let mut sent = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "grpc"]);
    sent.sort();
    sent
}

fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    spans
}

#[test]
fn every_span_is_sent_on_and_none_is_kept() {
    let (rotel, oteltap) = (Rotel::start(), Oteltap::start());
    let grpc = format!("http://127.0.0.1:{},name=rotel,protocol=grpc,compression=gzip", rotel.grpc_port());
    let http = format!("http://127.0.0.1:{},name=oteltap,protocol=http/protobuf", oteltap.port());
    let collect = Collect::start(&["--forward-only", "--forward", &grpc, "--forward", &http]);
    let ports = collect.ports();
    assert_eq!(ports.page, 0, "nothing is said of a page");
    assert!(TcpStream::connect(("127.0.0.1", 16686)).is_err(), "nor is there one");
    let ready = |path: &str| Request::get(path).send_http1(ports.metrics).status;
    assert_eq!((ready("/healthz"), ready("/readyz")), (200, 200));
    let sent = send(&collect);
    assert_eq!(sorted(rotel.wait_for(sent.len())), sent);
    assert_eq!(sorted(oteltap.wait_for(sent.len())), sent);
    assert_eq!(sorted(collect.wait_for(sent.len())), sent, "--save");
    let count = sent.len() as f64;
    let metrics = wait::until("all to be settled", || {
        let metrics = collect.metrics();
        (metrics["meshspan_store_spans"] == 0.0).then_some(metrics)
    });
    assert_eq!(metrics["meshspan_store_received_spans_total"], count);
    assert_eq!(metrics["meshspan_store_evicted_spans_total{reason=\"settled\"}"], count);
    let (status, printed) = collect.end();
    assert!(status.success(), "{status}");
    let count = sent.len();
    for line in [
        format!("{count} spans received: {count} stored"),
        format!("0 spans in the store, {count} settled"),
        format!("rotel: {count} exported"),
        format!("oteltap: {count} exported"),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is not in\n{printed}");
    }
}

#[test]
fn a_file_keeps_what_is_not_sent_for_the_next_start_and_for_who_looks() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spans.db");
    let (file, port) = (file.to_str().unwrap(), free_port());
    let forward = format!("http://127.0.0.1:{port},name=later,protocol=grpc");
    let arguments = ["--forward-only", "--drain-timeout", "1", "--store", file, "--forward", &forward];
    let collect = Collect::run(Ports::default(), &arguments);
    let sent = send(&collect);
    let (status, printed) = collect.end();
    assert!(status.success(), "{status}");
    assert!(printed.contains(&format!("later: 0 exported, {} queued\n", sent.len())), "{printed}");

    let trace = &sent[0].trace_id;
    let shown = |arguments: &[&str]| {
        let collect = Collect::run(Ports::default(), arguments);
        let answer = Request::new("GET", "localhost", &format!("/api/traces/{trace}"));
        answer.send_http1(collect.ports().page).status
    };
    assert_eq!(shown(&["--store", file]), 200, "a collector with a page shows what is left");

    let rotel = Rotel::start();
    let forward = format!("http://127.0.0.1:{},name=later,protocol=grpc", rotel.grpc_port());
    let _collect =
        Collect::run(Ports::default(), &["--forward-only", "--store", file, "--forward", &forward]);
    assert_eq!(sorted(rotel.wait_for(sent.len())), sent, "the next start sends it");
}
