//! The wasm in a real Envoy: an outbound and an inbound sidecar before one application.

use meshspan_tests::client::{Request, Response};
use meshspan_tests::envoy::{Config, Envoy, bootstraps};
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::spans::{CLIENT, SERVER, Span, chain};
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER_TRACE_ID: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const KINDS: [u8; 4] = [SERVER, CLIENT, SERVER, CLIENT];

/// A pair of sidecars with all around it.
struct Pair {
    envoy: Envoy,
    upstream: Upstream,
    rotel: Rotel,
    port: u16,
}

impl Pair {
    fn start() -> Pair {
        let (upstream, rotel, port) = (Upstream::start(), Rotel::start(), free_port());
        let envoy = pair_config(&upstream, port, rotel.grpc_port()).start();
        Pair { envoy, upstream, rotel, port }
    }

    /// The four spans of `TRACE_ID`, outermost first.
    fn chain(&self) -> Vec<Span> {
        let spans = self.rotel.wait_for_trace(TRACE_ID, KINDS.len());
        chain(&spans, TRACE_ID, PARENT).into_iter().cloned().collect()
    }
}

fn pair_config(upstream: &Upstream, port: u16, collector: u16) -> Config {
    Config::new("envoy/sidecar-pair.yaml", meshspan::filter_wasm())
        .port(15001, port)
        .port(15006, free_port())
        .port(8080, upstream.port())
        .port(4317, collector)
}

/// Four spans in a row below the client's, and the application sees the last of them as its parent.
fn assert_four_spans(pair: &Pair) -> Vec<Span> {
    let chain = pair.chain();
    let kinds: Vec<u8> = chain.iter().map(|span| span.kind).collect();
    assert_eq!(kinds, KINDS, "{chain:#?}");
    let expected = format!("00-{TRACE_ID}-{}-01", chain[3].span_id);
    assert_eq!(pair.upstream.take_one().value("traceparent"), expected);
    chain
}

#[test]
fn every_bootstrap_is_valid() {
    let files = bootstraps();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let name = format!("envoy/{}", file.file_name().unwrap().to_str().unwrap());
        let output = Config::new(&name, meshspan::filter_wasm()).validate();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {log}");
        assert!(!log.contains("[warning]") && !log.contains("[error]"), "{name}: {log}");
    }
}

#[test]
fn a_bad_plugin_configuration_is_refused_with_its_key() {
    let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm());
    let output = config.replace(r#""start_traces": false"#, r#""start_traces": "no""#).validate();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{log}");
    assert!(log.contains("start_traces"), "{log}");
}

#[test]
fn http1_gives_four_spans() {
    let pair = Pair::start();
    let answer = Request::get("/api/list").header("traceparent", TRACEPARENT).send_http1(pair.port);
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"done\n".as_slice()));
    let chain = assert_four_spans(&pair);
    assert!(chain.iter().all(|span| span.name == "GET"), "{chain:#?}");
}

#[test]
fn http2_gives_four_spans() {
    let pair = Pair::start();
    let answer = Request::get("/api/list").header("traceparent", TRACEPARENT).send_http2(pair.port);
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"done\n".as_slice()));
    let chain = assert_four_spans(&pair);
    assert!(chain.iter().all(|span| span.name == "GET"), "{chain:#?}");
}

#[test]
fn grpc_gives_four_spans() {
    // Method, and the status that must come through: from trailers, from trailers, from a trailers-only head.
    for (method, status) in [("FindByShortcode", "0"), ("VoteDoughnut", "2"), ("Refuse", "7")] {
        let pair = Pair::start();
        let path = format!("/emojivoto.v1.VotingService/{method}");
        let request = Request::grpc("voting-svc:8080", &path).header("traceparent", TRACEPARENT);
        let answer = request.send_http2(pair.port);
        assert_eq!((answer.status, answer.grpc_status.as_deref()), (200, Some(status)), "{method}");
        let chain = assert_four_spans(&pair);
        assert!(chain.iter().all(|span| span.name == path[1..]), "{chain:#?}");
    }
}

#[test]
fn rule_21_w3c_wins_and_b3_of_another_trace_goes() {
    let pair = Pair::start();
    let request = Request::get("/").header("traceparent", TRACEPARENT);
    request.header("b3", format!("{OTHER_TRACE_ID}-e457b5a2e4d86bd1-1")).send_http1(pair.port);
    let got = pair.upstream.take_one();
    assert_eq!(got.values("b3"), Vec::<&[u8]>::new());
    assert!(got.value("traceparent").contains(TRACE_ID));
    assert_eq!(pair.chain().len(), KINDS.len());
    let others: Vec<_> =
        pair.rotel.spans().into_iter().filter(|span| span.trace_id == OTHER_TRACE_ID).collect();
    assert_eq!(others, []);
}

#[test]
fn rule_21_w3c_wins_and_b3_of_the_same_trace_stays() {
    let pair = Pair::start();
    let b3 = format!("{TRACE_ID}-e457b5a2e4d86bd1-1");
    Request::get("/").header("traceparent", TRACEPARENT).header("b3", &b3).send_http1(pair.port);
    assert_eq!(pair.upstream.take_one().value("b3"), b3);
    assert_eq!(pair.chain().len(), KINDS.len());
}

#[test]
fn b3_alone_gives_four_spans_and_stays_b3() {
    let pair = Pair::start();
    let request = Request::get("/").header("x-b3-traceid", TRACE_ID).header("x-b3-spanid", PARENT);
    request.header("x-b3-sampled", "1").send_http1(pair.port);
    let chain = pair.chain();
    assert_eq!(chain.len(), KINDS.len());
    let got = pair.upstream.take_one();
    assert_eq!(got.value("x-b3-spanid"), chain[3].span_id);
    assert_eq!(got.value("x-b3-traceid"), TRACE_ID);
    assert_eq!(got.values("traceparent"), Vec::<&[u8]>::new());
}

#[test]
fn rule_38_baggage_and_unknown_headers_pass_byte_for_byte() {
    let pair = Pair::start();
    let baggage = b"userId=alice,serverNode=DF%2028;p=1, empty=".as_slice();
    let odd = b"a\xff\xfe\x80 ,;=\"b".as_slice();
    let request = Request::get("/").header("traceparent", TRACEPARENT).header("baggage", baggage);
    request.header("x-odd", odd).header("x-twice", "1").header("x-twice", "2").send_http1(pair.port);
    let got = pair.upstream.take_one();
    assert_eq!(got.values("baggage"), [baggage]);
    assert_eq!(got.values("x-odd"), [odd]);
    assert_eq!(got.values("x-twice"), [b"1", b"2"]);
}

#[test]
fn a_request_without_context_is_not_touched() {
    let pair = Pair::start();
    assert_eq!(Request::get("/").send_http1(pair.port).status, 200);
    let got = pair.upstream.take_one();
    for name in
        ["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "grpc-trace-bin"]
    {
        assert_eq!(got.values(name), Vec::<&[u8]>::new(), "{name}");
    }
    assert_eq!(counters(&pair.envoy).started, 0);
}

#[test]
fn rule_48_values_that_are_not_utf8_pass_and_the_vm_lives() {
    // Every header that the filter reads for itself, and one that it does not.
    for name in
        ["traceparent", "tracestate", "b3", "x-b3-traceid", "grpc-trace-bin", "user-agent", "x-unknown"]
    {
        let pair = Pair::start();
        for _ in 0..2 {
            let answer = Request::get("/").header(name, b"\xff\xfe00-\x80").send_http1(pair.port);
            assert_eq!(answer.status, 200, "{name}: {}", pair.envoy.log());
        }
        let answer = Request::get("/").header("traceparent", TRACEPARENT).send_http1(pair.port);
        assert_eq!(answer.status, 200, "{name}: {}", pair.envoy.log());
        assert_eq!(pair.chain().len(), KINDS.len(), "{name}");
        assert_vm_alive(&pair.envoy);
    }
}

#[test]
fn one_sidecar_gives_two_spans_a_pass_and_knows_its_direction() {
    let (upstream, rotel, inbound, outbound) = (Upstream::start(), Rotel::start(), free_port(), free_port());
    let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm()).environment("POD_NAME", "web-0");
    let config = config.port(15006, inbound).port(15001, outbound).port(4317, rotel.grpc_port());
    let _envoy = config.port(8080, upstream.port()).port(8081, upstream.port()).concurrency(2).start();
    for port in [inbound, outbound] {
        Request::get("/").header("traceparent", TRACEPARENT).send_http1(port);
    }
    let spans = rotel.wait_for_trace(TRACE_ID, KINDS.len());
    let servers: Vec<_> = spans.iter().filter(|span| span.kind == SERVER).collect();
    assert_eq!(servers.len(), 2, "{spans:#?}");
    assert!(servers.iter().all(|span| span.parent == PARENT), "{spans:#?}");
    for client in spans.iter().filter(|span| span.kind == CLIENT) {
        assert!(servers.iter().any(|server| server.span_id == client.parent), "{spans:#?}");
    }
    for direction in ["inbound", "outbound"] {
        wait::until(direction, || {
            rotel.log().contains(&format!("direction: Str({direction})")).then_some(())
        });
    }
}

#[test]
fn a_collector_that_goes_and_comes_back_harms_nobody() {
    let mut pair = Pair::start();
    let (grpc_port, http_port) = (pair.rotel.grpc_port(), pair.rotel.http_port());
    send_traced(&pair, 5);
    let before = wait_for_empty_queue(&pair.envoy, 20);
    assert_eq!((before.exported, before.lost), (20, 0));
    assert_eq!(pair.rotel.spans().len(), 20);

    // The port is refused from here on.
    drop(std::mem::replace(&mut pair.rotel, Rotel::start()));
    send_traced(&pair, 20);
    let during = wait::until("a failed export", || {
        let counters = counters(&pair.envoy);
        (counters.failed > 0 && counters.balance() == 0).then_some(counters)
    });
    assert_eq!((during.started, during.exported), (100, 20));

    pair.rotel = Rotel::start_on(grpc_port, http_port);
    send_traced(&pair, 5);
    let after = wait_for_empty_queue(&pair.envoy, 120);
    assert!(after.exported >= 40, "what came after the restart arrives: {after:?}");
    let received = u64::try_from(pair.rotel.wait_for(20).len()).unwrap();
    assert_eq!(received, after.exported - before.exported, "{after:?}");
    assert_vm_alive(&pair.envoy);
}

#[test]
fn an_unknown_cluster_is_one_log_line_and_a_counter() {
    let (upstream, inbound) = (Upstream::start(), free_port());
    let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm());
    let config = config.replace(r#""cluster": "otel_collector""#, r#""cluster": "nowhere""#);
    let envoy = config.port(15006, inbound).port(15001, free_port()).port(8080, upstream.port()).start();
    for _ in 0..10 {
        let answer = Request::get("/").header("traceparent", TRACEPARENT).send_http1(inbound);
        assert_eq!(answer.status, 200);
        let failed = counters(&envoy).failed;
        wait::until("one more failed export", || (counters(&envoy).failed > failed).then_some(()));
    }
    let log = envoy.log();
    assert_eq!(log.lines().filter(|line| line.contains("nowhere")).count(), 1, "{log}");
    assert_eq!(counters(&envoy).balance(), 0);
}

fn send_traced(pair: &Pair, requests: u32) {
    for _ in 0..requests {
        let answer: Response = Request::get("/").header("traceparent", TRACEPARENT).send_http1(pair.port);
        assert_eq!(answer.status, 200, "{}", pair.envoy.log());
    }
}

/// The filter's own counters, as Envoy shows them.
#[derive(Clone, Copy, Debug)]
struct Counters {
    started: u64,
    exported: u64,
    /// Dropped for any reason, or refused by the collector.
    lost: u64,
    queued: u64,
    /// Exports, not spans.
    failed: u64,
}

impl Counters {
    /// Started spans that are in none of the counters; 0 when the counters are consistent.
    fn balance(self) -> i128 {
        i128::from(self.started) - i128::from(self.exported + self.lost + self.queued)
    }
}

fn counters(envoy: &Envoy) -> Counters {
    let stats = envoy.stats("wasmcustom.meshspan_");
    let stat = |name: &str| stats.get(name).copied().unwrap_or_default();
    let dropped = stats.iter().filter(|(name, _)| name.starts_with("spans_dropped")).map(|(_, count)| count);
    Counters {
        started: stat("spans_started"),
        exported: stat("spans_exported"),
        lost: dropped.sum::<u64>() + stat("spans_rejected"),
        queued: stat("queue_spans"),
        failed: stat("exports_failed"),
    }
}

fn wait_for_empty_queue(envoy: &Envoy, started: u64) -> Counters {
    wait::until("an empty queue and consistent counters", || {
        let counters = counters(envoy);
        (counters.started == started && counters.queued == 0 && counters.balance() == 0).then_some(counters)
    })
}

fn assert_vm_alive(envoy: &Envoy) {
    let reloads =
        envoy.stats("wasm.").into_iter().filter(|(name, count)| name.contains("vm_reload") && *count > 0);
    assert_eq!(reloads.collect::<Vec<_>>(), [], "{}", envoy.log());
}
