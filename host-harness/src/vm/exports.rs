//! The guest's exports, looked up once.

use wasmtime::{Instance, Store, TypedFunc, ValType, WasmParams, WasmResults};

use super::{Vm, VmError};
use crate::abi::{Allocator, VmData};

type Function<P, R = ()> = Option<TypedFunc<P, R>>;
type HeadFunctions = (Function<(u32, u32, u32), u32>, Function<(u32, u32), u32>);

/// Everything that a host calls; all of it is optional.
pub(super) struct Exports {
    pub(super) context_create: Function<(u32, u32)>,
    pub(super) vm_start: Function<(u32, u32), u32>,
    pub(super) configure: Function<(u32, u32), u32>,
    pub(super) tick: Function<u32>,
    pub(super) queue_ready: Function<(u32, u32)>,
    pub(super) foreign_function: Function<(u32, u32, u32)>,
    pub(super) request_headers: Function<(u32, u32, u32), u32>,
    /// In place of the one above in a guest of ABI 0.1.0.
    pub(super) request_headers_without_end: Function<(u32, u32), u32>,
    pub(super) request_body: Function<(u32, u32, u32), u32>,
    pub(super) request_trailers: Function<(u32, u32), u32>,
    pub(super) response_headers: Function<(u32, u32, u32), u32>,
    /// In place of the one above in a guest of ABI 0.1.0.
    pub(super) response_headers_without_end: Function<(u32, u32), u32>,
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
        let (request_headers, request_headers_without_end) =
            head(instance, store, "proxy_on_request_headers")?;
        let (response_headers, response_headers_without_end) =
            head(instance, store, "proxy_on_response_headers")?;
        Ok(Self {
            context_create: optional(instance, store, "proxy_on_context_create")?,
            vm_start: optional(instance, store, "proxy_on_vm_start")?,
            configure: optional(instance, store, "proxy_on_configure")?,
            tick: optional(instance, store, "proxy_on_tick")?,
            queue_ready: optional(instance, store, "proxy_on_queue_ready")?,
            foreign_function: optional(instance, store, "proxy_on_foreign_function")?,
            request_headers,
            request_headers_without_end,
            request_body: optional(instance, store, "proxy_on_request_body")?,
            request_trailers: optional(instance, store, "proxy_on_request_trailers")?,
            response_headers,
            response_headers_without_end,
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

/// A head's callback with the end of stream, or without it if that is what the guest exports.
fn head(
    instance: &Instance,
    store: &mut Store<VmData>,
    name: &'static str,
) -> Result<HeadFunctions, VmError> {
    let short =
        instance.get_func(&mut *store, name).filter(|function| function.ty(&*store).params().len() == 2);
    match short {
        Some(_) => Ok((None, optional(instance, store, name)?)),
        None => Ok((optional(instance, store, name)?, None)),
    }
}

/// Runs what runs before everything else: `_initialize` and then `main`, or `_start` if there is no
/// `_initialize`.
pub(super) fn initialize(vm: &mut Vm, instance: &Instance) -> Result<(), VmError> {
    let store = &mut vm.store;
    let initialize: Function<()> = optional(instance, store, "_initialize")?;
    let Some(initialize) = initialize else {
        let start: Function<()> = optional(instance, store, "_start")?;
        return start.map_or(Ok(()), |start| vm.run("_start", &start, ()));
    };
    vm.run("_initialize", &initialize, ())?;
    let store = &mut vm.store;
    match instance.get_func(&mut *store, "main").map(|main| main.ty(&*store).params().len()) {
        Some(2) => {
            let main: Function<(u32, u32), u32> = optional(instance, store, "main")?;
            main.map_or(Ok(0), |main| vm.run("main", &main, (0, 0)))
        }
        Some(_) => {
            let main: Function<(), u32> = optional(instance, store, "main")?;
            main.map_or(Ok(0), |main| vm.run("main", &main, ()))
        }
        None => {
            let main: Function<(), u32> = optional(instance, store, "__main_void")?;
            main.map_or(Ok(0), |main| vm.run("__main_void", &main, ()))
        }
    }
    .map(|_| ())
}

fn optional<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut Store<VmData>,
    name: &'static str,
) -> Result<Function<P, R>, VmError> {
    if name.starts_with("proxy_on_") && !store.data().state.allows(name) {
        return Ok(None);
    }
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    function.typed(&*store).map(Some).map_err(|_| {
        let found = function.ty(&*store);
        let (parameters, results) = (listed(found.params()), listed(found.results()));
        let expected = format!("{} and gives {}", abi_type::<P>(), abi_type::<R>());
        VmError::ExportType {
            name,
            found: format!(
                "it takes ({parameters}) and gives ({results}), expected one that takes {expected}"
            ),
        }
    })
}

fn listed(types: impl Iterator<Item = ValType>) -> String {
    types.map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// `(i32, i32)` of Rust's `(u32, u32)`.
fn abi_type<T>() -> String {
    let name = std::any::type_name::<T>().replace('u', "i");
    if name.starts_with('(') { name } else { format!("({name})") }
}
