//! A second set of imports, for VMs that are looked into: each writes down the call, lets the host's own function
//! do it, and can be made to fail. VMs without it run the host's functions as they are, and pay nothing.

use wasmtime::{Caller, Extern, Func, ImportType, Linker, Module, Store, Val};

use super::guest::{Allocator, VmData};
use super::shown::{gave, given};
use super::status::Status;
use super::wasi::Errno;
use crate::host::{Field, HostcallRecord, Transcript, why};

/// What an instrumented VM keeps beside its state.
#[derive(Default)]
pub(crate) struct Probe {
    /// The host's functions by the module's imports.
    functions: Vec<Option<Func>>,
    allocator: Option<Allocator>,
    pub(crate) transcript: Transcript,
    /// Whether the guest's allocator has run since the hostcall began.
    has_allocated: bool,
    /// How many hostcalls from now the guest is ended; 0 ends it at the next.
    pub(crate) trap_in: Option<u64>,
    /// How many allocations from now one gives null.
    pub(crate) starve_in: Option<u64>,
}

/// Counts down; true at the end, once.
fn is_due(countdown: &mut Option<u64>) -> bool {
    match countdown {
        Some(0) => {
            *countdown = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

/// A function that is stood in front of.
struct Hostcall {
    /// Among the module's imports.
    index: usize,
    name: String,
    answers: Answers,
}

/// What the number that a function returns is.
#[derive(Clone, Copy)]
enum Answers {
    Status,
    Errno,
    /// What was asked for, as of `pthread_equal`.
    Value,
}

impl Answers {
    fn of(import: &ImportType<'_>) -> Self {
        match import.module() {
            "env" if !import.name().starts_with("proxy_") => Self::Value,
            "env" => Self::Status,
            _ => Self::Errno,
        }
    }

    fn name(self, number: u32) -> &'static str {
        match self {
            Self::Status => Status::name(number),
            Self::Errno => Errno::name(number),
            Self::Value => "OK",
        }
    }
}

/// The imports of `module`, each in front of the function of the host that it is named after.
pub(crate) fn link(module: &Module, linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    for (index, import) in module.imports().enumerate() {
        let Some(kind) = import.ty().func().cloned() else { continue };
        let hostcall = Hostcall { index, name: import.name().to_owned(), answers: Answers::of(&import) };
        linker.func_new(import.module(), import.name(), kind, move |caller, arguments, results| {
            pass_on(caller, &hostcall, arguments, results)
        })?;
    }
    Ok(())
}

/// Finds the functions that the imports stand in front of.
pub(crate) fn attach(module: &Module, host: &Linker<VmData>, store: &mut Store<VmData>) {
    let mut find = |import: ImportType<'_>| {
        host.get(&mut *store, import.module(), import.name()).ok().and_then(Extern::into_func)
    };
    let functions = module.imports().map(&mut find).collect();
    store.data_mut().probe = Some(Box::new(Probe { functions, ..Probe::default() }));
}

/// Puts an allocator that can be made to fail in front of the guest's.
pub(crate) fn attach_allocator(store: &mut Store<VmData>) -> wasmtime::Result<()> {
    let Some(own) = store.data_mut().allocator.take() else { return Ok(()) };
    if let Some(probe) = &mut store.data_mut().probe {
        probe.allocator = Some(own);
    }
    let in_front = Func::wrap(&mut *store, |mut caller: Caller<'_, VmData>, size: u32| {
        let Some(probe) = &mut caller.data_mut().probe else { return Ok(0) };
        probe.has_allocated = true;
        if is_due(&mut probe.starve_in) {
            return Ok(0);
        }
        // Gone while it runs, as in a VM without instruments.
        let Some(own) = probe.allocator.take() else { return Ok(0) };
        let allocated = own.call(&mut caller, size);
        if let Some(probe) = &mut caller.data_mut().probe {
            probe.allocator = Some(own);
        }
        allocated
    });
    let typed = in_front.typed(&*store)?;
    store.data_mut().allocator = Some(typed);
    Ok(())
}

fn pass_on(
    mut caller: Caller<'_, VmData>,
    Hostcall { index, name, answers }: &Hostcall,
    arguments: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let Some(probe) = &mut caller.data_mut().probe else {
        return Err(wasmtime::Error::msg("the VM has no instruments"));
    };
    if is_due(&mut probe.trap_in) {
        return Err(wasmtime::Error::msg(format!("a fault that was asked for, at {name}")));
    }
    probe.has_allocated = false;
    let function = probe.functions.get(*index).copied().flatten();
    let function = function.ok_or_else(|| wasmtime::Error::msg(format!("there is no {name}")))?;
    let numbers: Vec<u64> = arguments.iter().map(number).collect();
    let given = given(name, &numbers, memory(&caller));
    caller.data_mut().refusal = None;
    let called = function.call(&mut caller, arguments, results);
    let is_value = matches!(answers, Answers::Value);
    let result = match (&called, results.first()) {
        (Ok(()), Some(Val::I32(result))) if !is_value => Some(result.cast_unsigned()),
        (Ok(()), _) => Some(0),
        (Err(_), _) => None,
    };
    // The host writes nothing where there is nothing to give.
    let has_bytes = caller.data().probe.as_ref().is_some_and(|probe| probe.has_allocated);
    let gave = if is_value {
        results.iter().map(|value| Field { name: "", value: number(value).to_string() }).collect()
    } else if result == Some(0) {
        gave(name, &numbers, memory(&caller), &given, has_bytes)
    } else {
        Vec::new()
    };
    let data = caller.data_mut();
    let status = result.map_or("trap", |number| answers.name(number));
    let why = data.refusal.take().map(|error| why(name, &given, &error, data.state.callback()));
    let record = HostcallRecord { name: name.clone(), arguments: given, result, status, gave, why };
    if let Some(probe) = &mut data.probe {
        probe.transcript.push(record);
    }
    called
}

fn memory<'a>(caller: &'a Caller<'_, VmData>) -> &'a [u8] {
    caller.data().memory.map_or(&[], |memory| memory.data(caller))
}

fn number(value: &Val) -> u64 {
    match value {
        Val::I32(number) => number.cast_unsigned().into(),
        Val::I64(number) => number.cast_unsigned(),
        _ => 0,
    }
}
