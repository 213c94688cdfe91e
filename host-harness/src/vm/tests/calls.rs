//! Callouts: queued, taken, answered.

use super::*;

const HTTP: &str = "http_call 'otel' 'HEADERS' 'body' 0 0 250 72";
const GRPC: &str = "grpc_call 'otel' 'svc' 'method' 0 0 'message' 0 72";

/// A map's bytes as the text of a script.
fn pairs(pairs: &[(&str, &str)]) -> String {
    let mut bytes = Vec::new();
    crate::host::encode_pairs(&HeaderMap::from_pairs(pairs.iter().copied()), &mut bytes);
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

fn http_line() -> String {
    HTTP.replace("HEADERS", &pairs(&[(":method", "POST"), (":path", "/v1/traces"), (":authority", "otel")]))
}

fn answered(lines: &[&str]) -> Script {
    Script::new()
        .on("tick", lines)
        .on(
            "http_call_response",
            &[
                "say 'http'",
                "get_header_map_value 6 ':status' 64 68",
                "get_buffer_bytes 4 0 99 64 68",
                "show",
                "get_header_map_value 7 't' 64 68",
                "get_status 72 64 68",
                "show",
            ],
        )
        .on("grpc_receive", &["say 'message'", "get_buffer_bytes 5 0 99 64 68", "show"])
        .on(
            "grpc_close",
            &[
                "say 'closed'",
                "get_status 72 64 68",
                "show",
                "(i32.store8 (i32.const 72) (i32.add (i32.load8_u (i32.const 72)) (i32.const 48)))",
                "(drop (call $proxy_log (i32.const 2) (i32.const 72) (i32.const 1)))",
            ],
        )
}

#[test]
fn an_http_call_goes_out_and_its_response_comes_back() {
    let mut vm = answered(&[&http_line()]).vm();
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["0"]);
    let calls = vm.take_calls();
    assert_eq!(calls.len(), 1);
    assert!(vm.take_calls().is_empty(), "taken once");
    assert_eq!(calls[0].upstream, b"otel");
    assert_eq!(calls[0].timeout, Some(Duration::from_millis(250)));
    let OutboundKind::Http { headers, body, trailers } = &calls[0].kind else { panic!("{calls:?}") };
    assert_eq!(headers.first(":path"), Some(b"/v1/traces".as_slice()));
    assert_eq!((body.as_slice(), trailers.is_empty()), (b"body".as_slice(), true));

    let headers = HeaderMap::from_pairs([(":status", "200")]);
    let trailers = HeaderMap::from_pairs([("t", "1")]);
    vm.answer(calls[0].token, CallReply::Http { headers, body: b"ok".to_vec(), trailers }).unwrap();
    assert_eq!(said(&mut vm), ["http", "0", "0", "ok", "0", "0", ""]);
    vm.answer(calls[0].token, CallReply::HttpFailure).unwrap();
    let dropped = format!("host: dropped an answer to call {}, which waits for none", calls[0].token);
    assert_eq!(said(&mut vm), [dropped]);
}

#[test]
fn a_failed_http_call_has_no_response_and_a_status() {
    let mut vm = answered(&[&http_line()]).vm();
    vm.tick().unwrap();
    let calls = vm.take_calls();
    vm.take_logs();
    vm.answer(calls[0].token, CallReply::HttpFailure).unwrap();
    let said = said(&mut vm);
    assert_eq!(said[..3], ["http", "2", "1"], "neither headers nor a body");
    assert_eq!(said[said.len() - 1], "reset");
}

#[test]
fn a_unary_grpc_call_ends_in_a_message_or_in_a_status() {
    let mut vm = answered(&[GRPC, GRPC]).vm();
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["0", "0"]);
    let calls = vm.take_calls();
    let OutboundKind::Grpc { service, method, message, .. } = &calls[0].kind else { panic!("{calls:?}") };
    assert_eq!(
        (service.as_slice(), method.as_slice(), message.as_slice()),
        (&b"svc"[..], &b"method"[..], &b"message"[..])
    );
    assert_eq!(calls[0].timeout, None);
    vm.answer(calls[1].token, CallReply::Grpc { message: b"pong".to_vec() }).unwrap();
    assert_eq!(said(&mut vm), ["message", "0", "pong"], "no close after a success");
    vm.answer(calls[0].token, CallReply::GrpcFailure { status: 8, message: "full".into() }).unwrap();
    assert_eq!(said(&mut vm), ["closed", "0", "full", "8"]);
}

#[test]
fn a_call_that_cannot_be_made_is_refused_with_a_line() {
    let unknown = http_line().replace("'otel'", "'nope'");
    let lines = [
        unknown.as_str(),
        "http_call 'otel' 0 0 0 0 0 0 0 72",
        "grpc_call 'nope_cluster' 's' 'm' 0 0 0 0 0 72",
        "grpc_call '\\0a\\06\\0a\\04nope' 's' 'm' 0 0 0 0 0 72",
        "grpc_call 'otel' 's' 'm' 0 0 0 0 0 131070",
        "http_call 'otel' 0 -1 0 0 0 0 0 72",
        "http_call 'otel' 0 0 0 0 0 0 0 131070",
    ];
    let mut vm = Script::new().on("tick", &lines).vm();
    vm.tick().unwrap();
    let said = said(&mut vm);
    let statuses: Vec<&str> =
        said.iter().map(String::as_str).filter(|line| !line.starts_with("host: ")).collect();
    assert_eq!(statuses, ["2", "2", "4", "10", "6", "6", "6"]);
    assert!(said[0].starts_with("host: http_call to the unknown cluster \"nope\""), "{said:?}");
    assert!(vm.take_calls().is_empty());
}

#[test]
fn an_answer_to_a_stream_that_is_gone_reaches_the_plugin_with_a_line() {
    let mut vm = answered(&[]).on("request_headers", &[&http_line()]).vm();
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), true).unwrap();
    let calls = vm.take_calls();
    vm.close_stream(stream).unwrap();
    vm.take_logs();
    vm.answer(calls[0].token, CallReply::HttpFailure).unwrap();
    let said = said(&mut vm);
    assert!(said[0].contains("made by context 2, which is gone"), "{said:?}");
    assert_eq!(said[1], "http");
}

#[test]
fn a_callback_can_act_on_a_held_stream() {
    let mut vm = Script::new()
        .on("request_headers", &[GRPC, "return 1"])
        .on(
            "grpc_receive",
            &["set_effective_context 2", "add_header_map_value 0 'late' '1'", "continue_stream 0"],
        )
        .vm();
    let stream = vm.open_stream().unwrap();
    assert_eq!(vm.request_headers(stream, headers(), true).unwrap(), Verdict::Pause);
    let calls = vm.take_calls();
    vm.answer(calls[0].token, CallReply::Grpc { message: Vec::new() }).unwrap();
    assert_eq!(said(&mut vm), ["0", "0", "0", "0"]);
    assert_eq!(vm.request_map(stream).first("late"), Some(b"1".as_slice()));
    assert_eq!(vm.take_stream_actions(), [(stream, StreamAction::ContinueRequest)]);
}
