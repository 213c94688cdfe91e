//! The guest's exports, looked up once.

use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use super::VmError;
use crate::abi::{Allocator, VmData};

type Function<P, R = ()> = Option<TypedFunc<P, R>>;
/// An export's name, and the export.
type Named = (&'static str, TypedFunc<(), ()>);

/// Everything that a host calls; all of it is optional.
pub(super) struct Exports {
    pub(super) context_create: Function<(u32, u32)>,
    pub(super) vm_start: Function<(u32, u32), u32>,
    pub(super) configure: Function<(u32, u32), u32>,
    pub(super) tick: Function<u32>,
    pub(super) queue_ready: Function<(u32, u32)>,
    pub(super) foreign_function: Function<(u32, u32, u32)>,
    pub(super) request_headers: Function<(u32, u32, u32), u32>,
    pub(super) request_body: Function<(u32, u32, u32), u32>,
    pub(super) request_trailers: Function<(u32, u32), u32>,
    pub(super) response_headers: Function<(u32, u32, u32), u32>,
    pub(super) response_body: Function<(u32, u32, u32), u32>,
    pub(super) response_trailers: Function<(u32, u32), u32>,
    pub(super) http_call_response: Function<(u32, u32, u32, u32, u32)>,
    pub(super) grpc_receive_initial_metadata: Function<(u32, u32, u32)>,
    pub(super) grpc_receive: Function<(u32, u32, u32)>,
    pub(super) grpc_receive_trailing_metadata: Function<(u32, u32, u32)>,
    pub(super) grpc_close: Function<(u32, u32, u32)>,
    pub(super) done: Function<u32, u32>,
    pub(super) log: Function<u32>,
    pub(super) delete: Function<u32>,
}

impl Exports {
    pub(super) fn of(instance: &Instance, store: &mut Store<VmData>) -> Result<Self, VmError> {
        Ok(Self {
            context_create: optional(instance, store, "proxy_on_context_create")?,
            vm_start: optional(instance, store, "proxy_on_vm_start")?,
            configure: optional(instance, store, "proxy_on_configure")?,
            tick: optional(instance, store, "proxy_on_tick")?,
            queue_ready: optional(instance, store, "proxy_on_queue_ready")?,
            foreign_function: optional(instance, store, "proxy_on_foreign_function")?,
            request_headers: optional(instance, store, "proxy_on_request_headers")?,
            request_body: optional(instance, store, "proxy_on_request_body")?,
            request_trailers: optional(instance, store, "proxy_on_request_trailers")?,
            response_headers: optional(instance, store, "proxy_on_response_headers")?,
            response_body: optional(instance, store, "proxy_on_response_body")?,
            response_trailers: optional(instance, store, "proxy_on_response_trailers")?,
            http_call_response: optional(instance, store, "proxy_on_http_call_response")?,
            grpc_receive_initial_metadata: optional(
                instance,
                store,
                "proxy_on_grpc_receive_initial_metadata",
            )?,
            grpc_receive: optional(instance, store, "proxy_on_grpc_receive")?,
            grpc_receive_trailing_metadata: optional(
                instance,
                store,
                "proxy_on_grpc_receive_trailing_metadata",
            )?,
            grpc_close: optional(instance, store, "proxy_on_grpc_close")?,
            done: optional(instance, store, "proxy_on_done")?,
            log: optional(instance, store, "proxy_on_log")?,
            delete: optional(instance, store, "proxy_on_delete")?,
        })
    }
}

/// `malloc` before `proxy_on_memory_allocate`, as proxy-wasm-cpp-host has it and the specification has not.
pub(super) fn allocator(
    instance: &Instance,
    store: &mut Store<VmData>,
) -> Result<Option<Allocator>, VmError> {
    match optional(instance, store, "malloc")? {
        Some(malloc) => Ok(Some(malloc)),
        None => optional(instance, store, "proxy_on_memory_allocate"),
    }
}

/// What runs before everything else: `_initialize`, or `_start` if there is none.
pub(super) fn initializer(instance: &Instance, store: &mut Store<VmData>) -> Result<Option<Named>, VmError> {
    for name in ["_initialize", "_start"] {
        if let Some(function) = optional(instance, store, name)? {
            return Ok(Some((name, function)));
        }
    }
    Ok(None)
}

fn optional<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut Store<VmData>,
    name: &'static str,
) -> Result<Function<P, R>, VmError> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    let typed = function.typed(&*store);
    typed.map(Some).map_err(|error| VmError::ExportType { name, found: format!("{error:#}") })
}
