//! The exports that the host calls, each one line into [`Plugin`]. Only callbacks that a tracing
//! filter needs are there: body chunks never cross into the VM.
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#functions-exposed-by-the-wasm-module>

#![expect(unsafe_code, reason = "exported symbols, which the host finds by name")]

use super::host::{self, CallToken};
use super::stream::Detail;
use super::{Plugin, export};

/// `proxy_action_t`: this filter never pauses a stream.
const CONTINUE: u32 = 0;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Marks the ABI version; the host looks for its name.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Runs once, before anything else. Naming the constructors here keeps the linker from wrapping
/// every other export in a call to them.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the linker makes this function, and the host calls `_initialize` once.
    unsafe { __wasm_call_ctors() };
}

/// Gives the host memory for what it returns.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    host::allocate(size)
}

/// A root context (`parent` 0) or a stream begins.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    Plugin::with(|plugin, _| plugin.create_context(context, parent));
}

/// The VM starts; all configuration is the plugin's.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> bool {
    true
}

/// The plugin's configuration is there.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, _size: usize) -> bool {
    Plugin::with(|plugin, call| plugin.root(root).is_some_and(|root| root.configure(call))).unwrap_or(false)
}

/// The tick period has passed.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    Plugin::with(|plugin, call| plugin.root(root).map(|root| root.tick(call)));
}

/// The request's head is there.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(stream: u32, _count: u32, end_of_stream: u32) -> u32 {
    Plugin::with(|plugin, call| plugin.begin_stream(stream, end_of_stream != 0, call));
    CONTINUE
}

/// The response's head is there.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(stream: u32, _count: u32, _end_of_stream: u32) -> u32 {
    Plugin::with(|plugin, call| plugin.streams.find(stream).map(|stream| stream.response_headers(call)));
    CONTINUE
}

/// The response's trailers are there.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(stream: u32, _count: u32) -> u32 {
    Plugin::with(|plugin, call| plugin.streams.find(stream).map(|stream| stream.response_trailers(call)));
    CONTINUE
}

/// The context is finished: `false` keeps a root alive until its spans are out.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> bool {
    Plugin::with(|plugin, call| plugin.root(context).is_none_or(|root| root.close(call))).unwrap_or(true)
}

/// The stream is over, and all that the host knows of it can be read.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    Plugin::with(|plugin, call| plugin.end_stream(context, Detail::Properties, call));
}

/// The context goes away.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    Plugin::with(|plugin, call| plugin.delete_context(context, call));
}

/// An HTTP call was answered, or failed, which shows as no headers.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(root: u32, token: u32, headers: u32, body: usize, _trailers: u32) {
    let answer = export::Answer::Http { headers, body };
    Plugin::with(|plugin, call| plugin.root(root).map(|root| root.answered(CallToken(token), answer, call)));
}

/// A unary gRPC call succeeded.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive(root: u32, token: u32, size: usize) {
    let answer = export::Answer::Grpc { size };
    Plugin::with(|plugin, call| plugin.root(root).map(|root| root.answered(CallToken(token), answer, call)));
}

/// A unary gRPC call failed with `status`.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_close(root: u32, token: u32, status: u32) {
    let answer = export::Answer::GrpcFailure { status };
    Plugin::with(|plugin, call| plugin.root(root).map(|root| root.answered(CallToken(token), answer, call)));
}
