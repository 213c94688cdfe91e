//! Two proxies as a pair of sidecars, with our filter: the spans of a mesh.

use base64::Engine as _;
use meshspan_tests::client::Request;
use meshspan_tests::live::LiveProxy;
use meshspan_tests::sink::Sink;
use meshspan_tests::spans::{CLIENT, SERVER, Span, chain};
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;

use super::file;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn span(span: &OtlpSpan) -> Span {
    Span {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: span.kind.try_into().unwrap(),
    }
}

/// Sends one request through both; the spans from the outermost, and what the application got.
fn through_both(send: impl Fn(u16)) -> (Vec<OtlpSpan>, meshspan_tests::upstream::Recorded) {
    let (upstream, sink, directory) = (Upstream::start(), Sink::start(), tempfile::tempdir().unwrap());
    let collector = format!("http://127.0.0.1:{}", sink.port());
    let plugin = |name: &str| {
        let text =
            format!(r#"{{"version":1,"service":{{"name":"{name}"}},"export":{{"max_delay_ms":100}}}}"#);
        file(&directory, name, text).to_str().unwrap().to_owned()
    };
    let (web, voting) = (plugin("web"), plugin("voting"));
    let arguments = |config| ["--otlp-endpoint", &collector, "--config", config];
    let inbound = LiveProxy::before(upstream.port(), &arguments(voting.as_str()));
    let outer = [arguments(web.as_str()).as_slice(), &["--direction", "outbound"]].concat();
    let outbound = LiveProxy::before(inbound.port(), &outer);
    send(outbound.port());
    let spans = wait::until("four spans", || Some(sink.spans()).filter(|spans| spans.len() >= 4));
    for proxy in [outbound, inbound] {
        let (code, output) = proxy.end();
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("1 completed"), "{output}");
        assert!(output.contains("meshspan_spans_exported 2"), "{output}");
    }
    let ids: Vec<Span> = spans.iter().map(span).collect();
    let chain = chain(&ids, TRACE_ID, PARENT);
    assert_eq!(chain.iter().map(|span| span.kind).collect::<Vec<_>>(), [SERVER, CLIENT, SERVER, CLIENT]);
    let ordered = chain.iter().map(|wanted| {
        spans.iter().find(|candidate| hex(&candidate.span_id) == wanted.span_id).unwrap().clone()
    });
    (ordered.collect(), upstream.take_one())
}

fn assert_parent(got: &str, spans: &[OtlpSpan]) {
    assert_eq!(got, format!("00-{TRACE_ID}-{}-01", hex(&spans[3].span_id)));
}

fn attribute(span: &OtlpSpan, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    format!("{:?}", found.and_then(|attribute| attribute.value.clone()?.value))
}

#[test]
fn four_spans_of_one_trace_come_out_over_http1() {
    let (spans, got) = through_both(|port| {
        let response = Request::get("/api/list?x=1").header("traceparent", TRACEPARENT).send_http1(port);
        assert_eq!((response.status, response.body), (200, b"done\n".to_vec()));
    });
    assert_parent(got.value("traceparent"), &spans);
    assert_eq!((got.path.as_str(), got.value("host")), ("/api/list?x=1", "meshspan.test"));
    assert_eq!(got.version, hyper::Version::HTTP_11);
    for span in &spans {
        assert_eq!(span.name, "GET");
        assert!(attribute(span, "http.response.status_code").contains("200"), "{span:?}");
    }
    for span in [&spans[0], &spans[2]] {
        assert!(attribute(span, "network.protocol.version").contains("1.1"), "{span:?}");
        assert!(attribute(span, "client.address").contains("127.0.0.1"), "{span:?}");
    }
}

#[test]
fn four_spans_of_one_trace_come_out_over_http2() {
    let (spans, got) = through_both(|port| {
        let response = Request::get("/api/list").header("traceparent", TRACEPARENT).send_http2(port);
        assert_eq!((response.status, response.body), (200, b"done\n".to_vec()));
    });
    assert_parent(got.value("traceparent"), &spans);
    assert_eq!(got.version, hyper::Version::HTTP_2);
}

#[test]
fn four_spans_of_one_trace_come_out_over_grpc() {
    let mut context = vec![0, 0];
    context.extend((0..16).map(|at| u8::from_str_radix(&TRACE_ID[2 * at..2 * at + 2], 16).unwrap()));
    context.push(1);
    context.extend((0..8).map(|at| u8::from_str_radix(&PARENT[2 * at..2 * at + 2], 16).unwrap()));
    context.extend([2, 1]);
    let value = base64::engine::general_purpose::STANDARD_NO_PAD.encode(context);
    let (spans, got) = through_both(|port| {
        let call = Request::grpc("voting-svc.emojivoto:8080", "/emojivoto.v1.VotingService/VoteDoughnut");
        let response = call.header("grpc-trace-bin", &value).send_http2(port);
        assert_eq!((response.status, response.grpc_status.as_deref()), (200, Some("2")), "its trailers come");
    });
    assert_eq!(got.version, hyper::Version::HTTP_2);
    assert_eq!(got.value("te"), "trailers");
    assert_eq!(got.body.as_ref(), [0; 5]);
    for span in spans {
        assert_eq!(span.name, "emojivoto.v1.VotingService/VoteDoughnut");
    }
}
