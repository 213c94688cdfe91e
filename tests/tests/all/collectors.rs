//! The demo's spans in collectors that others wrote: every one, as the saved file has it.

use meshspan_tests::demo;
use meshspan_tests::oteltap::Oteltap;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::spans::Span;

#[test]
fn every_span_of_the_demo_arrives_in_rotel_over_grpc() {
    let rotel = Rotel::start();
    let endpoint = format!("http://127.0.0.1:{}", rotel.grpc_port());
    let saved = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "grpc"]);
    assert_same_spans(rotel.wait_for(saved.len()), saved);
}

#[test]
fn every_span_of_the_demo_arrives_in_rotel_over_http() {
    let rotel = Rotel::start();
    let endpoint = format!("http://127.0.0.1:{}", rotel.http_port());
    let saved = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "http/protobuf"]);
    assert_same_spans(rotel.wait_for(saved.len()), saved);
}

#[test]
fn every_span_of_the_demo_arrives_in_oteltap_over_http() {
    let oteltap = Oteltap::start();
    let endpoint = format!("http://127.0.0.1:{}", oteltap.port());
    let saved = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "http/protobuf"]);
    assert_same_spans(oteltap.wait_for(saved.len()), saved);
}

fn assert_same_spans(mut received: Vec<Span>, mut saved: Vec<Span>) {
    assert!(!saved.is_empty(), "the demo saved spans");
    received.sort();
    saved.sort();
    assert_eq!(received, saved);
}
