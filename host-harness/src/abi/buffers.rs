//! Bodies, messages and configurations.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Out, Slice, VmData, hostcall, put};
use super::numbers::buffer_kind;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |caller: Caller<'_, VmData>, kind: u32, start: u32, length: u32, pointer: u32, size: u32| {
            hostcall(caller, "proxy_get_buffer_bytes", |guest| {
                get_bytes(guest, kind, start, length, Out { pointer, length: size })
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_buffer_status",
        |caller: Caller<'_, VmData>, kind: u32, length: u32, flags: u32| {
            hostcall(caller, "proxy_get_buffer_status", |guest| get_status(guest, kind, length, flags))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_buffer_bytes",
        |caller: Caller<'_, VmData>, kind: u32, start: u32, length: u32, p: u32, n: u32| {
            hostcall(caller, "proxy_set_buffer_bytes", |guest| {
                set_bytes(guest, kind, start, length, Slice(p, n))
            })
        },
    )?;
    Ok(())
}

/// What lies beyond the end is left out, as in Envoy, also if nothing is left.
fn get_bytes(guest: &mut Guest<'_>, kind: u32, start: u32, length: u32, out: Out) -> Result<(), Fault> {
    let kind = buffer_kind(kind)?;
    let (start, length) = (start as usize, length as usize);
    guest.hand_over(out, |_, state, bytes| {
        let buffer = state.buffer(kind)?;
        let end = start.saturating_add(length).min(buffer.len());
        bytes.extend_from_slice(buffer.get(start..end).unwrap_or_default());
        Ok(())
    })
}

fn get_status(guest: &mut Guest<'_>, kind: u32, length: u32, flags: u32) -> Result<(), Fault> {
    let kind = buffer_kind(kind)?;
    let (memory, state) = guest.parts()?;
    let size = u32::try_from(state.buffer(kind)?.len()).unwrap_or(u32::MAX);
    put(memory, length, size.to_le_bytes())?;
    put(memory, flags, [0; 4])?;
    Ok(())
}

fn set_bytes(guest: &mut Guest<'_>, kind: u32, start: u32, length: u32, bytes: Slice) -> Result<(), Fault> {
    let kind = buffer_kind(kind)?;
    let (memory, state) = guest.parts()?;
    state.buffer(kind)?;
    state.set_buffer(kind, start as usize, length as usize, bytes.of(memory)?)?;
    Ok(())
}
