//! Every way to fail in every callback ends in a message that names the callback, and in the policy.

use super::*;

/// What a guest can do to itself, and what the message says of it.
const HURTS: [(&str, &str, &str); 8] = [
    ("a panic", "(unreachable)", "trapped in CALL: wasm trap: wasm `unreachable` instruction executed"),
    ("a loop", "(loop (br 0))", "ran for more than 30ms in CALL"),
    ("recursion", "(call $deeper)", "trapped in CALL: wasm trap: call stack exhausted"),
    (
        "reading outside memory",
        "(drop (i32.load (i32.const -4)))",
        "trapped in CALL: wasm trap: out of bounds",
    ),
    ("division by zero", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", "integer divide by zero"),
    ("a call of nothing", "(call_indirect $none (i32.const 0))", "uninitialized element"),
    (
        "a call of another type",
        "(call_indirect $none (param i32) (i32.const 0) (i32.const 1))",
        "indirect call type mismatch",
    ),
    (
        "a memory grab",
        "(if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then (unreachable)))",
        "failed in CALL because it wanted more than 4194304 bytes of memory",
    ),
];

const HELPERS: &str =
    "(table $none 2 funcref) (elem (table $none) (i32.const 1) func $deeper) (func $deeper (call $deeper))";

/// The callbacks of a plugin's start.
const OF_THE_START: [&str; 3] = ["context_create", "vm_start", "configure"];

/// The callbacks of traffic, and what leads to them.
const OF_TRAFFIC: [&str; 9] = [
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "log",
    "done",
    "delete",
];

fn filter(callback: &str, hurt: &str) -> Filter {
    let limits = Limits { memory_bytes: 4 * 1024 * 1024, call_deadline: Duration::from_millis(30) };
    Filter::compile(&Script::new().with(HELPERS).on(callback, &[hurt]).wasm(), limits).unwrap()
}

fn check_message(reason: &str, callback: &str, expected: &str, error: &VmError) {
    let expected = expected.replace("CALL", &format!("proxy_on_{callback}"));
    let message = error.to_string();
    assert!(message.contains(&expected), "{reason} in {callback}: {message}");
    assert!(message.contains(&format!("in proxy_on_{callback}")), "{reason} in {callback}: {message}");
}

/// A whole exchange; every step that is refused or bypassed is counted by the plugin.
fn exchange(plugin: &mut Plugin) {
    let now = Timestamp::default();
    let Some((generation, id)) = plugin.open(now).filtered() else { return };
    let trailers = || HeaderMap::from_pairs([("t", "1")]);
    let response = || HeaderMap::from_pairs([(":status", "200")]);
    plugin.on(generation, now, |vm| vm.request_headers(id, headers(), false)).unwrap();
    plugin.on(generation, now, |vm| vm.request_body(id, b"x".to_vec(), false)).unwrap();
    plugin.on(generation, now, |vm| vm.request_trailers(id, trailers())).unwrap();
    plugin.on(generation, now, |vm| vm.response_headers(id, response(), false)).unwrap();
    plugin.on(generation, now, |vm| vm.response_body(id, b"x".to_vec(), false)).unwrap();
    plugin.on(generation, now, |vm| vm.response_trailers(id, trailers())).unwrap();
    plugin.on(generation, now, |vm| vm.close_stream(id)).unwrap();
}

#[test]
fn a_hurt_at_the_start_is_an_error_of_the_start() {
    for (reason, hurt, expected) in HURTS {
        for callback in OF_THE_START {
            let started = filter(callback, hurt).start(PluginOptions::default());
            check_message(reason, callback, expected, &started.unwrap_err());
        }
    }
}

#[test]
fn a_hurt_in_traffic_costs_the_vm_and_the_policy_decides() {
    for (reason, hurt, expected) in HURTS {
        for callback in OF_TRAFFIC {
            let filter = filter(callback, hurt);
            for policy in [FailurePolicy::FailOpen, FailurePolicy::FailClosed, FailurePolicy::RELOAD] {
                let mut plugin = Plugin::start(&filter, PluginOptions::default(), policy).unwrap();
                exchange(&mut plugin);
                exchange(&mut plugin);
                let stats = plugin.stats();
                assert_eq!(stats.lost, 1, "{reason} in {callback}");
                let (kept, broken) = match policy {
                    FailurePolicy::FailOpen => (stats.bypassed, stats.refused),
                    FailurePolicy::FailClosed | FailurePolicy::FailReload { .. } => {
                        (stats.refused, stats.bypassed)
                    }
                };
                assert!(kept >= 2 && broken == 0, "{reason} in {callback} under {policy:?}: {stats:?}");
                check_message(reason, callback, expected, plugin.failure().unwrap());
            }
        }
    }
}

#[test]
fn a_hurt_beside_traffic_costs_the_vm() {
    type Drive = fn(&mut Vm) -> Result<(), VmError>;
    let callouts = "http_call 'otel' 'HEADERS' 0 0 0 0 0 72";
    let answer = |vm: &mut Vm, reply: CallReply| {
        let stream = vm.open_stream()?;
        vm.request_headers(stream, headers(), true)?;
        let token = vm.take_calls().first().map(|call| call.token).unwrap();
        vm.answer(token, reply)
    };
    let rows: [(&str, Drive); 4] = [
        ("tick", Vm::tick),
        ("http_call_response", |_| Ok(())),
        ("grpc_receive", |_| Ok(())),
        ("grpc_close", |_| Ok(())),
    ];
    for (reason, hurt, expected) in HURTS {
        for (callback, drive) in rows {
            let (call, reply) = match callback {
                "http_call_response" => (http_line(callouts), Some(CallReply::HttpFailure)),
                "grpc_receive" => (GRPC.to_owned(), Some(CallReply::Grpc { message: Vec::new() })),
                "grpc_close" => {
                    (GRPC.to_owned(), Some(CallReply::GrpcFailure { status: 14, message: String::new() }))
                }
                _ => (String::new(), None),
            };
            let calls: Vec<&str> = reply.iter().map(|_| call.as_str()).collect();
            let script = Script::new().with(HELPERS).on("request_headers", &calls).on(callback, &[hurt]);
            let limits = Limits { memory_bytes: 4 * 1024 * 1024, call_deadline: Duration::from_millis(30) };
            let filter = Filter::compile(&script.wasm(), limits).unwrap();
            let options = PluginOptions { clusters: vec!["otel".into()], ..PluginOptions::default() };
            let mut vm = filter.start(options).unwrap();
            let ended = drive(&mut vm).and_then(|()| reply.map_or(Ok(()), |reply| answer(&mut vm, reply)));
            check_message(reason, callback, expected, &ended.unwrap_err());
            assert!(vm.is_poisoned());
        }
    }
}

const GRPC: &str = "grpc_call 'otel' 'svc' 'method' 0 0 'message' 0 72";

fn http_line(line: &str) -> String {
    let headers = [(":method", "POST"), (":path", "/"), (":authority", "otel")];
    let mut bytes = Vec::new();
    crate::host::encode_pairs(&HeaderMap::from_pairs(headers), &mut bytes);
    line.replace("HEADERS", &bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>())
}
