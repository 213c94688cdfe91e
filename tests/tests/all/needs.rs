//! What the filter needs from a host, as the README says it, held against the wasm's own import section.

use std::collections::BTreeSet;

use meshspan::vm::{Filter, Limits};

/// Without it: the host refuses the module, or this is what happens if the function fails when called.
type Need = (&'static str, &'static str, &'static str);

/// Every import, what it is for, and what is lost where the call fails. All have to be linked.
const IMPORTS: [Need; 22] = [
    ("env.proxy_get_header_map_pairs", "reading heads and trailers", "requests pass untraced"),
    ("env.proxy_replace_header_map_value", "writing the context", "the trace ends at this proxy"),
    ("env.proxy_remove_header_map_value", "removing other traces' headers", "they go on"),
    ("env.proxy_add_header_map_value", "a header that came several times", "the trace ends at this proxy"),
    ("env.proxy_get_current_time_nanoseconds", "times of spans, delays", "no times"),
    ("env.proxy_set_tick_period_milliseconds", "ticks: batches, retries, counters", "nothing is exported"),
    ("env.proxy_get_buffer_bytes", "configuration, collectors' answers", "defaults; partial success unread"),
    (
        "env.proxy_http_call",
        "export by OTLP/HTTP, from ticks and answers only",
        "spans are dropped and counted",
    ),
    ("env.proxy_grpc_call", "export by OTLP/gRPC; never called in nginx", "spans are dropped and counted"),
    ("env.proxy_get_header_map_value", "status and Retry-After of an answer", "answers count as failures"),
    ("env.proxy_get_property", "addresses, protocol, direction, times", "spans with fewer attributes"),
    (
        "env.proxy_set_property",
        "`role: server` leaves its span for `role: client`",
        "CLIENT spans are children of what the headers name",
    ),
    ("env.proxy_define_metric", "the filter's counters", "no counters"),
    ("env.proxy_increment_metric", "counters; gauges but in nginx", "no counters"),
    ("env.proxy_record_metric", "the export's latency; gauges in nginx", "no histogram"),
    (
        "env.proxy_done",
        "the last batch at the plugin's end; never called in nginx",
        "the last batch may be lost",
    ),
    ("env.proxy_log", "warnings and errors", "silence"),
    ("wasi_snapshot_preview1.random_get", "the seed of all ids", "ids seeded from the clock"),
    ("wasi_snapshot_preview1.environ_sizes_get", "OTEL_* variables, `${NAME}`", "an empty environment"),
    ("wasi_snapshot_preview1.environ_get", "OTEL_* variables, `${NAME}`", "an empty environment"),
    ("wasi_snapshot_preview1.fd_write", "Rust's standard library; never called", "nothing"),
    ("wasi_snapshot_preview1.proc_exit", "Rust's standard library; never called", "nothing"),
];

/// The callbacks that a host has to call, and what they give.
const EXPORTS: [(&str, &str); 14] = [
    ("proxy_on_memory_allocate", "memory for what hostcalls return"),
    ("proxy_on_context_create", "needed"),
    ("proxy_on_vm_start", "needed; before or after `proxy_on_configure`"),
    ("proxy_on_configure", "needed"),
    ("proxy_on_request_headers", "needed"),
    ("proxy_on_response_headers", "HTTP's status; `response.code` stands in for it"),
    ("proxy_on_response_trailers", "gRPC's status; without it a failed call looks like one that went well"),
    ("proxy_on_log", "the spans' end with all properties, before or after `proxy_on_done`"),
    ("proxy_on_delete", "the spans' end where there is no `proxy_on_log`; frees the stream"),
    ("proxy_on_done", "of the plugin: its last batch"),
    ("proxy_on_tick", "needed: the export"),
    (
        "proxy_on_http_call_response",
        "OTLP/HTTP's answers; without one an export counts as lost after its timeout",
    ),
    ("proxy_on_grpc_receive", "OTLP/gRPC's answers"),
    ("proxy_on_grpc_close", "OTLP/gRPC's failures"),
];

/// Exports that no host calls for its events.
const BESIDE: [&str; 3] = ["memory", "_initialize", "proxy_abi_version_0_2_1"];

/// The README's two tables.
pub(crate) fn tables() -> String {
    let mut out = String::from("| import | for | if it fails |\n|---|---|---|\n");
    IMPORTS.iter().for_each(|(name, purpose, without)| {
        out.push_str(&format!("| `{name}` | {purpose} | {without} |\n"));
    });
    out.push_str("\n| callback | gives |\n|---|---|\n");
    EXPORTS.iter().for_each(|(name, gives)| out.push_str(&format!("| `{name}` | {gives} |\n")));
    out
}

#[test]
fn the_tables_are_the_wasms_own_imports_and_exports() {
    let filter = Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap();
    let imports: BTreeSet<String> =
        filter.imports().iter().map(|(module, name)| format!("{module}.{name}")).collect();
    let listed: BTreeSet<String> = IMPORTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(imports, listed, "left the wasm, right the table of this test");
    let exports: BTreeSet<&str> =
        filter.exports().into_iter().filter(|name| !BESIDE.contains(name)).collect();
    assert_eq!(exports, EXPORTS.iter().map(|(name, _)| *name).collect(), "left the wasm, right the table");
}
