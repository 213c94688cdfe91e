//! The floor: a guest's exports called by wasmtime and nothing else. The functions that the guest calls in a
//! request do the least that lets it go on; no header map, no context, no check.

use std::time::Duration;

use wasmtime::{Caller, Config, Engine, Instance, Linker, Memory, Module, Store, TypedFunc};

use crate::rounds::Request;

/// The host's default deadline of 1 s, in epochs of 10 ms, and the one that has begun.
const TICKS: u64 = 101;
const EPOCH: Duration = Duration::from_millis(10);
const ROOT: u32 = 1;
/// What every header is.
const VALUE: &[u8] = b"6c1c9a1e-3f7f-4a52-9a7e-6c1f0a1d2b3c";

struct Data {
    memory: Option<Memory>,
    allocator: Option<TypedFunc<u32, u32>>,
}

/// A running guest.
pub(crate) struct Bare {
    store: Store<Data>,
    context_create: TypedFunc<(u32, u32), ()>,
    request_headers: TypedFunc<(u32, u32, u32), u32>,
    response_headers: TypedFunc<(u32, u32, u32), u32>,
    log: TypedFunc<u32, ()>,
    done: TypedFunc<u32, u32>,
    delete: TypedFunc<u32, ()>,
    last: u32,
}

impl Bare {
    pub(crate) fn start(wasm: &[u8]) -> Self {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).unwrap();
        tick(&engine);
        let module = Module::from_binary(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, Data { memory: None, allocator: None });
        store.set_epoch_deadline(TICKS);
        let mut linker = Linker::new(&engine);
        linker.func_wrap("env", "proxy_get_header_map_value", get).unwrap();
        linker.func_wrap("env", "proxy_replace_header_map_value", replace).unwrap();
        linker.define_unknown_imports_as_default_values(&mut store, &module).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let memory = instance.get_memory(&mut store, "memory");
        let allocator = instance.get_typed_func(&mut store, "proxy_on_memory_allocate").ok();
        *store.data_mut() = Data { memory, allocator };
        begin(&instance, &mut store);
        macro_rules! export {
            ($name:literal) => {
                instance.get_typed_func(&mut store, $name).unwrap()
            };
        }
        Self {
            context_create: export!("proxy_on_context_create"),
            request_headers: export!("proxy_on_request_headers"),
            response_headers: export!("proxy_on_response_headers"),
            log: export!("proxy_on_log"),
            done: export!("proxy_on_done"),
            delete: export!("proxy_on_delete"),
            last: ROOT,
            store,
        }
    }

    /// The six callbacks.
    pub(crate) fn request(&mut self) {
        self.last += 1;
        let (id, store) = (self.last, &mut self.store);
        store.set_epoch_deadline(TICKS);
        self.context_create.call(&mut *store, (id, ROOT)).unwrap();
        store.set_epoch_deadline(TICKS);
        self.request_headers.call(&mut *store, (id, 8, 1)).unwrap();
        store.set_epoch_deadline(TICKS);
        self.response_headers.call(&mut *store, (id, 3, 1)).unwrap();
        store.set_epoch_deadline(TICKS);
        self.log.call(&mut *store, id).unwrap();
        store.set_epoch_deadline(TICKS);
        self.done.call(&mut *store, id).unwrap();
        store.set_epoch_deadline(TICKS);
        self.delete.call(&mut *store, id).unwrap();
    }

    pub(crate) fn into_requests(mut self) -> Request {
        Box::new(move || self.request())
    }
}

/// The plugin's own context, its start and its configuration.
fn begin(instance: &Instance, store: &mut Store<Data>) {
    let initialize = instance.get_typed_func::<(), ()>(&mut *store, "_initialize").unwrap();
    initialize.call(&mut *store, ()).unwrap();
    let create = instance.get_typed_func::<(u32, u32), ()>(&mut *store, "proxy_on_context_create").unwrap();
    create.call(&mut *store, (ROOT, 0)).unwrap();
    for name in ["proxy_on_vm_start", "proxy_on_configure"] {
        let start = instance.get_typed_func::<(u32, u32), u32>(&mut *store, name).unwrap();
        assert_eq!(start.call(&mut *store, (ROOT, 0)).unwrap(), 1, "{name}");
    }
}

/// Ends with the engine.
fn tick(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(EPOCH);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    });
}

/// Hands the guest a value in memory that it allocates.
fn get(
    mut caller: Caller<'_, Data>,
    _kind: u32,
    _name: u32,
    _name_length: u32,
    pointer: u32,
    length: u32,
) -> wasmtime::Result<u32> {
    let allocator = caller.data_mut().allocator.take().unwrap();
    let place = allocator.call(&mut caller, VALUE.len() as u32)?;
    let memory = caller.data().memory.unwrap();
    let (bytes, data) = memory.data_and_store_mut(&mut caller);
    data.allocator = Some(allocator);
    bytes[place as usize..][..VALUE.len()].copy_from_slice(VALUE);
    bytes[pointer as usize..][..4].copy_from_slice(&place.to_le_bytes());
    bytes[length as usize..][..4].copy_from_slice(&(VALUE.len() as u32).to_le_bytes());
    Ok(0)
}

fn replace(_kind: u32, _name: u32, _name_length: u32, _value: u32, _value_length: u32) -> u32 {
    0
}
