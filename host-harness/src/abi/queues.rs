//! Shared queues.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Out, Slice, VmData, hostcall, put};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |caller: Caller<'_, VmData>, name: u32, length: u32, token: u32| {
            hostcall(caller, "proxy_register_shared_queue", |guest| {
                register(guest, Slice(name, length), token)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |caller: Caller<'_, VmData>, vm: u32, vm_length: u32, name: u32, length: u32, token: u32| {
            hostcall(caller, "proxy_resolve_shared_queue", |guest| {
                resolve(guest, Slice(vm, vm_length), Slice(name, length), token)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_enqueue_shared_queue",
        |caller: Caller<'_, VmData>, token: u32, p: u32, n: u32| {
            hostcall(caller, "proxy_enqueue_shared_queue", |guest| enqueue(guest, token, Slice(p, n)))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |caller: Caller<'_, VmData>, token: u32, pointer: u32, length: u32| {
            hostcall(caller, "proxy_dequeue_shared_queue", |guest| {
                guest.hand_over(Out { pointer, length }, |_, state, bytes| state.dequeue(token, bytes))
            })
        },
    )?;
    Ok(())
}

fn register(guest: &mut Guest<'_>, name: Slice, out: u32) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    Slice(out, 4).of(memory)?;
    let token = state.register_queue(name.of(memory)?)?;
    put(memory, out, token.to_le_bytes())?;
    Ok(())
}

fn resolve(guest: &mut Guest<'_>, vm_id: Slice, name: Slice, out: u32) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    let token = state.resolve_queue(vm_id.of(memory)?, name.of(memory)?)?;
    put(memory, out, token.to_le_bytes())?;
    Ok(())
}

fn enqueue(guest: &mut Guest<'_>, token: u32, message: Slice) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    state.enqueue(token, message.of(memory)?)?;
    Ok(())
}
