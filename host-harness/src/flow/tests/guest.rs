//! Guests written as WebAssembly text, with functions of their own for what they do often.

use std::time::Duration;

use crate::vm::{Filter, Limits};

/// In a callback `(local.get 0)` is the stream, `(local.get 1)` the size and `(local.get 2)` the end.
///
/// - `$say_body KIND`: logs `n end bytes` of the body's buffer (0 request, 1 response);
/// - `$set KIND START LENGTH`: writes `XY` there;
/// - `$reply STATUS`: answers with the body `no` and the details `why`;
/// - `$continue SIDE`, `$close SIDE`: of the stream that was first opened, whichever context runs.
const LIBRARY: &str = r#"
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $put (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $go (param i32) (result i32)))
(import "env" "proxy_close_stream" (func $end (param i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $as (param i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
(memory (export "memory") 64)
(data (i32.const 1024) "XYnowhy")
(global $heap (mut i32) (i32.const 65536))
(func (export "malloc") (param i32) (result i32)
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get 0))))
(func (export "proxy_abi_version_0_2_1"))
(func $say_body (param $kind i32) (param $size i32) (param $end i32)
  (i32.store8 (i32.const 2048) (i32.add (local.get $size) (i32.const 48)))
  (i32.store8 (i32.const 2049) (select (i32.const 46) (i32.const 32) (local.get $end)))
  (i32.store (i32.const 68) (i32.const 0))
  (drop (call $get (local.get $kind) (i32.const 0) (i32.const 999) (i32.const 64) (i32.const 68)))
  (memory.copy (i32.const 2050) (i32.load (i32.const 64)) (i32.load (i32.const 68)))
  (drop (call $log (i32.const 2) (i32.const 2048) (i32.add (i32.const 2) (i32.load (i32.const 68))))))
(func $set (param $kind i32) (param $start i32) (param $length i32)
  (drop (call $put (local.get $kind) (local.get $start) (local.get $length) (i32.const 1024) (i32.const 2))))
(func $reply (param $status i32)
  (drop (call $answer (local.get $status) (i32.const 1028) (i32.const 3) (i32.const 1026) (i32.const 2)
    (i32.const 0) (i32.const 0) (i32.const -1))))
(func $continue (param $side i32)
  (drop (call $as (i32.const 2))) (drop (call $go (local.get $side))))
(func $close (param $side i32)
  (drop (call $as (i32.const 2))) (drop (call $end (local.get $side))))
"#;

/// A guest with these callbacks.
pub(super) fn filter(callbacks: &[(&str, &str)]) -> Filter {
    let functions: String = callbacks.iter().map(|(name, body)| function(name, body)).collect();
    let text = format!("(module {LIBRARY} {functions})");
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let limits = Limits { call_deadline: Duration::from_millis(500), ..Limits::default() };
    Filter::compile(&wasm, limits).unwrap()
}

fn function(name: &str, body: &str) -> String {
    let (parameters, result) = match name {
        "tick" => ("i32", ""),
        "request_trailers" | "response_trailers" => ("i32 i32", "(result i32)"),
        _ => ("i32 i32 i32", "(result i32)"),
    };
    format!(r#"(func (export "proxy_on_{name}") (param {parameters}) {result} {body})"#)
}
