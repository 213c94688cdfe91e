//! What the standard variables say of an export holds for the filter's, too, though the filter sees none of it.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use meshspan_tests::client::Request;
use meshspan_tests::collect::Collect;
use meshspan_tests::faulty_collector::{Behaviour, FaultyCollector};
use meshspan_tests::live::LiveProxy;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::file;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A proxy that exports by `protocol` to a port of 127.0.0.1, with one request passed.
fn exporting(protocol: &str, port: u16, environment: &[(&str, &str)]) -> (LiveProxy, Upstream) {
    let (upstream, directory) = (Upstream::start(), tempfile::tempdir().unwrap());
    let filter_s = if protocol == "grpc" { "grpc" } else { "http" };
    let text = format!(
        r#"{{"version":1,"export":{{"max_delay_ms":100,"protocol":"{filter_s}","headers":{{"x-tenant":"a"}}}}}}"#
    );
    let config = file(&directory, "config.json", text);
    let (application, collector) =
        (format!("http://127.0.0.1:{}", upstream.port()), format!("http://127.0.0.1:{port}"));
    let arguments = ["--upstream", &application, "--config", config.to_str().unwrap(), "--otlp-endpoint"];
    let arguments = [&arguments[..], &[&collector, "--otlp-protocol", protocol]].concat();
    let proxy = LiveProxy::run(&arguments, environment);
    assert_eq!(Request::get("/").header("traceparent", TRACEPARENT).send_http1(proxy.port()).status, 200);
    (proxy, upstream)
}

#[test]
fn headers_and_compression_are_added_on_the_way() {
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Upstream::start();
        let environment = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20secret,x-tenant=b"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ];
        let _running = exporting(protocol, collector.port(), &environment);
        let got = wait::until("an export", || collector.take().into_iter().next());
        assert_eq!(got.value("authorization"), "Bearer secret", "{protocol}");
        assert_eq!(
            got.values("x-tenant"),
            [b"b"],
            "{protocol}: the variable beats the filter's configuration"
        );
        let (encoding, packed) = match protocol {
            "grpc" => {
                let length = u32::from_be_bytes(got.body[1..5].try_into().unwrap());
                assert_eq!((got.body[0], length as usize), (1, got.body.len() - 5), "a packed message");
                ("grpc-encoding", &got.body[5..])
            }
            _ => ("content-encoding", &got.body[..]),
        };
        assert_eq!(got.value(encoding), "gzip");
        let mut message = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut message).unwrap();
        let export = ExportTraceServiceRequest::decode(message.as_slice()).unwrap();
        assert_eq!(export.resource_spans[0].scope_spans[0].spans.len(), 2);
    }
}

#[test]
fn a_collector_that_asks_for_a_token_takes_the_spans() {
    let directory = tempfile::tempdir().unwrap();
    let token = file(&directory, "token", "secret\n");
    for protocol in ["grpc", "http/protobuf"] {
        let collect = Collect::start(&["--in-memory", "--token-file", token.to_str().unwrap()]);
        let ports = collect.ports();
        let port = if protocol == "grpc" { ports.grpc } else { ports.http };
        let environment = [
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20secret"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
        ];
        let (proxy, _upstream) = exporting(protocol, port, &environment);
        assert_eq!(collect.wait_for(2).len(), 2);
        let (code, output) = proxy.end();
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("meshspan_spans_exported 2"), "{protocol}: {output}");
        assert!(!output.contains("secret"), "{output}");
    }
}

#[test]
fn an_export_is_given_up_and_tried_again_after_the_time_out() {
    let collector = FaultyCollector::start(Behaviour::Slow(Duration::from_secs(60)));
    let _running = exporting("grpc", collector.port(), &[("OTEL_EXPORTER_OTLP_TIMEOUT", "100")]);
    // With the default of ten seconds it is the third one that comes before patience ends.
    wait::until("four attempts", || (collector.requests() >= 4).then_some(()));
}
