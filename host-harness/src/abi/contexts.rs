//! The context that hostcalls act on, and the end of the plugin's own.

use wasmtime::{Caller, Linker};

use super::guest::{VmData, hostcall};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_set_effective_context", |caller: Caller<'_, VmData>, id: u32| {
        hostcall(caller, "proxy_set_effective_context", |guest| {
            Ok(guest.state().set_effective_context(id)?)
        })
    })?;
    linker.func_wrap("env", "proxy_done", |caller: Caller<'_, VmData>| {
        hostcall(caller, "proxy_done", |guest| Ok(guest.state().done()?))
    })?;
    Ok(())
}
