//! A compiled filter, and a VM's start.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::{Config, Engine, InstancePre, Linker, Module, Store, Trap, UnknownImportError};

use super::exports::{Exports, allocator, initialize};
use super::{Limits, ModuleCache, PluginOptions, Vm, VmError};
use crate::abi::{self, Limiter, VmData};
use crate::host::{AbiVersion, Gate, HostState, MARKER, RootId};

/// How often running guests look whether their deadline has passed.
pub(super) const EPOCH: Duration = Duration::from_millis(10);

/// What a VM that counts has at its start: more than it can burn.
pub(super) const FUEL: u64 = u64::MAX;

/// A compiled filter: cheap to clone, and to be shared among threads.
#[derive(Clone)]
pub struct Filter(Arc<Compiled>);

struct Compiled {
    engine: Engine,
    instance: InstancePre<VmData>,
    linker: Linker<VmData>,
    /// With the imports of VMs that are looked into, from the first of them on.
    probed: OnceLock<Option<InstancePre<VmData>>>,
    limits: Limits,
    counts_fuel: bool,
    version: AbiVersion,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Filter").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Filter {
    /// Compiles a module and links the host's functions to it.
    ///
    /// # Errors
    /// [`VmError`] if it is no module, imports what the host has not, or speaks another ABI.
    pub fn compile(wasm: &[u8], limits: Limits) -> Result<Self, VmError> {
        Self::build(wasm, limits, false, Module::from_binary)
    }

    /// As [`compile`](Self::compile), unless the cache has the module from an earlier time.
    ///
    /// # Errors
    /// As [`compile`](Self::compile); what is wrong with the cache is none.
    pub fn compile_cached(wasm: &[u8], limits: Limits, cache: &ModuleCache) -> Result<Self, VmError> {
        Self::build(wasm, limits, false, |engine, wasm| cache.module(engine, wasm))
    }

    /// As [`compile`](Self::compile), and its VMs count what they execute: [`Vm::fuel_used`]. They are slower.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_counting_fuel(wasm: &[u8], limits: Limits) -> Result<Self, VmError> {
        Self::build(wasm, limits, true, Module::from_binary)
    }

    fn build(
        wasm: &[u8],
        limits: Limits,
        counts_fuel: bool,
        compile: impl FnOnce(&Engine, &[u8]) -> wasmtime::Result<Module>,
    ) -> Result<Self, VmError> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.consume_fuel(counts_fuel);
        let engine = Engine::new(&config).map_err(|error| VmError::Engine(format!("{error:#}")))?;
        let module = compile(&engine, wasm).map_err(|error| super::error::not_wasm(wasm, &error))?;
        let version = abi_version(&module)?;
        let mut linker = Linker::new(&engine);
        abi::link(&mut linker, version).map_err(|error| VmError::Engine(format!("{error:#}")))?;
        let instance = linker.instantiate_pre(&module).map_err(|error| link_error(&error))?;
        start_ticker(&engine).map_err(|error| VmError::Engine(error.to_string()))?;
        let probed = OnceLock::new();
        Ok(Self(Arc::new(Compiled { engine, instance, linker, probed, limits, counts_fuel, version })))
    }

    /// The version of the ABI that the filter speaks.
    pub fn abi_version(&self) -> AbiVersion {
        self.0.version
    }

    /// Module and name of everything that the filter wants from its host.
    pub fn imports(&self) -> Vec<(&str, &str)> {
        let imports = self.0.instance.module().imports();
        imports.map(|import| (import.module(), import.name())).collect()
    }

    /// Names of everything that the filter gives its host.
    pub fn exports(&self) -> Vec<&str> {
        self.0.instance.module().exports().map(|export| export.name()).collect()
    }

    /// Starts a VM: `_initialize`, `proxy_on_context_create` of the root, `proxy_on_vm_start`,
    /// `proxy_on_configure`.
    ///
    /// # Errors
    /// [`VmError`] if the guest traps, exceeds a limit or rejects what it is started with.
    pub fn start(&self, options: PluginOptions) -> Result<Vm, VmError> {
        let Compiled { engine, instance, linker, limits, counts_fuel, version, .. } = &*self.0;
        let absent = |import: &wasmtime::ImportType<'_>| !options.profile.offers(import.name());
        if let Some(import) = instance.module().imports().find(absent) {
            return Err(VmError::UnknownImport {
                module: import.module().to_owned(),
                name: import.name().to_owned(),
            });
        }
        let lifecycle = options.profile.lifecycle(options.lifecycle);
        let is_instrumented = options.instrumented;
        let mut state = HostState::new(options);
        state.abi = *version;
        let data = VmData::new(state, Limiter::new(limits.memory_bytes));
        let mut store = Store::new(engine, data);
        store.limiter(|data| &mut data.limiter);
        let ticks = ticks(limits.call_deadline);
        store.set_epoch_deadline(ticks);
        if *counts_fuel {
            store.set_fuel(FUEL).map_err(|error| VmError::Engine(format!("{error:#}")))?;
        }
        let instance = if is_instrumented {
            abi::attach(instance.module(), linker, &mut store);
            self.probed()?
        } else {
            instance
        };
        let instance = match instance.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => return Err(instantiation_error(&mut store, &error, *limits)),
        };
        let memory = instance.get_memory(&mut store, "memory").ok_or(VmError::MissingExport("memory"))?;
        store.data_mut().memory = Some(memory);
        store.data_mut().allocator = allocator(&instance, &mut store)?;
        if is_instrumented {
            abi::attach_allocator(&mut store).map_err(|error| VmError::Engine(format!("{error:#}")))?;
        }
        let exports = Exports::of(&instance, &mut store)?;
        let mut vm = Vm { store, exports, memory, limits: *limits, ticks, lifecycle, poisoned: false };
        initialize(&mut vm, &instance).map_err(|error| with_logs(&mut vm, error))?;
        vm.store.data_mut().state.gate = Gate::Open;
        vm.begin(RootId::FIRST).map_err(|error| with_logs(&mut vm, error))?;
        Ok(vm)
    }
}

impl Filter {
    /// The module with the imports of VMs that are looked into.
    fn probed(&self) -> Result<&InstancePre<VmData>, VmError> {
        let Compiled { engine, instance, probed, .. } = &*self.0;
        let probed = probed.get_or_init(|| {
            let mut linker = Linker::new(engine);
            abi::link_probe(instance.module(), &mut linker).ok()?;
            linker.instantiate_pre(instance.module()).ok()
        });
        probed.as_ref().ok_or_else(|| VmError::Engine("the filter cannot be instrumented".to_owned()))
    }
}

/// Whole epochs, rounded up, and the one that has begun.
fn ticks(deadline: Duration) -> u64 {
    u64::try_from(deadline.as_nanos().div_ceil(EPOCH.as_nanos())).unwrap_or(u64::MAX / 2).saturating_add(1)
}

/// Ends when the last VM and the last clone of the filter are gone.
fn start_ticker(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new().name("wasm-epoch".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(EPOCH);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    })?;
    Ok(())
}

/// The version of the first marker that names one, as in proxy-wasm-cpp-host.
fn abi_version(module: &Module) -> Result<AbiVersion, VmError> {
    let names = || module.exports().map(|export| export.name());
    names().find_map(AbiVersion::of_export).ok_or_else(|| {
        let markers: Vec<&str> = names().filter(|name| name.starts_with(MARKER)).collect();
        let found = if markers.is_empty() { format!("no {MARKER}*") } else { markers.join(", ") };
        VmError::AbiVersion { found }
    })
}

fn link_error(error: &wasmtime::Error) -> VmError {
    match error.downcast_ref::<UnknownImportError>() {
        Some(unknown) => {
            VmError::UnknownImport { module: unknown.module().to_owned(), name: unknown.name().to_owned() }
        }
        None => VmError::Link(format!(
            "{error:#}; \"expected\" is what the filter imports, \"found\" what this host has"
        )),
    }
}

fn instantiation_error(store: &mut Store<VmData>, error: &wasmtime::Error, limits: Limits) -> VmError {
    const CALL: &str = "instantiation";
    let data = store.data_mut();
    if let Some(refused) = data.limiter.refused {
        VmError::limit(CALL, refused, &limits)
    } else if error.downcast_ref::<Trap>() == Some(&Trap::Interrupt) {
        VmError::Deadline { call: CALL, limit: limits.call_deadline }
    } else {
        VmError::Trap { call: CALL, cause: super::error::describe(error), logs: data.state.take_logs() }
    }
}

/// A trap's message is in the log, which goes with the VM.
fn with_logs(vm: &mut Vm, error: VmError) -> VmError {
    match error {
        VmError::Trap { call, cause, .. } => VmError::Trap { call, cause, logs: vm.take_logs() },
        other => other,
    }
}
