//! The filter's wasm in the harness's host: export, retry, bounds, configuration, hostile input.

use std::time::Duration;

use meshspan::vm::{CallReply, Callback, HeaderMap, LogLevel, LogLine, OutboundKind, VmError};
use meshspan_tests::sidecar::{LIFECYCLES, SAMPLED, Sidecar, options, spans};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

const SECOND: Duration = Duration::from_secs(1);
const GRPC: &str = r#"{"service":{"name":"web"},"export":{"protocol":"grpc"}}"#;
const HTTP: &str = r#"{"service":{"name":"web"},"export":{"protocol":"http"}}"#;

fn grpc_ok() -> CallReply {
    CallReply::Grpc { message: Vec::new() }
}

fn http(status: &str, headers: &[(&str, &str)]) -> CallReply {
    let headers = [(":status", status)].into_iter().chain(headers.iter().copied());
    CallReply::Http {
        headers: HeaderMap::from_pairs(headers),
        body: Vec::new(),
        trailers: HeaderMap::default(),
    }
}

fn partial_success(rejected_spans: i64, message: &str) -> CallReply {
    let partial = ExportTracePartialSuccess { rejected_spans, error_message: message.to_owned() };
    CallReply::Grpc { message: ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec() }
}

#[test]
fn a_pass_gives_a_server_span_and_its_client_span() {
    for lifecycle in LIFECYCLES {
        let mut sidecar =
            Sidecar::start_with(meshspan::vm::PluginOptions { lifecycle, ..options(GRPC) }).unwrap();
        let onward = sidecar.get(&[("traceparent", SAMPLED.as_bytes())]);
        sidecar.pass(2 * SECOND);
        let export = sidecar.export();
        let [server, client] = &spans(&export)[..] else { panic!("{lifecycle:?}: not two spans") };
        assert_eq!((server.kind, client.kind), (2, 3), "{lifecycle:?}");
        assert_eq!(server.parent_span_id, hex("00f067aa0ba902b7"), "{lifecycle:?}");
        assert_eq!(client.parent_span_id, server.span_id, "{lifecycle:?}");
        let traceparent = String::from_utf8(onward.first("traceparent").unwrap().to_vec()).unwrap();
        assert_eq!(hex(&traceparent[36..52]), client.span_id, "{lifecycle:?}: the CLIENT span goes onward");
        assert_eq!(client.end_time_unix_nano - client.start_time_unix_nano, 5_000_000, "{lifecycle:?}");
    }
}

#[test]
fn rule_45_nothing_leaves_before_the_tick_and_one_batch_at_a_time() {
    let mut sidecar = Sidecar::start(r#"{"export":{"max_batch_spans":2}}"#);
    for _ in 0..3 {
        sidecar.sampled_get();
        assert!(sidecar.vm.take_calls().is_empty(), "dispatched from a stream's context");
    }
    sidecar.pass(SECOND);
    for waiting in [4, 2, 0] {
        let call = sidecar.export();
        assert_eq!(spans(&call).len(), 2);
        sidecar.pass(3 * SECOND);
        assert!(sidecar.vm.take_calls().is_empty(), "another before the answer");
        sidecar.answer(&call, grpc_ok());
        assert_eq!(sidecar.counter("queue_spans"), waiting);
    }
    assert_eq!(sidecar.counter("spans_exported"), 6);
    sidecar.assert_counters_add_up();
}

#[test]
fn rule_22_exports_carry_a_denied_context() {
    for configuration in [GRPC, HTTP] {
        let mut sidecar = Sidecar::start(configuration);
        sidecar.sampled_get();
        sidecar.pass(2 * SECOND);
        match sidecar.export().kind {
            OutboundKind::Grpc { metadata, .. } => assert_eq!(metadata.first("b3"), Some(&b"0"[..])),
            OutboundKind::Http { headers, .. } => {
                assert_eq!(headers.first("b3"), Some(&b"0"[..]));
                assert_eq!(headers.first(":path"), Some(&b"/v1/traces"[..]));
                assert_eq!(headers.first("content-type"), Some(&b"application/x-protobuf"[..]));
            }
            other => panic!("no export: {other:?}"),
        }
    }
}

#[test]
fn rule_39_a_partial_success_is_counted_and_never_retried() {
    let mut sidecar = Sidecar::start(GRPC);
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    let call = sidecar.export();
    sidecar.answer(&call, partial_success(1, "too old"));
    sidecar.pass(60 * SECOND);
    assert!(sidecar.vm.take_calls().is_empty());
    assert_eq!((sidecar.counter("spans_rejected"), sidecar.counter("spans_exported")), (1, 1));
    let logs = sidecar.logs();
    assert!(
        logs.iter().any(|line| line.level == LogLevel::Warn && line.message.contains("too old")),
        "{logs:?}"
    );
    sidecar.assert_counters_add_up();
}

#[test]
fn rule_39_a_message_without_rejections_is_a_warning() {
    let mut sidecar = Sidecar::start(GRPC);
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    let call = sidecar.export();
    sidecar.answer(&call, partial_success(0, "nearly full"));
    assert_eq!((sidecar.counter("spans_rejected"), sidecar.counter("spans_exported")), (0, 2));
    let logs = sidecar.logs();
    let warned = |line: &&LogLine| line.level == LogLevel::Warn && line.message.contains("nearly full");
    assert_eq!(logs.iter().filter(warned).count(), 1, "{logs:?}");
}

#[test]
fn rules_42_44_an_export_is_a_post_with_the_configured_timeout_and_headers() {
    let export = |protocol: &str, more: &str| {
        format!(r#"{{"export":{{"protocol":"{protocol}","headers":{{"X-Tenant":"a b"}}{more}}}}}"#)
    };
    let rows = [
        (export("grpc", ""), 10, "gRPC, the default timeout"),
        (export("http", ""), 10, "HTTP, the default timeout"),
        (export("grpc", r#","timeout_ms":3000"#), 3, "gRPC, a configured one"),
        (export("http", r#","timeout_ms":3000,"path":"/otlp/v1/traces""#), 3, "HTTP, a configured one"),
    ];
    for (configuration, seconds, reason) in rows {
        let mut sidecar = Sidecar::start(&configuration);
        sidecar.sampled_get();
        sidecar.pass(2 * SECOND);
        let call = sidecar.export();
        assert_eq!(call.timeout, Some(seconds * SECOND), "{reason}");
        match call.kind {
            OutboundKind::Grpc { service, method, metadata, .. } => {
                assert_eq!(service, b"opentelemetry.proto.collector.trace.v1.TraceService", "{reason}");
                assert_eq!(method, b"Export", "{reason}");
                assert_eq!(metadata.first("x-tenant"), Some(&b"a b"[..]), "{reason}");
            }
            OutboundKind::Http { headers, .. } => {
                assert_eq!(headers.first(":method"), Some(&b"POST"[..]), "{reason}");
                assert!(headers.first(":path").unwrap().ends_with(b"/v1/traces"), "{reason}");
                assert_eq!(headers.first("x-tenant"), Some(&b"a b"[..]), "{reason}");
                let agent = String::from_utf8_lossy(headers.first("user-agent").unwrap()).into_owned();
                assert!(agent.starts_with("meshspan/"), "{reason}: {agent}");
                assert_eq!(headers.first("content-encoding"), None, "rule 42: it is not gzip");
            }
            other => panic!("{reason}: no export: {other:?}"),
        }
    }
}

#[test]
fn rule_40_41_only_retryable_failures_are_sent_again() {
    let rows = [
        (GRPC, CallReply::GrpcFailure { status: 14, message: String::new() }, true, "UNAVAILABLE"),
        (GRPC, CallReply::GrpcFailure { status: 4, message: String::new() }, true, "DEADLINE_EXCEEDED"),
        (
            GRPC,
            CallReply::GrpcFailure { status: 8, message: String::new() },
            false,
            "RESOURCE_EXHAUSTED, no RetryInfo",
        ),
        (GRPC, CallReply::GrpcFailure { status: 3, message: String::new() }, false, "INVALID_ARGUMENT"),
        (HTTP, CallReply::HttpFailure, true, "connection lost"),
        (HTTP, http("503", &[]), true, "503"),
        (HTTP, http("429", &[]), true, "429"),
        (HTTP, http("400", &[]), false, "400"),
        (HTTP, http("500", &[]), false, "500 is not among the retryable ones"),
    ];
    for (configuration, failure, retried, reason) in rows {
        let mut sidecar = Sidecar::start(configuration);
        sidecar.sampled_get();
        sidecar.pass(2 * SECOND);
        let first = sidecar.export();
        sidecar.answer(&first, failure);
        sidecar.pass(SECOND);
        let again = sidecar.vm.take_calls();
        assert_eq!(again.len(), usize::from(retried), "{reason}");
        match again.first() {
            Some(second) => {
                assert_eq!(spans(second), spans(&first), "{reason}: the same spans");
                let success = if configuration == GRPC { grpc_ok() } else { http("200", &[]) };
                sidecar.answer(second, success);
                assert_eq!(sidecar.counter("spans_exported"), 2, "{reason}");
            }
            None => assert_eq!(sidecar.counter("spans_dropped_export_failed"), 2, "{reason}"),
        }
        sidecar.assert_counters_add_up();
    }
}

#[test]
fn rule_41_retry_after_is_waited_for() {
    for (retry_after, reason) in
        [("20", "seconds"), ("Tue, 14 Nov 2023 22:13:42 GMT", "a date, 20 s after the export")]
    {
        let mut sidecar = Sidecar::start(HTTP);
        sidecar.sampled_get();
        sidecar.pass(2 * SECOND);
        let call = sidecar.export();
        sidecar.answer(&call, http("503", &[("retry-after", retry_after)]));
        sidecar.pass(19 * SECOND);
        assert!(sidecar.vm.take_calls().is_empty(), "{reason}: too early");
        sidecar.pass(2 * SECOND);
        assert_eq!(sidecar.vm.take_calls().len(), 1, "{reason}: too late");
    }
}

#[test]
fn rule_41_retries_are_bounded_and_the_rest_is_counted() {
    let mut sidecar = Sidecar::start(r#"{"export":{"max_attempts":3}}"#);
    sidecar.sampled_get();
    let mut attempts = 0;
    for _ in 0..200 {
        sidecar.pass(SECOND);
        for call in sidecar.vm.take_calls() {
            attempts += 1;
            sidecar.answer(&call, CallReply::GrpcFailure { status: 14, message: String::new() });
        }
    }
    assert_eq!(attempts, 3);
    assert_eq!(sidecar.counter("exports_failed"), 3);
    assert_eq!(sidecar.counter("exports_retried"), 2);
    assert_eq!(sidecar.counter("spans_dropped_export_failed"), 2);
    sidecar.assert_counters_add_up();
}

#[test]
fn rule_45_a_full_queue_drops_and_counts() {
    let mut sidecar = Sidecar::start(r#"{"export":{"max_queue_spans":4,"max_batch_spans":4}}"#);
    for _ in 0..5 {
        sidecar.sampled_get();
    }
    sidecar.pass(SECOND);
    assert_eq!(sidecar.counter("spans_dropped_queue_full"), 6);
    assert_eq!(sidecar.counter("queue_spans"), 4);
    sidecar.assert_counters_add_up();
}

/// Envoy configures one context twice where two listeners have equal plugins.
#[test]
fn rule_45_a_second_configuration_loses_no_span() {
    let mut sidecar = Sidecar::start(GRPC);
    sidecar.sampled_get();
    sidecar.vm.callback(1, Callback::Configure(0)).unwrap();
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    let call = sidecar.export();
    assert_eq!(spans(&call).len(), 4);
    sidecar.vm.callback(1, Callback::Configure(0)).unwrap();
    sidecar.answer(&call, grpc_ok());
    assert_eq!(sidecar.counter("spans_exported"), 4);
    sidecar.assert_counters_add_up();
}

/// Callbacks that no sound host makes: twice, too late, to contexts that are not, with tokens that are not.
#[test]
fn rule_48_a_host_with_bugs_neither_traps_nor_confuses_the_filter() {
    let mut sidecar = Sidecar::start(r#"{"start_traces":true}"#);
    let stream = sidecar.vm.open_stream().unwrap();
    let head = HeaderMap::from_pairs([(":method", "GET"), (":path", "/")]);
    for _ in 0..2 {
        sidecar.vm.request_headers(stream, head.clone(), true).unwrap();
    }
    let callbacks = [
        Callback::ContextCreate(77),
        Callback::Configure(1 << 30),
        Callback::Tick,
        Callback::RequestHeaders(9),
        Callback::ResponseHeaders(9),
        Callback::ResponseTrailers(9),
        Callback::HttpCallResponse(1, 3, u32::MAX),
        Callback::GrpcReceive(1, u32::MAX),
        Callback::GrpcClose(1, 14),
        Callback::Log,
        Callback::Done,
        Callback::Delete,
        Callback::Delete,
        Callback::Log,
        Callback::ResponseHeaders(1),
    ];
    for context in [2, 3, 99, 0, u32::MAX] {
        for callback in callbacks {
            let not_ours = context != 2 || !matches!(callback, Callback::ContextCreate(_));
            if not_ours {
                sidecar.vm.callback(context, callback).unwrap();
            }
        }
    }
    sidecar.vm.close_stream(stream).unwrap();
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    assert_eq!(spans(&sidecar.export()).len(), 4, "the VM lives on, and each request has its two spans");
    sidecar.assert_counters_add_up();
}

#[test]
fn an_unknown_cluster_is_one_clear_line_and_a_counter() {
    for protocol in ["grpc", "http"] {
        let mut sidecar =
            Sidecar::start(&format!(r#"{{"export":{{"cluster":"nowhere","protocol":"{protocol}"}}}}"#));
        for _ in 0..20 {
            sidecar.sampled_get();
            sidecar.pass(2 * SECOND);
        }
        assert!(sidecar.counter("exports_failed") > 3, "{protocol}");
        let logs = sidecar.logs();
        let ours: Vec<_> = logs
            .iter()
            .filter(|line| line.message.contains("\"nowhere\"") && line.message.contains("export.cluster"))
            .collect();
        assert_eq!(ours.len(), 1, "{protocol}: {logs:?}");
        sidecar.assert_counters_add_up();
    }
}

#[test]
fn a_lost_answer_does_not_stop_export() {
    let mut sidecar = Sidecar::start(r#"{"export":{"timeout_ms":1000}}"#);
    sidecar.sampled_get();
    sidecar.pass(2 * SECOND);
    let lost = sidecar.export();
    sidecar.pass(10 * SECOND);
    let again = sidecar.export();
    assert_eq!(spans(&again), spans(&lost));
    sidecar.answer(&again, grpc_ok());
    assert_eq!(sidecar.counter("spans_exported"), 2);
    sidecar.assert_counters_add_up();
}

#[test]
fn rule_48_hostile_bytes_neither_trap_nor_change() {
    let hostile: [(&str, &[u8]); 6] = [
        ("traceparent", b"\xff\xfe"),
        ("tracestate", b"\x80=\x80"),
        ("b3", b"\xc3\x28"),
        ("grpc-trace-bin", b"\xf0\x28\x8c\xbc"),
        ("baggage", b"k=\xff"),
        ("x-unknown", b"\xff\x00\xfe"),
    ];
    let mut sidecar = Sidecar::start(GRPC);
    let onward = sidecar.get(&hostile);
    for (name, value) in hostile {
        assert_eq!(onward.first(name), Some(value), "{name}");
    }
    sidecar.sampled_get();
    sidecar.pass(SECOND);
    assert_eq!(sidecar.counter("spans_finished"), 2, "the VM lives on");
    assert_eq!(sidecar.counter("context_invalid"), 3);
}

#[test]
fn without_context_nothing_is_touched_unless_traces_may_start() {
    let mut sidecar = Sidecar::start(GRPC);
    let untouched = sidecar.get(&[("x-request-id", b"1")]);
    assert_eq!(untouched.len(), 5, "a sidecar adds nothing");
    let mut ingress = Sidecar::start(r#"{"start_traces":true}"#);
    let onward = ingress.get(&[("x-request-id", b"1")]);
    let mut added: Vec<_> = onward.iter().map(|(name, _)| name).collect();
    added.retain(|name| untouched.first_of(name).is_none());
    added.sort_unstable();
    assert_eq!(added, [b"traceparent".as_slice(), b"tracestate"]);
    assert_eq!(onward.first("tracestate"), Some(&b"ot=th:0"[..]), "rule 24: all are kept");
    assert!(onward.first("traceparent").unwrap().ends_with(b"-03"), "sampled, with a random trace id");
    ingress.pass(2 * SECOND);
    assert!(spans(&ingress.export())[0].parent_span_id.is_empty(), "the SERVER span is the root");
}

#[test]
fn the_last_spans_leave_before_the_plugin_ends() {
    let mut sidecar = Sidecar::start(GRPC);
    sidecar.sampled_get();
    assert!(!sidecar.vm.finish().unwrap(), "the plugin waits for its export");
    let call = sidecar.export();
    sidecar.answer(&call, grpc_ok());
    assert!(sidecar.vm.finish().unwrap());
    assert_eq!(sidecar.counter("spans_exported"), 2);
}

#[test]
fn a_bad_configuration_is_rejected_with_one_line_that_says_why() {
    let rows = [
        (r#"{"sampling":{"default":{"ratio":1.5}}}"#, &["sampling.default.ratio", "1.5"][..]),
        (r#"{"start_traces":"yes"}"#, &["start_traces", "yes"]),
        (r#"{"export":"#, &["line 1"]),
    ];
    for (configuration, parts) in rows {
        let Err(VmError::ConfigurationRejected { logs, .. }) = Sidecar::start_with(options(configuration))
        else {
            panic!("{configuration} was accepted")
        };
        let errors: Vec<_> = logs.iter().filter(|line| line.level == LogLevel::Error).collect();
        assert_eq!(errors.len(), 1, "{logs:?}");
        assert!(parts.iter().all(|part| errors[0].message.contains(part)), "{logs:?}");
    }
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_known_one() {
    let mut sidecar = Sidecar::start(r#"{"export":{"clutser":"otel_collector"}}"#);
    let logs = sidecar.logs();
    let warned = |line: &&meshspan::vm::LogLine| {
        line.level == LogLevel::Warn
            && line.message.contains("export.clutser")
            && line.message.contains("cluster")
    };
    assert_eq!(logs.iter().filter(warned).count(), 1, "{logs:?}");
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
