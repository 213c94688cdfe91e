//! Small guests written as scripts of hostcalls, run through the public interface.

mod cache;
mod callbacks;
mod calls;
mod floods;
mod foreign;
mod grpc_streams;
mod hurts;
mod lifecycle;
mod modules;
mod nginx;
mod plugin;
mod plugins;
mod roots;
mod shared;
mod statuses;
mod transcript;
mod versions;
mod wasi;
mod workers;

use super::*;

/// Module, name and number of 32-bit parameters of the imports, which give a status.
const IMPORTS: [(&str, &str, usize); 39] = [
    ("env", "proxy_log", 3),
    ("env", "proxy_get_log_level", 1),
    ("env", "proxy_get_current_time_nanoseconds", 1),
    ("env", "proxy_set_tick_period_milliseconds", 1),
    ("env", "proxy_get_buffer_bytes", 5),
    ("env", "proxy_get_buffer_status", 3),
    ("env", "proxy_set_buffer_bytes", 5),
    ("env", "proxy_get_header_map_size", 2),
    ("env", "proxy_get_header_map_pairs", 3),
    ("env", "proxy_set_header_map_pairs", 3),
    ("env", "proxy_get_header_map_value", 5),
    ("env", "proxy_add_header_map_value", 5),
    ("env", "proxy_replace_header_map_value", 5),
    ("env", "proxy_remove_header_map_value", 3),
    ("env", "proxy_continue_stream", 1),
    ("env", "proxy_close_stream", 1),
    ("env", "proxy_get_status", 3),
    ("env", "proxy_send_local_response", 8),
    ("env", "proxy_http_call", 10),
    ("env", "proxy_grpc_call", 12),
    ("env", "proxy_grpc_stream", 9),
    ("env", "proxy_grpc_send", 4),
    ("env", "proxy_grpc_cancel", 1),
    ("env", "proxy_grpc_close", 1),
    ("env", "proxy_set_shared_data", 5),
    ("env", "proxy_get_shared_data", 5),
    ("env", "proxy_register_shared_queue", 3),
    ("env", "proxy_resolve_shared_queue", 5),
    ("env", "proxy_enqueue_shared_queue", 3),
    ("env", "proxy_dequeue_shared_queue", 3),
    ("env", "proxy_define_metric", 4),
    ("env", "proxy_get_metric", 2),
    ("env", "proxy_get_property", 4),
    ("env", "proxy_set_property", 4),
    ("env", "proxy_call_foreign_function", 6),
    ("env", "proxy_set_effective_context", 1),
    ("env", "proxy_done", 0),
    ("wasi_snapshot_preview1", "random_get", 2),
    ("wasi_unstable", "fd_write", 4),
];

/// Imports of other types.
const WIDE_IMPORTS: &str = r#"
(import "env" "proxy_record_metric" (func $proxy_record_metric (param i32 i64) (result i32)))
(import "env" "proxy_increment_metric" (func $proxy_increment_metric (param i32 i64) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
"#;

const ALLOCATOR: &str = r#"
(global $heap (mut i32) (i32.const 65536))
(func (export "malloc") (param i32) (result i32)
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get 0))))
"#;

/// A guest in the making. A line of a callback is one of:
///
/// - `hostcall argument…`: logs the status; an argument is a number, `L` and a 64-bit number, or `'text'`
///   (pointer and length, `\00` escapes allowed);
/// - `show`: logs the bytes that the last hostcall gave out, by the pointer at 64 and the length at 68;
/// - `say 'text'`: logs it;
/// - `return N`: ends the callback;
/// - anything in parentheses: WebAssembly text.
#[derive(Clone, Default)]
struct Script {
    data: String,
    used: usize,
    imports: String,
    functions: String,
    allocator: Option<&'static str>,
    marker: Option<&'static str>,
    absent: &'static [&'static str],
    pages: usize,
}

impl Script {
    fn new() -> Self {
        Self::default()
    }

    /// Another allocator than the one that works.
    fn allocator(mut self, wat: &'static str) -> Self {
        self.allocator = Some(wat);
        self
    }

    /// So many pages of memory, at least two.
    fn pages(mut self, pages: usize) -> Self {
        self.pages = pages;
        self
    }

    /// Another ABI than 0.2.1, as its marker has it.
    fn version(mut self, version: &'static str) -> Self {
        self.marker = Some(version);
        self
    }

    /// Leaves imports out.
    fn without(mut self, imports: &'static [&'static str]) -> Self {
        self.absent = imports;
        self
    }

    /// Further imports.
    fn import(mut self, wat: &str) -> Self {
        self.imports.push_str(wat);
        self
    }

    /// Any other WebAssembly text.
    fn with(mut self, wat: &str) -> Self {
        self.functions.push_str(wat);
        self
    }

    /// Adds a callback by its name without `proxy_on_`.
    fn on(mut self, callback: &str, lines: &[&str]) -> Self {
        let (parameters, result) = match callback {
            "vm_start" | "configure" => (2, Some(1)),
            "done" => (1, Some(1)),
            "context_create" => (2, None),
            "tick" | "log" | "delete" => (1, None),
            "request_trailers" | "response_trailers" => (2, Some(0)),
            "queue_ready" => (2, None),
            "foreign_function" => (3, None),
            "http_call_response" => (5, None),
            "grpc_receive_initial_metadata" | "grpc_receive_trailing_metadata" => (3, None),
            "grpc_receive" | "grpc_close" => (3, None),
            _ => (3, Some(0)),
        };
        let body: String = lines.iter().map(|line| self.line(line)).collect();
        let result_type = if result.is_some() { "(result i32)" } else { "" };
        let last = result.map_or(String::new(), |value| format!("(i32.const {value})"));
        self.functions.push_str(&format!(
            "(func (export \"proxy_on_{callback}\") (param {}) {result_type} {body} {last})\n",
            "i32 ".repeat(parameters)
        ));
        self
    }

    fn line(&mut self, line: &str) -> String {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            _ if line.starts_with('(') => line.to_owned(),
            "show" => {
                "(drop (call $proxy_log (i32.const 2) (i32.load (i32.const 64)) (i32.load (i32.const 68))))"
                    .into()
            }
            "say" => format!("(drop (call $proxy_log (i32.const 2) {}))", self.arguments(rest)),
            "return" => format!("(return (i32.const {rest}))"),
            _ => {
                let prefixed = format!("proxy_{word}");
                let known = IMPORTS.iter().any(|(_, name, _)| *name == prefixed) || word.ends_with("_metric");
                let name = if known { &prefixed } else { word };
                format!("(call $status (call ${name} {}))", self.arguments(rest))
            }
        }
    }

    fn arguments(&mut self, mut text: &str) -> String {
        let mut out = String::new();
        while !text.trim().is_empty() {
            text = text.trim_start();
            if let Some(quoted) = text.strip_prefix('\'') {
                let (string, rest) = quoted.split_once('\'').unwrap();
                let length = string.len() - 2 * string.matches('\\').count();
                out.push_str(&format!("(i32.const {}) (i32.const {length}) ", 1024 + self.used));
                self.data.push_str(string);
                self.used += length;
                text = rest;
            } else {
                let (number, rest) = text.split_once(' ').unwrap_or((text, ""));
                match number.strip_prefix('L') {
                    Some(wide) => out.push_str(&format!("(i64.const {wide}) ")),
                    None => out.push_str(&format!("(i32.const {number}) ")),
                }
                text = rest;
            }
        }
        out
    }

    fn wasm(&self) -> Vec<u8> {
        let imports: String = IMPORTS
            .iter()
            .filter(|(_, name, _)| !self.absent.contains(name))
            .map(|(module, name, count)| {
                let parameters = "i32 ".repeat(*count);
                format!("(import \"{module}\" \"{name}\" (func ${name} (param {parameters}) (result i32)))\n")
            })
            .collect();
        let wat = format!(
            r#"(module {imports} {WIDE_IMPORTS} {}
            (memory (export "memory") {}) (data (i32.const 1024) "{}")
            (func (export "proxy_abi_version_{}"))
            (func $status (param i32)
              (i32.store8 (i32.const 80) (i32.const 61))
              (i32.store8 (i32.const 81) (i32.add (local.get 0) (i32.const 65)))
              (drop (call $proxy_log (i32.const 2) (i32.const 80) (i32.const 2))))
            {} {})"#,
            self.imports,
            self.pages.max(2),
            self.data,
            self.marker.unwrap_or("0_2_1"),
            self.allocator.unwrap_or(ALLOCATOR),
            self.functions
        );
        wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
    }

    fn filter(&self) -> Filter {
        let limits = Limits { memory_bytes: 4 * 1024 * 1024, call_deadline: Duration::from_millis(200) };
        Filter::compile(&self.wasm(), limits).unwrap()
    }

    fn start(&self, options: PluginOptions) -> Vm {
        self.filter().start(options).unwrap()
    }

    fn vm(&self) -> Vm {
        self.start(PluginOptions { clusters: vec!["otel".into()], ..PluginOptions::default() })
    }
}

/// What was logged; statuses as their numbers.
fn said(vm: &mut Vm) -> Vec<String> {
    let shown = |line: LogLine| match line.message.as_bytes() {
        [b'=', status] => (status - b'A').to_string(),
        _ => line.message,
    };
    vm.take_logs().into_iter().map(shown).collect()
}

fn headers() -> HeaderMap {
    HeaderMap::from_pairs([
        (":method", "GET"),
        (":path", "/a?b"),
        (":authority", "web"),
        ("x-a", "1"),
        ("X-A", "2"),
    ])
}

/// Runs each row's hostcall in a callback and compares its status.
fn check_statuses(callback: &str, rows: &[(&str, &str, u32)], drive: impl Fn(&mut Vm)) {
    let lines: Vec<&str> = rows.iter().map(|(_, line, _)| *line).collect();
    let mut vm = Script::new().on(callback, &lines).vm();
    vm.take_logs();
    drive(&mut vm);
    let said: Vec<String> = said(&mut vm).into_iter().filter(|line| !line.starts_with("host: ")).collect();
    assert_eq!(said.len(), rows.len(), "{said:?}");
    for ((reason, line, expected), status) in rows.iter().zip(said) {
        assert_eq!(status, expected.to_string(), "{reason}: {line}");
    }
}
