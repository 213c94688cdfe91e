//! gRPC streams: opened, written, answered, closed on either side, reset.

use super::*;

const OPEN: &str = "grpc_stream 'otel' 'svc' 'method' 0 0 72";
/// The first token of a stream.
const TOKEN: u32 = 6;

fn metadata(name: &str) -> HeaderMap {
    HeaderMap::from_pairs([(name, "1"), ("other", "2")])
}

fn message(text: &str) -> CallReply {
    CallReply::Grpc { message: text.into() }
}

fn kinds(vm: &mut Vm) -> Vec<OutboundKind> {
    let calls = vm.take_calls();
    assert!(calls.iter().all(|call| call.token == TOKEN), "{calls:?}");
    calls.into_iter().map(|call| call.kind).collect()
}

/// Opens a stream on its first request, and tells all that comes on it.
fn talker(lines: &[&str]) -> Vm {
    let mut vm = Script::new()
        .on("tick", lines)
        .on(
            "grpc_receive_initial_metadata",
            &[
                "say 'initial'",
                "get_header_map_value 4 'first' 64 68",
                "show",
                "get_header_map_value 5 'last' 64 68",
                "get_header_map_pairs 4 64 68",
                "get_header_map_size 4 64",
            ],
        )
        .on("grpc_receive", &["say 'message'", "get_buffer_bytes 5 0 99 64 68", "show"])
        .on(
            "grpc_receive_trailing_metadata",
            &["say 'trailing'", "get_header_map_value 5 'last' 64 68", "show"],
        )
        .on("grpc_close", &["say 'closed'", "get_status 72 64 68", "show"])
        .vm();
    vm.tick().unwrap();
    vm
}

#[test]
fn a_stream_carries_messages_both_ways_until_it_is_closed() {
    let mut vm = talker(&[OPEN, "grpc_send 6 'one' 0", "grpc_send 6 'two' 1"]);
    assert_eq!(said(&mut vm), ["0", "0", "0"]);
    let calls = vm.take_calls();
    assert!(calls.iter().all(|call| call.token == TOKEN && call.upstream == b"otel"), "{calls:?}");
    let service = b"svc".to_vec();
    let opened = OutboundKind::GrpcStream { service, method: b"method".to_vec(), metadata: HeaderMap::new() };
    let sent =
        |text: &str, end_of_stream| OutboundKind::GrpcStreamMessage { message: text.into(), end_of_stream };
    assert_eq!(
        calls.into_iter().map(|call| call.kind).collect::<Vec<_>>(),
        [opened, sent("one", false), sent("two", true)]
    );

    vm.answer(TOKEN, CallReply::GrpcInitialMetadata { metadata: metadata("first") }).unwrap();
    assert_eq!(said(&mut vm), ["initial", "0", "1", "2", "0", "2"], "a map to read, and in its own callback");
    vm.answer(TOKEN, message("pong")).unwrap();
    vm.answer(TOKEN, message("again")).unwrap();
    assert_eq!(said(&mut vm), ["message", "0", "pong", "message", "0", "again"]);
    vm.answer(TOKEN, CallReply::GrpcTrailingMetadata { metadata: metadata("last") }).unwrap();
    assert_eq!(said(&mut vm), ["trailing", "0", "1"]);
    vm.answer(TOKEN, CallReply::GrpcClosed { status: 0, message: "fine".into() }).unwrap();
    assert_eq!(said(&mut vm), ["closed", "0", "fine"]);
    vm.answer(TOKEN, message("late")).unwrap();
    assert_eq!(said(&mut vm), [format!("host: dropped an answer to call {TOKEN}, which waits for none")]);
}

#[test]
fn what_the_upstream_closed_may_be_named_until_the_guest_closes_it() {
    let mut vm = Script::new()
        .on("tick", &[OPEN])
        .on("grpc_close", &["grpc_send 6 'late' 0", "grpc_close 6", "grpc_close 6", "grpc_send 6 'm' 0"])
        .vm();
    vm.tick().unwrap();
    kinds(&mut vm);
    vm.take_logs();
    vm.answer(TOKEN, CallReply::GrpcClosed { status: 14, message: String::new() }).unwrap();
    let nowhere = "host: a message sent on a gRPC stream that is closed goes nowhere";
    assert_eq!(said(&mut vm), [nowhere, "0", "0", "1", "1"]);
    assert!(kinds(&mut vm).is_empty(), "nothing reaches an upstream that has ended");

    let mut vm = Script::new().on("tick", &[OPEN]).on("grpc_receive", &["say 'told'"]).vm();
    vm.tick().unwrap();
    vm.answer(TOKEN, CallReply::GrpcClosed { status: 0, message: String::new() }).unwrap();
    vm.take_logs();
    vm.answer(TOKEN, message("late")).unwrap();
    assert_eq!(said(&mut vm), [format!("host: dropped an answer to call {TOKEN}, which waits for none")]);
}

#[test]
fn closing_ends_one_side_and_cancelling_both() {
    let mut vm = Script::new().on("tick", &[OPEN]).on("grpc_receive", &["grpc_close 6", "grpc_close 6"]).vm();
    vm.tick().unwrap();
    kinds(&mut vm);
    vm.answer(TOKEN, message("pong")).unwrap();
    assert_eq!(kinds(&mut vm), [OutboundKind::GrpcStreamClose], "told once");
    vm.answer(TOKEN, message("more")).unwrap();
    assert_eq!(said(&mut vm), ["0", "0", "0", "0", "0"], "answers still come");

    let mut vm =
        Script::new().on("tick", &[OPEN]).on("grpc_receive", &["grpc_cancel 6", "grpc_cancel 6"]).vm();
    vm.tick().unwrap();
    kinds(&mut vm);
    vm.answer(TOKEN, message("pong")).unwrap();
    assert_eq!(kinds(&mut vm), [OutboundKind::GrpcCancel]);
    assert_eq!(said(&mut vm), ["0", "0", "1"]);
    vm.answer(TOKEN, CallReply::GrpcClosed { status: 1, message: String::new() }).unwrap();
    assert!(said(&mut vm)[0].starts_with("host: dropped an answer"));
}

#[test]
fn what_is_cancelled_before_it_is_taken_is_never_made() {
    let mut vm = talker(&[OPEN, "grpc_send 6 'one' 0", "grpc_cancel 6"]);
    assert_eq!(said(&mut vm), ["0", "0", "0"]);
    assert!(kinds(&mut vm).is_empty());
}

#[test]
fn tokens_of_other_calls_and_of_none_are_refused_as_in_envoy() {
    let unary = "grpc_call 'otel' 's' 'm' 0 0 'message' 0 72";
    let rows = [
        ("a unary call, token 5", unary, 0),
        ("which takes no messages", "grpc_send 5 'm' 1", 2),
        ("is cancelled by close", "grpc_close 5", 0),
        ("once", "grpc_cancel 5", 1),
        ("a stream, token 10", OPEN, 0),
        ("another stream", "grpc_send 14 'm' 1", 1),
        ("a message outside memory", "grpc_send 10 0 -1 1", 6),
        ("an HTTP call's token", "grpc_close 4", 2),
        ("for cancel, too", "grpc_cancel 4", 2),
        ("an unknown name", "grpc_stream 'nope' 's' 'm' 0 0 72", 4),
        ("a message without a cluster", "grpc_stream '\\0a\\06\\0a\\04nope' 's' 'm' 0 0 72", 10),
        ("no place for the token", "grpc_stream 'otel' 's' 'm' 0 0 131070", 6),
    ];
    check_statuses("tick", &rows, |vm| vm.tick().unwrap());
}

#[test]
fn a_stream_flooded_with_messages_is_bounded() {
    let lines = [
        OPEN,
        "(loop $l (br_if $l (i32.eqz (call $proxy_grpc_send (i32.const 6) (i32.const 0) (i32.const 65536) (i32.const 0)))))",
        "grpc_send 6 'm' 0",
    ];
    let wasm = Script::new().on("tick", &lines).wasm();
    // 64 MiB are copied, on machines that do more than this.
    let limits = Limits { call_deadline: Duration::from_secs(30), ..Limits::default() };
    let options = PluginOptions { clusters: vec!["otel".into()], ..PluginOptions::default() };
    let mut vm = Filter::compile(&wasm, limits).unwrap().start(options).unwrap();
    vm.tick().unwrap();
    assert_eq!(said(&mut vm).last().unwrap(), "10", "neither a large one fits nor a small one");
    assert!(vm.take_calls().len() < 1100);
}
