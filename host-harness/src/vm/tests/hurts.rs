//! Guests that try to hurt the host: each costs its own VM and ends in a clear message.

use super::*;

fn fails_in_tick(script: &Script) -> (VmError, Vm) {
    let mut vm = script.vm();
    let error = vm.tick().unwrap_err();
    (error, vm)
}

#[test]
fn a_trap_poisons_the_vm_and_no_other() {
    let script = Script::new().on("tick", &["say 'before'", "(unreachable)"]);
    let filter = script.filter();
    let mut other = filter.start(PluginOptions::default()).unwrap();
    let mut vm = filter.start(PluginOptions::default()).unwrap();
    let stream = vm.open_stream().unwrap();
    let error = vm.tick().unwrap_err();
    assert!(error.to_string().starts_with("the filter trapped in proxy_on_tick: "), "{error}");
    assert!(matches!(vm.tick(), Err(VmError::Poisoned)));
    assert!(matches!(vm.open_stream(), Err(VmError::Poisoned)));
    assert!(matches!(vm.request_headers(stream, headers(), true), Err(VmError::Poisoned)));
    assert!(matches!(vm.close_stream(stream), Err(VmError::Poisoned)));
    assert!(matches!(vm.answer(4, CallReply::HttpFailure), Err(VmError::Poisoned)));
    assert!(matches!(vm.finish(), Err(VmError::Poisoned)));
    assert_eq!(said(&mut vm), ["before"], "its log can still be had");
    other.open_stream().unwrap();
}

#[test]
fn a_trap_at_the_start_tells_what_was_logged() {
    let script = Script::new().on("vm_start", &["say 'about to fail'", "(unreachable)"]);
    match script.filter().start(PluginOptions::default()) {
        Err(VmError::Trap { call: "proxy_on_vm_start", logs, .. }) => {
            assert_eq!(logs[0].message, "about to fail");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let (error, mut vm) = fails_in_tick(&Script::new().on("tick", &["(loop (br 0))"]));
    assert!(matches!(error, VmError::Deadline { call: "proxy_on_tick", .. }), "{error}");
    assert!(matches!(vm.tick(), Err(VmError::Poisoned)));
    let script = Script::new().with(r#"(func (export "_initialize") (loop (br 0)))"#);
    let started = script.filter().start(PluginOptions::default());
    assert!(matches!(started, Err(VmError::Deadline { call: "_initialize", .. })), "{started:?}");
}

#[test]
fn endless_recursion_is_a_trap() {
    let script = Script::new().with("(func $deeper (call $deeper))").on("tick", &["(call $deeper)"]);
    let (error, _) = fails_in_tick(&script);
    assert!(error.to_string().contains("call stack exhausted"), "{error}");
}

#[test]
fn a_panic_names_the_guests_own_functions() {
    let functions = "(func $_RNvNtC3std7process5abort (unreachable))
        (func $_RNvNtC4core9panicking9panic_fmt (call $_RNvNtC3std7process5abort))
        (func $_RNvC6filter6decide (call $_RNvNtC4core9panicking9panic_fmt))
        (func $plain (call $_RNvC6filter6decide))";
    let (error, _) = fails_in_tick(&Script::new().with(functions).on("tick", &["(call $plain)"]));
    assert!(error.to_string().contains("executed (in filter::decide < plain"), "{error}");
    let (error, _) =
        fails_in_tick(&Script::new().with(functions).on("tick", &["(call $_RNvNtC3std7process5abort)"]));
    assert!(error.to_string().contains("(in std::process::abort"), "rather these than none: {error}");
}

#[test]
fn a_memory_grab_is_refused() {
    let grab = "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then (unreachable)))";
    let (error, vm) = fails_in_tick(&Script::new().on("tick", &[grab]));
    assert!(matches!(error, VmError::MemoryLimit { limit: 4_194_304, .. }), "{error}");
    assert_eq!(vm.memory_bytes(), 2 * 65_536);
    let mut modest = Script::new().on("tick", &["(drop (memory.grow (i32.const 1000)))"]).vm();
    modest.tick().unwrap();
    modest.tick().unwrap();
    let large = Limits { memory_bytes: 65_536, ..Limits::default() };
    let started = Filter::compile(&Script::new().wasm(), large).unwrap().start(PluginOptions::default());
    assert!(matches!(started, Err(VmError::MemoryLimit { call: "instantiation", .. })), "{started:?}");
}

#[test]
fn a_bad_allocator_costs_a_status_or_the_vm() {
    let read = ["get_header_map_value 0 'x-a' 64 68"];
    let table = [
        ("null", r#"(func (export "malloc") (param i32) (result i32) (i32.const 0))"#, "6"),
        ("outside memory", r#"(func (export "malloc") (param i32) (result i32) (i32.const -1))"#, "6"),
        ("none at all", "", "6"),
        (
            "the specification's name",
            r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 9000))"#,
            "0",
        ),
    ];
    for (reason, allocator, status) in table {
        let mut vm = Script::new().allocator(allocator).on("request_headers", &read).vm();
        let stream = vm.open_stream().unwrap();
        vm.request_headers(stream, headers(), true).unwrap();
        assert_eq!(said(&mut vm), [status], "{reason}");
    }
    let trap = r#"(func (export "malloc") (param i32) (result i32) (unreachable))"#;
    let mut vm = Script::new().allocator(trap).on("request_headers", &read).vm();
    let stream = vm.open_stream().unwrap();
    let ended = vm.request_headers(stream, headers(), true);
    assert!(matches!(ended, Err(VmError::Trap { .. })), "{ended:?}");
}

#[test]
fn an_allocator_cannot_reenter_the_host() {
    let reenter = r#"(func (export "malloc") (param i32) (result i32)
        (call $status (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 64) (i32.const 68)))
        (i32.const 9000))"#;
    let mut vm =
        Script::new().allocator(reenter).on("request_headers", &["get_header_map_value 0 'x-a' 64 68"]).vm();
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), true).unwrap();
    let said: Vec<String> = said(&mut vm).into_iter().filter(|line| !line.starts_with("host: ")).collect();
    assert_eq!(said, ["10", "0"]);
}

#[test]
fn only_logs_and_wasi_are_served_during_initialization() {
    let initialize = r#"(func (export "_initialize")
        (call $status (call $proxy_set_tick_period_milliseconds (i32.const 5))))"#;
    let mut vm = Script::new().with(initialize).vm();
    assert_eq!(vm.tick_period(), None);
    assert!(said(&mut vm).contains(&"10".to_owned()));
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let compile = |wat: &str| Filter::compile(&wat::parse_str(wat).unwrap(), Limits::default());
    let marker = r#"(func (export "proxy_abi_version_0_2_1"))"#;
    let table = [
        (
            format!(r#"(module (import "env" "proxy_fly" (func)) {marker})"#),
            "the filter imports env.proxy_fly,",
        ),
        (
            format!(r#"(module (import "env" "memory" (memory 1)) {marker})"#),
            "the filter imports env.memory,",
        ),
        (
            format!(r#"(module (import "env" "proxy_log" (func (param i64))) {marker})"#),
            "the filter cannot be linked: ",
        ),
        ("(module)".to_owned(), "the filter exports no proxy_abi_version_*, expected "),
        (
            r#"(module (func (export "proxy_abi_version_0_3_0")))"#.to_owned(),
            "the filter exports proxy_abi_version_0_3_0, expected ",
        ),
    ];
    for (wat, expected) in table {
        let error = compile(&wat).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let waiting = format!("(module {marker} (memory (export \"memory\") 1 1 shared))");
    let error = compile(&waiting).unwrap_err();
    assert!(matches!(error, VmError::NotWasm(_)), "a guest could wait on it for ever: {error}");
    for junk in [&b""[..], b"not wasm", b"\0asm\x01\0\0\0\xff"] {
        let error = Filter::compile(junk, Limits::default()).unwrap_err();
        assert!(matches!(error, VmError::NotWasm(_)), "{error}");
    }
    let started = compile(&format!("(module {marker})")).unwrap().start(PluginOptions::default());
    assert!(matches!(started, Err(VmError::MissingExport("memory"))), "{started:?}");
    let odd = format!(r#"(module {marker} (memory (export "memory") 1) (func (export "proxy_on_tick")))"#);
    let started = compile(&odd).unwrap().start(PluginOptions::default());
    assert!(matches!(started, Err(VmError::ExportType { name: "proxy_on_tick", .. })), "{started:?}");
}
