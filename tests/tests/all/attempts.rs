//! Retries with the configuration that people copy: the filter at the listener and once more above the upstream.
//! What else can become of attempts, beside a run without the filter, is in `situations`.

use meshspan::traffic::Response;
use meshspan_tests::client::Request;
use meshspan_tests::counters;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::spans::{CLIENT, SERVER, Span};
use meshspan_tests::upstream::Upstream;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn start(upstream_port: u16) -> (Envoy, Rotel, u16) {
    let (rotel, port) = (Rotel::start(), free_port());
    let config = Config::new("envoy/retries.yaml", meshspan::filter_wasm()).port(15001, port);
    let config = config.port(8080, upstream_port).port(4317, rotel.grpc_port()).concurrency(2);
    (config.start(), rotel, port)
}

/// Every span is in, and the filter had nothing to say.
fn assert_all_exported(envoy: &Envoy, spans: u64) {
    let counters = counters::settled(envoy, spans);
    assert_eq!((counters.exported, counters.exports_failed), (spans, 0), "{counters:?}");
    let log = envoy.log();
    assert!(!log.contains("wasm log"), "{log}");
}

/// The SERVER span below the caller's and the CLIENT spans below it, which must be all.
fn attempts(rotel: &Rotel, count: usize) -> (Span, Vec<Span>) {
    let mut spans = rotel.wait_for_trace(TRACE_ID, 1 + count);
    let at = spans.iter().position(|span| span.kind == SERVER).expect("a SERVER span");
    let server = spans.remove(at);
    assert_eq!(server.parent, PARENT);
    assert_eq!(spans.len(), count, "{spans:#?}");
    for span in &spans {
        assert_eq!((span.kind, &span.parent), (CLIENT, &server.span_id), "{spans:#?}");
    }
    (server, spans)
}

/// Which resends the collector was told of, in order.
fn resends(rotel: &Rotel) -> Vec<u64> {
    let log = rotel.log();
    let lines = log.lines().filter(|line| line.contains("http.request.resend_count"));
    let mut resends: Vec<u64> = lines
        .map(|line| {
            let digits = line.rsplit("resend_count").next().unwrap();
            digits.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
        })
        .collect();
    resends.sort_unstable();
    resends
}

#[test]
fn rule_35_each_retry_is_a_client_span() {
    let upstream = Upstream::start();
    let (envoy, rotel, port) = start(upstream.port());
    let unavailable = Response { status: 503, ..Response::default() };
    upstream.answer_next(&unavailable);
    let answer = Request::get("/").header("traceparent", TRACEPARENT).send_http1(port);
    assert_eq!(answer.status, 200, "the second attempt succeeds");

    let (_, clients) = attempts(&rotel, 2);
    let received = upstream.take();
    let mut parents: Vec<_> =
        received.iter().map(|request| request.value("traceparent").to_owned()).collect();
    let mut expected: Vec<_> =
        clients.iter().map(|span| format!("00-{TRACE_ID}-{}-01", span.span_id)).collect();
    parents.sort_unstable();
    expected.sort_unstable();
    assert_eq!(parents, expected, "each attempt is the parent of what the application does for it");
    assert_eq!(resends(&rotel), [1]);
    assert_all_exported(&envoy, 3);
}

#[test]
fn rule_35_attempts_that_never_connect_are_client_spans_too() {
    let nobody = free_port();
    let (envoy, rotel, port) = start(nobody);
    let answer = Request::get("/").header("traceparent", TRACEPARENT).send_http1(port);
    assert_eq!(answer.status, 503);
    attempts(&rotel, 3);
    assert_eq!(resends(&rotel), [1, 2]);
    assert_all_exported(&envoy, 4);
}
