use std::io::Write;

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::*;

fn request(span: Span) -> ExportTraceServiceRequest {
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }],
    }
}

fn span() -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "GET".to_owned(), ..Span::default() }
}

fn call(kind: OutboundKind) -> OutboundCall {
    OutboundCall { token: 1, upstream: b"otel".to_vec(), timeout: None, kind }
}

fn grpc(service: &str, method: &str, message: Vec<u8>) -> OutboundCall {
    call(OutboundKind::Grpc {
        service: service.as_bytes().to_vec(),
        method: method.as_bytes().to_vec(),
        metadata: HeaderMap::default(),
        message,
    })
}

fn http(headers: &[(&str, &str)], body: Vec<u8>) -> OutboundCall {
    let headers = HeaderMap::from_pairs(headers.iter().copied());
    call(OutboundKind::Http { headers, body, trailers: HeaderMap::default() })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const POST: (&str, &str) = (":method", "POST");
const PATH: (&str, &str) = (":path", "/v1/traces");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const SERVICE_NAME: &str = "opentelemetry.proto.collector.trace.v1.TraceService";

#[test]
fn rule_42_every_form_of_an_export_is_read() {
    let expected = request(span());
    let bytes = expected.encode_to_vec();
    let json = serde_json::to_vec(&expected).unwrap();
    let cases = [
        (grpc(SERVICE_NAME, "Export", bytes.clone()), "gRPC"),
        (http(&[POST, PATH, PROTOBUF], bytes.clone()), "HTTP"),
        (http(&[POST, (":path", "/base/v1/traces?x=1"), PROTOBUF], bytes.clone()), "HTTP below a base path"),
        (http(&[POST, PATH, PROTOBUF, GZIP], gzip(&bytes)), "HTTP, gzip"),
        (http(&[POST, PATH, ("content-type", "application/json; charset=utf-8")], json), "HTTP, JSON"),
    ];
    for (call, reason) in cases {
        assert_eq!(decode_call(&call).expect(reason).expect(reason), expected, "{reason}");
    }
}

#[test]
fn another_call_is_no_export() {
    let cases = [
        (grpc("opentelemetry.proto.collector.logs.v1.LogsService", "Export", vec![]), "another service"),
        (grpc(SERVICE_NAME, "Exports", vec![]), "another method"),
        (http(&[(":method", "GET"), PATH], vec![]), "another verb"),
        (http(&[POST, (":path", "/v1/metrics")], vec![]), "another signal"),
        (http(&[], vec![]), "no pseudo-headers"),
    ];
    for (call, reason) in cases {
        assert!(decode_call(&call).is_none(), "{reason}");
    }
}

#[test]
fn an_unreadable_export_says_why() {
    let bytes = request(span()).encode_to_vec();
    let cases = [
        (grpc(SERVICE_NAME, "Export", vec![0xff; 9]), "in protobuf"),
        (http(&[POST, PATH, PROTOBUF], bytes[..bytes.len() - 1].to_vec()), "in protobuf"),
        (http(&[POST, PATH, ("content-type", "application/json")], b"{".to_vec()), "in JSON"),
        (http(&[POST, PATH, ("content-type", "text/plain")], bytes.clone()), "\"text/plain\""),
        (http(&[POST, PATH], bytes.clone()), "content-type is \"\""),
        (http(&[POST, PATH, PROTOBUF, ("content-encoding", "br")], bytes.clone()), "\"br\""),
        (http(&[POST, PATH, PROTOBUF, GZIP], bytes.clone()), "could not be unpacked"),
        (http(&[POST, PATH, PROTOBUF, GZIP], gzip(&vec![0; (64 << 20) + 1])), "more than 67108864 bytes"),
    ];
    for (call, expected) in cases {
        let error = decode_call(&call).expect(expected).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
}

#[test]
fn rule_46_ids_of_another_shape_are_refused() {
    let cases = [
        (Span { trace_id: vec![1; 8], ..span() }, "trace id \"0101010101010101\", expected 16"),
        (Span { trace_id: vec![0; 16], ..span() }, "trace id"),
        (Span { span_id: vec![], ..span() }, "span id \"\", expected 8"),
        (Span { span_id: vec![0; 8], ..span() }, "span id"),
        (Span { parent_span_id: vec![1; 7], ..span() }, "parent span id"),
        (Span { parent_span_id: vec![0; 8], ..span() }, "parent span id"),
    ];
    for (span, expected) in cases {
        let call = grpc(SERVICE_NAME, "Export", request(span).encode_to_vec());
        let error = decode_call(&call).expect(expected).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
}

#[test]
fn fit_spans_are_kept_without_the_others() {
    let (mut both, bad) = (request(span()), Span { trace_id: vec![0; 16], ..span() });
    both.resource_spans[0].scope_spans[0].spans.insert(0, bad.clone());
    both.resource_spans.extend(request(Span { span_id: vec![1; 7], ..span() }).resource_spans);
    let (unfit, first) = keep_fit(&mut both);
    assert_eq!((unfit, &both), (2, &request(span())));
    assert!(first.unwrap().to_string().contains("trace id"), "the first is told");
    let mut none = request(bad);
    assert_eq!((keep_fit(&mut none).0, none.resource_spans.len()), (1, 0));
    assert!(keep_fit(&mut both).1.is_none());
}

#[test]
fn the_reply_is_of_the_kind_of_the_call() {
    let reply = accept(&grpc(SERVICE_NAME, "Export", vec![]));
    let CallReply::Grpc { message } = reply else { panic!("{reply:?}") };
    assert_eq!(ExportTraceServiceResponse::decode(message.as_slice()).unwrap().partial_success, None);

    let reply = accept(&http(&[POST, PATH, PROTOBUF], vec![]));
    let CallReply::Http { headers, body, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(headers.first(":status"), Some(b"200".as_slice()));
    assert_eq!(headers.first("content-type"), Some(b"application/x-protobuf".as_slice()));
    assert!(body.is_empty(), "the empty message has no bytes");

    let reply = accept(&http(&[POST, PATH, ("content-type", "application/json")], vec![]));
    let CallReply::Http { headers, body, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(headers.first("content-type"), Some(b"application/json".as_slice()));
    assert_eq!(body, b"{}");
}
