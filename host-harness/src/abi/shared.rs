//! Shared data with compare-and-swap.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Out, Slice, VmData, hostcall, put};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |caller: Caller<'_, VmData>, k: u32, kn: u32, pointer: u32, length: u32, cas: u32| {
            hostcall(caller, "proxy_get_shared_data", |guest| {
                get(guest, Slice(k, kn), Out { pointer, length }, cas)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |caller: Caller<'_, VmData>, k: u32, kn: u32, v: u32, vn: u32, cas: u32| {
            hostcall(caller, "proxy_set_shared_data", |guest| set(guest, Slice(k, kn), Slice(v, vn), cas))
        },
    )?;
    Ok(())
}

fn get(guest: &mut Guest<'_>, key: Slice, out: Out, cas: u32) -> Result<(), Fault> {
    let mut number = 0;
    guest.hand_over(out, |memory, state, bytes| {
        Slice(cas, 4).of(memory)?;
        number = state.shared_data(key.of(memory)?, bytes)?;
        Ok(())
    })?;
    put(guest.parts()?.0, cas, number.to_le_bytes())?;
    Ok(())
}

fn set(guest: &mut Guest<'_>, key: Slice, value: Slice, cas: u32) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    state.set_shared_data(key.of(memory)?, value.of(memory)?, cas)?;
    Ok(())
}
