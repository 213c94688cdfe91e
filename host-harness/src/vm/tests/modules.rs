//! What is no filter says why when it is loaded or started, and a guest's size is bounded.

use super::*;

const MARKER: &str = r#"(func (export "proxy_abi_version_0_2_1")) (memory (export "memory") 1)"#;

/// What compiling and starting the module gives.
fn outcome(wat: &str) -> String {
    let limits = Limits { memory_bytes: 4 * 1024 * 1024, call_deadline: Duration::from_millis(50) };
    let wasm = wat::parse_str(wat).unwrap();
    match Filter::compile(&wasm, limits).and_then(|filter| filter.start(PluginOptions::default())) {
        Ok(_) => "started".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_module_that_is_no_filter_says_why() {
    let rows = [
        ("a component", "(component)".to_owned(), "not a valid WebAssembly module: it is a component, expected a core module: build for wasm32-wasip1"),
        ("an allocator of another type", format!(r#"(module {MARKER} (func (export "malloc") (param i64) (result i32) (i32.const 0)))"#), "the filter's export malloc has the wrong type: it takes (i64) and gives (i32), expected one that takes (i32) and gives (i32)"),
        ("a callback of another type", format!(r#"(module {MARKER} (func (export "proxy_on_vm_start") (param i32) (result i32) (i32.const 1)))"#), "the filter's export proxy_on_vm_start has the wrong type: it takes (i32) and gives (i32), expected one that takes (i32, i32) and gives (i32)"),
        ("an initializer of another type", format!(r#"(module {MARKER} (func (export "_initialize") (param i32)))"#), "the filter's export _initialize has the wrong type: it takes (i32) and gives (), expected one that takes () and gives ()"),
        ("a memory that is none", r#"(module (func (export "proxy_abi_version_0_2_1")) (global (export "memory") i32 (i32.const 0)))"#.to_owned(), "the filter does not export its memory"),
        ("a callback that is no function", format!(r#"(module {MARKER} (global (export "proxy_on_tick") i32 (i32.const 0)))"#), "started"),
        ("an import of no function", format!(r#"(module (import "env" "proxy_log" (global i32)) {MARKER})"#), "the filter cannot be linked: "),
        ("an import with another result", format!(r#"(module (import "env" "proxy_log" (func (param i32 i32 i32))) {MARKER})"#), "is what the filter imports"),
        ("an import of nobody's", format!(r#"(module (import "wasi_snapshot_preview1" "sock_open" (func)) {MARKER})"#), "the filter imports wasi_snapshot_preview1.sock_open, which this host does not offer"),
        ("an unknown version", r#"(module (func (export "proxy_abi_version_9_9_9")) (memory (export "memory") 1))"#.to_owned(), "the filter exports proxy_abi_version_9_9_9, expected "),
        ("a start function that never ends", format!("(module {MARKER} (func $s (loop (br 0))) (start $s))"), "the filter ran for more than 50ms in instantiation"),
        ("a start function that traps", format!("(module {MARKER} (func $s unreachable) (start $s))"), "the filter trapped in instantiation: wasm trap: wasm `unreachable`"),
        ("a start function that calls the host", format!(r#"(module (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32))) {MARKER} (func $s (drop (call $log (i32.const 2) (i32.const 0) (i32.const 4)))) (start $s))"#), "started"),
        ("data outside memory", format!(r#"(module {MARKER} (data (i32.const 65535) "xx"))"#), "the filter trapped in instantiation: wasm trap: out of bounds memory access"),
        ("elements outside the table", format!("(module {MARKER} (table 1 funcref) (func $f) (elem (i32.const 1) func $f))"), "the filter trapped in instantiation: wasm trap: undefined element: out of bounds table access"),
        ("two memories, together too large", format!("(module {MARKER} (memory 64))"), "failed in instantiation because it wanted more than 4194304 bytes of memory"),
        ("a huge table", format!("(module {MARKER} (table 1000001 funcref))"), "failed in instantiation because it wanted more than 1000000 table elements"),
        ("several tables, together too large", format!("(module {MARKER} (table 600000 funcref) (table 600000 funcref))"), "wanted more than 1000000 table elements"),
        ("many small tables and memories", format!("(module {MARKER} {} {})", "(table 1 funcref)".repeat(20), "(memory 1)".repeat(20)), "started"),
    ];
    for (reason, wat, expected) in rows {
        let found = outcome(&wat);
        assert!(found.contains(expected), "{reason}: {found}");
    }
}

#[test]
fn bytes_that_are_no_module_say_what_they_are() {
    let rows: [(&[u8], &str); 6] = [
        (b"", "it is empty"),
        (b"\x1f\x8b\x08\0", "it is compressed by gzip"),
        (b"(module)", "it is WebAssembly text"),
        (b"<html>\xff\n...", r#"it begins with "<html>\xff\n", and a module with "\0asm""#),
        (b"\x7fELF\x02", "it is a program or library for this machine (ELF): build for wasm32-wasip1"),
        (b"\0asm\x01\0\0\0\xff", "failed to parse WebAssembly module"),
    ];
    for (bytes, expected) in rows {
        let error = Filter::compile(bytes, Limits::default()).unwrap_err().to_string();
        let expected = format!("the filter is not a valid WebAssembly module: {expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_module_of_a_large_size_is_loaded() {
    let data = "\\00".repeat(60_000);
    let segments: String = (0..40).map(|_| format!("(data \"{data}\")")).collect();
    let functions = "(func)".repeat(5_000);
    assert_eq!(outcome(&format!("(module {MARKER} {segments} {functions})")), "started");
}

#[test]
fn a_growing_table_is_refused() {
    let grow = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 2000000)) (i32.const -1)) (then (unreachable)))";
    let mut vm = Script::new().with("(table $t 1 funcref)").on("tick", &[grow]).vm();
    let error = vm.tick().unwrap_err().to_string();
    assert_eq!(
        error,
        "the filter failed in proxy_on_tick because it wanted more than 1000000 table elements"
    );
}

/// Objects of the garbage collector are memory like any other.
#[test]
fn a_growing_heap_is_refused() {
    let list = "(type $node (struct (field (ref null $node)) (field i64)))
        (global $list (mut (ref null $node)) (ref.null $node))
        (func $grow (loop (global.set $list (struct.new $node (global.get $list) (i64.const 0))) (br 0)))";
    let script = Script::new().with(list).on("tick", &["(call $grow)"]);
    let limits = Limits { memory_bytes: 4 * 1024 * 1024, call_deadline: Duration::from_secs(5) };
    let filter = Filter::compile(&script.wasm(), limits).unwrap();
    let error = filter.start(PluginOptions::default()).unwrap().tick().unwrap_err();
    assert!(matches!(error, VmError::MemoryLimit { limit: 4_194_304, .. }), "{error}");
}
