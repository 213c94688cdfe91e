//! The exports that the host calls: each tells of itself and hands on to a program.

#![expect(unsafe_code, reason = "exported symbols, which the host finds by name")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::program::{Action, GrpcEvent, Program, Root};
use crate::transcript::{begin, tell};
use crate::{host, program, programs};

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[derive(Default)]
struct Guest {
    roots: BTreeMap<u32, Box<dyn Root>>,
    streams: BTreeMap<u32, Box<dyn Program>>,
    /// Token to the stream that made the call.
    calls: BTreeMap<u32, u32>,
}

thread_local! {
    static GUEST: RefCell<Guest> = RefCell::default();
    static CALLED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Remembers that the stream which is running made this call.
pub(crate) fn called(token: u32) {
    CALLED.with_borrow_mut(|tokens| tokens.push(token));
}

fn on_stream(context: u32, what: &str, call: impl FnOnce(&mut dyn Program) -> Action) -> u32 {
    begin(context);
    tell(&format!("> {what}"));
    let action = GUEST.with_borrow_mut(|guest| {
        let stream = guest.streams.get_mut(&context);
        let action = stream.map_or(Action::Continue, |program| call(program.as_mut()));
        CALLED.with_borrow_mut(|tokens| guest.calls.extend(tokens.drain(..).map(|token| (token, context))));
        action
    });
    tell(match action {
        Action::Continue => "< continue",
        Action::Pause => "< pause",
    });
    u32::from(action == Action::Pause)
}

fn on_answer(root: u32, token: u32, what: &str, call: impl FnOnce(&mut dyn Program)) {
    let context = GUEST.with_borrow(|guest| guest.calls.get(&token).copied());
    let Some(context) = context else {
        begin(root);
        return tell(&format!("> {what} of nobody's call"));
    };
    let _ = host::effective_context(context);
    on_stream(context, what, |program| {
        call(program);
        Action::Continue
    });
}

fn end(end: u32) -> &'static str {
    if end == 0 { "" } else { " end" }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the linker makes this function, and the host calls `_initialize` once.
    unsafe { __wasm_call_ctors() };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    host::allocate(size)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    if parent == 0 {
        return;
    }
    begin(context);
    tell("> create");
    GUEST.with_borrow_mut(|guest| {
        let program = guest.roots.get_mut(&parent).map(|root| root.stream());
        guest.streams.extend(program.map(|program| (context, program)));
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: u32) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    begin(root);
    let name = host::buffer(host::PLUGIN_CONFIGURATION, 0, size).unwrap_or_default();
    let Some(mut program) = programs::named(&String::from_utf8_lossy(&name)) else { return 0 };
    program.configure();
    GUEST.with_borrow_mut(|guest| guest.roots.insert(root, program));
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    begin(root);
    GUEST.with_borrow_mut(|guest| guest.roots.get_mut(&root).map(|root| root.tick()));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(root: u32, queue: u32) {
    begin(root);
    GUEST.with_borrow_mut(|guest| guest.roots.get_mut(&root).map(|root| root.queue_ready(queue)));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, count: u32, last: u32) -> u32 {
    begin(context);
    tell(&format!("exchange {}", program::exchange()));
    on_stream(context, &format!("request_headers {count}{}", end(last)), |program| {
        program.request_headers(last != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, last: u32) -> u32 {
    on_stream(context, &format!("request_body {size}{}", end(last)), |program| {
        program.request_body(size, last != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, count: u32) -> u32 {
    on_stream(context, &format!("request_trailers {count}"), |program| program.request_trailers())
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, count: u32, last: u32) -> u32 {
    on_stream(context, &format!("response_headers {count}{}", end(last)), |program| {
        program.response_headers(last != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, last: u32) -> u32 {
    on_stream(context, &format!("response_body {size}{}", end(last)), |program| {
        program.response_body(size, last != 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, count: u32) -> u32 {
    on_stream(context, &format!("response_trailers {count}"), |program| program.response_trailers())
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(root: u32, token: u32, headers: u32, body: usize, trailers: u32) {
    let what = format!("http_call_response {headers} {body} {trailers}");
    on_answer(root, token, &what, |program| program.answered(body));
}

fn on_grpc(root: u32, token: u32, what: &str, event: GrpcEvent) {
    on_answer(root, token, what, |program| program.grpc(token, event));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive_initial_metadata(root: u32, token: u32, count: u32) {
    on_grpc(root, token, &format!("grpc initial metadata {count}"), GrpcEvent::InitialMetadata);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive(root: u32, token: u32, size: usize) {
    on_grpc(root, token, &format!("grpc message {size}"), GrpcEvent::Message(size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive_trailing_metadata(root: u32, token: u32, count: u32) {
    on_grpc(root, token, &format!("grpc trailing metadata {count}"), GrpcEvent::TrailingMetadata);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_close(root: u32, token: u32, status: u32) {
    on_grpc(root, token, &format!("grpc close {status}"), GrpcEvent::Close);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> u32 {
    begin(context);
    if GUEST.with_borrow(|guest| guest.streams.contains_key(&context)) {
        tell("> done");
    }
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    if GUEST.with_borrow(|guest| guest.streams.contains_key(&context)) {
        on_stream(context, "log", |program| {
            program.log();
            Action::Continue
        });
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    begin(context);
    let stream = GUEST.with_borrow_mut(|guest| guest.streams.remove(&context));
    if stream.is_some() {
        tell("> delete");
    }
}
