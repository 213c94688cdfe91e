//! A guest that does what a script says: any hostcall with any arguments, from any callback.
//!
//! Its imports are all that the host offers, read from the host itself. It gets the script as its
//! configuration and reads on in it from callback to callback. A byte begins a step:
//!
//! | byte | step |
//! |---|---|
//! | 0 to 15 | ends the callback, which gives the byte's two lowest bits |
//! | 16 to 23 | a length, an address, then so many bytes, which are written there |
//! | 24 to 27 | grows the memory by so many pages less 24 |
//! | 28 | traps |
//! | 29 | a byte: what the allocator does from now on |
//! | 30 to 255 | calls a function of the host, whose arguments follow |
//!
//! An argument is a byte, and what it says: 0 and 1 are 0 and -1, 2 is followed by four bytes, 3 is the end of
//! memory less the next byte, 4 the next byte, 5 points to as many of the script's bytes as the next one says,
//! 6 is the number of these, 7 points into writable memory, 8 and 9 are what was last written there by the host;
//! others stand for themselves. After the script's end all bytes are 0.

use meshspan::vm::{AbiVersion, HostFunction, Number, host_functions};

/// A status that no host may give ends the guest in a function of this name.
pub const UNDEFINED: &str = "undefined_status";

/// The callbacks, their parameters, and whether they give a number.
const CALLBACKS: [(&str, usize, bool); 17] = [
    ("context_create", 2, false),
    ("vm_start", 2, true),
    ("request_headers", 3, true),
    ("request_body", 3, true),
    ("request_trailers", 2, true),
    ("response_headers", 3, true),
    ("response_body", 3, true),
    ("response_trailers", 2, true),
    ("tick", 1, false),
    ("http_call_response", 5, false),
    ("grpc_receive", 3, false),
    ("grpc_receive_initial_metadata", 3, false),
    ("grpc_receive_trailing_metadata", 3, false),
    ("grpc_close", 3, false),
    ("queue_ready", 2, false),
    ("foreign_function", 3, false),
    ("log", 1, false),
];

const RUNTIME: &str = r#"
(memory (export "memory") 8)
(global $at (mut i32) (i32.const 0)) (global $end (mut i32) (i32.const 0))
(global $length (mut i32) (i32.const 0)) (global $mode (mut i32) (i32.const 0))
(global $heap (mut i32) (i32.const 262144)) (global $nested (mut i32) (i32.const 0))
(func $memory_end (result i32) (i32.shl (memory.size) (i32.const 16)))
(func $byte (result i32) (local $value i32)
  (if (i32.ge_u (global.get $at) (global.get $end)) (then (return (i32.const 0))))
  (local.set $value (i32.load8_u (global.get $at)))
  (global.set $at (i32.add (global.get $at) (i32.const 1)))
  (local.get $value))
(func $word (result i32)
  (i32.or (call $byte) (i32.or (i32.shl (call $byte) (i32.const 8))
    (i32.or (i32.shl (call $byte) (i32.const 16)) (i32.shl (call $byte) (i32.const 24))))))
(func $text (result i32) (local $start i32)
  (global.set $length (call $byte))
  (local.set $start (global.get $at))
  (global.set $at (i32.add (global.get $at) (global.get $length)))
  (local.get $start))
(func $argument (result i32) (local $kind i32)
  (local.set $kind (call $byte))
  (block $own (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
    (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $own (local.get $kind)))
    (return (i32.const 0)))
    (return (i32.const -1)))
    (return (call $word)))
    (return (i32.sub (call $memory_end) (call $byte))))
    (return (call $byte)))
    (return (call $text)))
    (return (global.get $length)))
    (return (i32.add (i32.const 4096) (i32.shl (call $byte) (i32.const 2)))))
    (return (i32.load (i32.const 4096))))
    (return (i32.load (i32.const 4100))))
  (local.get $kind))
(func $undefined_status (unreachable))
(func $check (param $status i32)
  (if (i32.or (i32.gt_u (local.get $status) (i32.const 12))
              (i32.eqz (i32.and (i32.shl (i32.const 1) (local.get $status)) (i32.const 0x15df))))
    (then (call $undefined_status))))
(func $write (local $length i32) (local $to i32)
  (local.set $length (call $byte))
  (local.set $to (call $argument))
  (loop $next
    (if (local.get $length) (then
      (i32.store8 (local.get $to) (call $byte))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br $next)))))
(func $step (param $step i32)
  (if (i32.lt_u (local.get $step) (i32.const 24)) (then (call $write) (return)))
  (if (i32.lt_u (local.get $step) (i32.const 28)) (then
    (drop (memory.grow (i32.sub (local.get $step) (i32.const 24)))) (return)))
  (if (i32.eq (local.get $step) (i32.const 28)) (then (unreachable)))
  (if (i32.eq (local.get $step) (i32.const 29)) (then
    (global.set $mode (i32.rem_u (call $byte) (i32.const 6))) (return)))
  (call $host (i32.sub (local.get $step) (i32.const 30))))
(func $run (result i32) (local $step i32)
  (loop $next
    (local.set $step (call $byte))
    (if (i32.ge_u (local.get $step) (i32.const 16)) (then (call $step (local.get $step)) (br $next))))
  (i32.and (local.get $step) (i32.const 3)))
(func $allocate (param $size i32) (result i32) (local $at i32)
  (if (i32.gt_u (local.get $size) (i32.const 131072)) (then (return (i32.const 0))))
  (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 524288))
    (then (global.set $heap (i32.const 262144))))
  (local.set $at (global.get $heap))
  (global.set $heap (i32.add (global.get $heap) (local.get $size)))
  (local.get $at))
(func (export "malloc") (param $size i32) (result i32) (local $step i32)
  (block $sound (block $trap (block $nested (block $script (block $outside (block $null
    (br_table $sound $null $outside $script $nested $trap (global.get $mode)))
    (return (i32.const 0)))
    (return (i32.sub (call $memory_end) (i32.const 1))))
    (return (i32.const 4096)))
    (if (i32.eqz (global.get $nested)) (then
      (global.set $nested (i32.const 1))
      (local.set $step (call $byte))
      (if (i32.ge_u (local.get $step) (i32.const 16)) (then (call $step (local.get $step))))
      (global.set $nested (i32.const 0))))
    (return (call $allocate (local.get $size))))
    (unreachable))
  (call $allocate (local.get $size)))
(func (export "proxy_on_configure") (param i32 i32) (result i32)
  (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 65536) (i32.const 64) (i32.const 68)))
  (global.set $at (i32.load (i32.const 64)))
  (global.set $end (i32.add (i32.load (i32.const 64)) (i32.load (i32.const 68))))
  (drop (call $run))
  (i32.const 1))
(func (export "proxy_on_done") (param i32) (result i32) (i32.and (call $run) (i32.const 1)))
(func (export "proxy_on_delete") (param i32) (drop (call $run)))
"#;

/// The guest's bytes.
pub fn wasm() -> Vec<u8> {
    let functions = host_functions(AbiVersion::default()).expect("the host has functions");
    let imports: String = functions.iter().map(import).collect();
    let callbacks: String = CALLBACKS.iter().map(callback).collect();
    let marker = r#"(func (export "proxy_abi_version_0_2_1"))"#;
    let wat = format!("(module {imports} {RUNTIME} {} {callbacks} {marker})", dispatch(&functions));
    wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}"))
}

fn import(function: &HostFunction) -> String {
    let HostFunction { module, name, parameters, has_result } = function;
    let types: String =
        parameters.iter().map(|number| if *number == Number::I64 { "i64 " } else { "i32 " }).collect();
    let result = if *has_result { "(result i32)" } else { "" };
    let local = local_name(function);
    format!("(import \"{module}\" \"{name}\" (func ${local} (param {types}) {result}))\n")
}

/// WASI has the same names in two modules.
fn local_name(function: &HostFunction) -> String {
    let prefix = if function.module == "wasi_unstable" { "unstable_" } else { "" };
    format!("{prefix}{}", function.name)
}

/// Calls the function of that number, modulo how many there are.
fn dispatch(functions: &[HostFunction]) -> String {
    let calls = functions.iter().enumerate().map(|(index, function)| {
        let arguments: String = function
            .parameters
            .iter()
            .map(|number| match number {
                Number::I32 => "(call $argument) ",
                Number::I64 => "(i64.extend_i32_s (call $argument)) ",
            })
            .collect();
        let call = format!("(call ${} {arguments})", local_name(function));
        let call = match (function.has_result, function.module.as_str()) {
            (true, "env") => format!("(call $check {call})"),
            (true, _) => format!("(drop {call})"),
            (false, _) => call,
        };
        format!("(if (i32.eq (local.get $which) (i32.const {index})) (then {call} (return)))\n")
    });
    format!(
        "(func $host (param $which i32)
           (local.set $which (i32.rem_u (local.get $which) (i32.const {})))\n{})",
        functions.len(),
        calls.collect::<String>()
    )
}

fn callback((name, parameters, has_result): &(&str, usize, bool)) -> String {
    let parameters = "i32 ".repeat(*parameters);
    // A plugin that does not start has no traffic.
    let (result, body) = match (*name, has_result) {
        ("vm_start", _) => ("(result i32)", "(drop (call $run)) (i32.const 1)"),
        (_, true) => ("(result i32)", "(call $run)"),
        (_, false) => ("", "(drop (call $run))"),
    };
    format!("(func (export \"proxy_on_{name}\") (param {parameters}) {result} {body})\n")
}
