//! Guests written as WebAssembly text, where `"text"` is a pointer and a length.

use super::super::{TestHost, TestHostBuilder};

const LIBRARY: &str = r#"
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $put (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $go (param i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $as (param i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_property" (func $read (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
(import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
(import "env" "proxy_set_tick_period_milliseconds" (func $every (param i32) (result i32)))
(memory (export "memory") 4)
(global $heap (mut i32) (i32.const 65536))
(func (export "malloc") (param i32) (result i32)
  (if (i32.gt_u (global.get $heap) (i32.const 200000)) (then (global.set $heap (i32.const 65536))))
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get 0))))
(func (export "proxy_abi_version_0_2_1"))
(data (i32.const 1024) "XYseen")
(data (i32.const 2048) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\06\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/check\00:authority\00a\00")
(data (i32.const 2200) "auth")
(func $say (param i32 i32) (drop (call $log (i32.const 2) (local.get 0) (local.get 1))))
(func $given (call $say (i32.load (i32.const 64)) (i32.load (i32.const 68))))
(func $show
  (drop (call $get (i32.const 4) (i32.const 0) (i32.const 999) (i32.const 64) (i32.const 68))) (call $given))
(func $property (param i32 i32)
  (drop (call $read (local.get 0) (local.get 1) (i32.const 64) (i32.const 68))) (call $given))
(func $add (param i32 i32 i32 i32 i32)
  (drop (call $header (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4))))
(func $set (param i32)
  (drop (call $put (local.get 0) (i32.const 0) (i32.const -1) (i32.const 1024) (i32.const 2))))
(func $reply (param i32)
  (drop (call $answer (local.get 0) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 2)
    (i32.const 0) (i32.const 0) (i32.const -1))))
(func $continue (param i32) (drop (call $as (i32.const 2))) (drop (call $go (local.get 0))))
(func $count
  (drop (call $define (i32.const 0) (i32.const 1026) (i32.const 4) (i32.const 64)))
  (drop (call $increment (i32.load (i32.const 64)) (i64.const 1))))
(func $http
  (drop (call $call (i32.const 2200) (i32.const 4) (i32.const 2048) (i32.const 66) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 500) (i32.const 64))))
"#;

/// A host for a guest with these callbacks, named without `proxy_on_`.
pub(super) fn host(callbacks: &[(&str, &str)]) -> TestHostBuilder {
    let mut data = String::new();
    let mut used = 4096;
    let mut functions = String::new();
    for (name, body) in callbacks {
        let (parameters, result) = match *name {
            "tick" | "log" => ("i32", ""),
            "vm_start" => ("i32 i32", "(result i32)"),
            "http_call_response" => ("i32 i32 i32 i32 i32", ""),
            "request_trailers" | "response_trailers" => ("i32 i32", "(result i32)"),
            _ => ("i32 i32 i32", "(result i32)"),
        };
        let mut code = String::new();
        for (index, part) in body.split('"').enumerate() {
            if index % 2 == 0 {
                code.push_str(part);
            } else {
                data.push_str(&format!("(data (i32.const {used}) \"{part}\")"));
                code.push_str(&format!("(i32.const {used}) (i32.const {})", part.len()));
                used += part.len();
            }
        }
        functions
            .push_str(&format!("(func (export \"proxy_on_{name}\") (param {parameters}) {result} {code})\n"));
    }
    let text = format!("(module {LIBRARY} {data} {functions})");
    TestHost::new(wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}")))
}
