//! Properties: reading the host's, setting the guest's own.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Out, Slice, VmData, hostcall};
use crate::host::HostError;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |caller: Caller<'_, VmData>, p: u32, n: u32, pointer: u32, length: u32| {
            hostcall(caller, "proxy_get_property", |guest| {
                get_property(guest, Slice(p, n), Out { pointer, length })
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |caller: Caller<'_, VmData>, p: u32, n: u32, v: u32, vn: u32| {
            hostcall(caller, "proxy_set_property", |guest| set_property(guest, Slice(p, n), Slice(v, vn)))
        },
    )?;
    Ok(())
}

fn get_property(guest: &mut Guest<'_>, path: Slice, out: Out) -> Result<(), Fault> {
    let found = guest.hand_over(out, |memory, state, bytes| state.property(path.of(memory)?, bytes));
    if let Err(Fault::Refused(HostError::NotFound)) = found {
        let (memory, state) = guest.parts()?;
        state.missed_property(path.of(memory)?);
    }
    found
}

fn set_property(guest: &mut Guest<'_>, path: Slice, value: Slice) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    state.set_guest_property(path.of(memory)?, value.of(memory)?)?;
    Ok(())
}
