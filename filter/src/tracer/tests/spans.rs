//! Whole passes, seen as a collector sees them: decoded by `opentelemetry-proto`.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span, status::StatusCode};
use proptest::prelude::*;
use prost::Message;

use super::*;

mod shape;

fn decode(pass: &FinishedPass) -> [Span; 2] {
    let mut encoded = Vec::new();
    pass.spans().for_each(|span| crate::otlp::encode_span(&span, &mut encoded));
    let mut spans = ScopeSpans::decode(encoded.as_slice()).unwrap().spans;
    let client = spans.pop().unwrap();
    let server = spans.pop().unwrap();
    assert!(spans.is_empty());
    [server, client]
}

/// Attributes as text, numbers with a `#`; keys are unique.
fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let pairs = span.attributes.iter().map(|pair| {
        let value = match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => format!("#{number}"),
            Some(Value::ArrayValue(list)) => {
                format!("{:?}", list.values.iter().map(text).collect::<Vec<_>>())
            }
            other => panic!("{} is {other:?}", pair.key),
        };
        (pair.key.as_str(), value)
    });
    let attributes: BTreeMap<_, _> = pairs.collect();
    assert_eq!(attributes.len(), span.attributes.len(), "rule 46: keys are unique");
    attributes
}

fn text(value: &AnyValue) -> &str {
    match &value.value {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn expect<'a>(pairs: &[(&'a str, &str)]) -> BTreeMap<&'a str, String> {
    pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

fn response(pairs: &[(&str, &str)], trailers: &[(&str, &str)], pass: &mut Pass) {
    let (head, trailers) = (HeaderList::new(pairs).headers(), HeaderList::new(trailers).headers());
    pass.record_response(head.first(":status"), head.first("grpc-status"), None);
    pass.record_trailers(trailers.first("grpc-status"));
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == i32::from(StatusCode::Error))
}

const END: StreamEnd<'_> = StreamEnd {
    attempts: Some(1),
    now: Timestamp::from_unix_nanos(5900),
    direction: Some(Direction::Outbound),
    request_time: Some(Timestamp::from_unix_nanos(900)),
    backend_latency: Some(Duration::from_nanos(4000)),
    response_code: Some(200),
    code_details: Some(b"via_upstream"),
    source_address: Some(b"10.0.0.1:40000"),
    upstream_address: Some(b"10.0.0.2:8080"),
    protocol: Some(b"HTTP/1.1"),
};

#[test]
fn rule_29_and_30_an_http_pass_as_the_collector_sees_it() {
    let traceparent = format!("00-{TRACE}-{CALLER}-03");
    let request = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "web-svc.emojivoto:80"),
        (":path", "/api/vote?choice=:doughnut:"),
        ("user-agent", "Go-http-client/1.1"),
        ("traceparent", &traceparent),
        ("tracestate", "a=1"),
    ];
    let mut pass = start("{}", &request).0.pass.unwrap();
    response(&[(":status", "500")], &[], &mut pass);
    let [server, client] = decode(&pass.end(&END));

    assert_eq!(server.parent_span_id, SpanId::parse(CALLER.as_bytes()).unwrap().as_bytes());
    assert_eq!(client.parent_span_id, server.span_id);
    for span in [&server, &client] {
        assert_eq!(span.trace_id, TraceId::parse(TRACE.as_bytes()).unwrap().as_bytes());
        assert_eq!(span.trace_state, "a=1");
        assert_eq!(span.name, "GET", "rule 28");
        assert!(is_error(span), "rule 31");
    }
    assert_eq!((server.kind, client.kind), (2, 3));
    assert_eq!(
        (server.flags, client.flags),
        (0x303, 0x103),
        "rule 46: both sampled, the server's parent remote"
    );
    assert_eq!((server.start_time_unix_nano, server.end_time_unix_nano), (900, 5900));
    assert_eq!((client.start_time_unix_nano, client.end_time_unix_nano), (1900, 5900));
    let expected = [
        ("client.address", "10.0.0.1"),
        ("client.port", "#40000"),
        ("direction", "outbound"),
        ("error.type", "500"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "#500"),
        ("network.peer.address", "10.0.0.1"),
        ("network.peer.port", "#40000"),
        ("network.protocol.name", "http"),
        ("network.protocol.version", "1.1"),
        ("sampling.rule", "parent"),
        ("server.address", "web-svc.emojivoto"),
        ("server.port", "#80"),
        ("url.path", "/api/vote"),
        ("url.query", "choice=:doughnut:"),
        ("url.scheme", "http"),
        ("user_agent.original", "Go-http-client/1.1"),
    ];
    assert_eq!(attributes(&server), expect(&expected));
    let expected = [
        ("direction", "outbound"),
        ("error.type", "500"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "#500"),
        ("network.peer.address", "10.0.0.2"),
        ("network.peer.port", "#8080"),
        ("sampling.rule", "parent"),
        ("server.address", "web-svc.emojivoto"),
        ("server.port", "#80"),
        ("url.full", "http://web-svc.emojivoto:80/api/vote?choice=:doughnut:"),
    ];
    assert_eq!(attributes(&client), expect(&expected));
}

#[test]
fn rule_37_a_failed_grpc_pass_has_the_status_of_its_trailers() {
    let request = [
        (":method", "POST"),
        (":authority", "voting-svc.emojivoto:8080"),
        (":path", "/emojivoto.v1.VotingService/VoteDoughnut"),
        ("content-type", "application/grpc"),
    ];
    for (status, name, server_fails) in [("2", "UNKNOWN", true), ("5", "NOT_FOUND", false)] {
        let mut pass = start(ROOTS, &request).0.pass.unwrap();
        response(&[(":status", "200")], &[("grpc-status", status)], &mut pass);
        let [server, client] = decode(&pass.end(&END));
        assert_eq!((is_error(&server), is_error(&client)), (server_fails, true), "{name}");
        assert_eq!(attributes(&server).get("error.type").map(String::as_str), server_fails.then_some(name));
        for span in [&server, &client] {
            assert_eq!(span.name, "emojivoto.v1.VotingService/VoteDoughnut", "rule 36");
            let attributes = attributes(span);
            assert_eq!(attributes["rpc.response.status_code"], name);
            assert_eq!(attributes["rpc.system.name"], "grpc");
            assert_eq!(attributes["http.response.status_code"], "#200");
        }
    }
}

#[test]
fn rule_31_a_pass_without_response_is_an_error() {
    let pass = start(ROOTS, &[(":method", "GET"), (":path", "/")]).0.pass.unwrap();
    let end = StreamEnd {
        response_code: Some(0),
        code_details: Some(b"upstream_reset_before_response_started{connection_termination}"),
        ..END
    };
    for span in decode(&pass.end(&end)) {
        assert!(is_error(&span));
        let attributes = attributes(&span);
        assert_eq!(attributes["error.type"], "upstream_reset_before_response_started");
        assert_eq!(attributes.get("http.response.status_code"), None);
    }
}

#[test]
fn rule_30_a_request_without_host_is_for_the_upstream() {
    let pass = start(ROOTS, &[(":method", "GET"), (":path", "/a")]).0.pass.unwrap();
    let [server, client] = decode(&pass.end(&END));
    assert_eq!(attributes(&server).get("server.address"), None);
    assert_eq!(attributes(&client)["server.address"], "10.0.0.2");
    assert_eq!(attributes(&client)["server.port"], "#8080");
}

#[test]
fn rule_29_the_caller_behind_other_proxies_is_the_client() {
    let pass = start(ROOTS, &[("x-forwarded-for", "192.0.2.7, 10.9.9.9")]).0.pass.unwrap();
    let [server, _] = decode(&pass.end(&END));
    assert_eq!(attributes(&server)["client.address"], "192.0.2.7");
    assert_eq!(attributes(&server).get("client.port"), None, "not the peer's port");
    assert_eq!(attributes(&server)["network.peer.address"], "10.0.0.1");
}

#[test]
fn direction_is_the_configurations_else_the_listeners() {
    let inbound = r#"{"start_traces": true, "direction": "inbound"}"#;
    let cases = [
        (ROOTS, Some(Direction::Outbound), Some("outbound"), "the listener's"),
        (inbound, Some(Direction::Outbound), Some("inbound"), "the configuration's"),
        (inbound, None, Some("inbound"), "the configuration's alone"),
        (ROOTS, None, None, "nobody knows"),
    ];
    for (json, listener, expected, reason) in cases {
        let pass = start(json, &[]).0.pass.unwrap();
        for span in decode(&pass.end(&StreamEnd { direction: listener, ..END })) {
            assert_eq!(attributes(&span).get("direction").map(String::as_str), expected, "{reason}");
        }
    }
}

proptest! {
    #[test]
    fn rule_48_no_header_does_harm_and_every_span_is_valid(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 12),
        times in any::<[u64; 4]>(),
        code in any::<u16>(),
    ) {
        const NAMES: [&str; 12] = [
            ":method", ":path", ":authority", ":scheme", "content-type", "forwarded", "x-forwarded-for",
            "user-agent", "traceparent", "grpc-status", ":status", "b3",
        ];
        let pairs: Vec<_> = NAMES.iter().zip(&values).map(|(k, v)| (k.as_bytes(), v.as_slice())).collect();
        let headers = Headers::new(pairs);
        let mut after = HeaderList::new(&[]);
        let ids = &mut IdGenerator::from_seed([9; 32]);
        let start = tracer(ROOTS).start(&headers, &Bare(times[0]), ids, &mut after);
        let Some(mut pass) = start.pass else { return Ok(()) };
        pass.record_response(headers.first(":status"), headers.first("grpc-status"), None);
        pass.record_trailers(headers.first("grpc-status"));
        let end = StreamEnd {
            attempts: None,
            now: at(times[1]),
            direction: None,
            request_time: Some(at(times[2])),
            backend_latency: Some(Duration::from_nanos(times[3])),
            response_code: Some(code),
            code_details: Some(&values[0]),
            source_address: Some(&values[1]),
            upstream_address: Some(&values[2]),
            protocol: Some(&values[3]),
        };
        let [server, client] = decode(&pass.end(&end));
        prop_assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
        prop_assert!(client.start_time_unix_nano <= client.end_time_unix_nano);
        prop_assert!(client.end_time_unix_nano <= server.end_time_unix_nano);
        attributes(&server);
        attributes(&client);
    }
}
