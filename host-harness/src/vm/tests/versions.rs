//! Guests of older ABIs, and what runs before the first callback.

use super::*;

/// Imports that ABI 0.1.0 has not.
const NEWER: &[&str] = &["proxy_get_log_level", "proxy_continue_stream", "proxy_close_stream"];
const LEGACY: &str = r#"
(import "env" "proxy_continue_request" (func $continue_request (result i32)))
(import "env" "proxy_continue_response" (func $continue_response (result i32)))
(import "env" "proxy_clear_route_cache" (func $clear_route_cache (result i32)))
(import "env" "proxy_get_configuration" (func $get_configuration (param i32 i32) (result i32)))
(import "env" "pthread_equal" (func $pthread_equal (param i32 i32) (result i32)))
(import "env" "emscripten_notify_memory_growth" (func $grown (param i32)))
"#;

fn legacy() -> Script {
    Script::new().version("0_1_0").without(NEWER).import(LEGACY)
}

#[test]
fn a_guest_of_0_1_0_has_its_own_imports_and_callbacks() {
    let head = |name: &str, action: u32, call: &str| {
        format!(
            r#"(func (export "proxy_on_{name}_headers") (param i32 i32) (result i32) {call} (i32.const {action}))"#
        )
    };
    let mut script = legacy()
        .on("vm_start", &["get_configuration 64 68", "show"])
        .on("configure", &["get_configuration 64 68", "show", "get_buffer_bytes 7 0 99 64 68"])
        .on(
            "tick",
            &["set_effective_context 2", "continue_request", "continue_response", "clear_route_cache"],
        );
    let read = script.line("get_header_map_value 0 'x-a' 64 68") + &script.line("show");
    let missing = script.line("get_header_map_value 0 'nope' 64 68")
        + &script.line("show")
        + &script.line("get_header_map_value 2 'x-a' 64 68");
    let script = script.with(&head("request", 1, &(read + &missing))).with(&head("response", 0, ""));
    let options = PluginOptions {
        configuration: b"plugin".to_vec(),
        vm_configuration: b"vm".to_vec(),
        ..PluginOptions::default()
    };
    let filter = script.filter();
    assert_eq!(filter.abi_version(), AbiVersion::V0_1_0);
    let mut vm = filter.start(options).unwrap();
    assert_eq!(said(&mut vm), ["0", "vm", "0", "plugin", "0"]);
    let stream = vm.open_stream().unwrap();
    assert_eq!(vm.request_headers(stream, headers(), false).unwrap(), Verdict::Pause);
    assert_eq!(
        said(&mut vm),
        ["0", "1", "0", "", "2"],
        "a missing header is empty, another map is not there"
    );
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["0"; 4]);
    let actions = [(stream, StreamAction::ContinueRequest), (stream, StreamAction::ContinueResponse)];
    assert_eq!(vm.take_stream_actions(), actions);
    assert_eq!(vm.response_headers(stream, headers(), true).unwrap(), Verdict::Continue);
}

#[test]
fn each_version_has_the_imports_of_its_own() {
    let table = [
        ("0_2_1", Script::new(), None),
        ("0_2_0", Script::new().without(&["proxy_get_log_level"]), None),
        ("0_2_0", Script::new(), Some("proxy_get_log_level")),
        ("0_1_0", Script::new().without(&["proxy_get_log_level"]), Some("proxy_continue_stream")),
        ("0_1_0", legacy(), None),
        ("0_2_0", Script::new().without(NEWER).import(LEGACY), Some("proxy_continue_request")),
    ];
    for (version, script, absent) in table {
        let compiled = Filter::compile(&script.version(version).wasm(), Limits::default());
        match (compiled, absent) {
            (Ok(_), None) => {}
            (Err(VmError::UnknownImport { name, .. }), Some(expected)) => assert_eq!(name, expected),
            (other, _) => panic!("{version}: {other:?}, expected to miss {absent:?}"),
        }
    }
}

#[test]
fn main_runs_behind_initialize_and_start_without_it() {
    let says = |name: &str, parameters: &str, text: u8, result: &str| {
        format!(
            r#"(func (export "{name}") {parameters} (i32.store8 (i32.const 900) (i32.const {text}))
            (drop (call $proxy_log (i32.const 2) (i32.const 900) (i32.const 1))) {result})"#
        )
    };
    let nothing = (String::new(), "");
    let returning = "(result i32)";
    let rows = [
        ("_initialize", says("main", "(param i32 i32) (result i32)", b'm', "(i32.const 1)"), vec!["i", "m"]),
        ("_initialize", says("main", returning, b'm', "(i32.const 0)"), vec!["i", "m"]),
        ("_initialize", says("__main_void", returning, b'v', "(i32.const 0)"), vec!["i", "v"]),
        ("_initialize", says("_start", "", b's', ""), vec!["i"]),
        ("_start", says("main", returning, b'm', "(i32.const 0)"), vec!["i"]),
        ("_start", nothing.0, vec!["i"]),
    ];
    for (first, second, expected) in rows {
        let mut vm = Script::new().with(&says(first, "", b'i', nothing.1)).with(&second).vm();
        assert_eq!(said(&mut vm), expected, "{second}");
    }
}
