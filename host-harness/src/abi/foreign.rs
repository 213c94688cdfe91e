//! Foreign functions: what the embedder has registered, and Envoy's own.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Out, Slice, VmData, hostcall, put};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |caller: Caller<'_, VmData>, name: u32, n: u32, p: u32, pn: u32, pointer: u32, length: u32| {
            hostcall(caller, "proxy_call_foreign_function", |guest| {
                call(guest, Slice(name, n), Slice(p, pn), Out { pointer, length })
            })
        },
    )?;
    Ok(())
}

/// A guest that wants no result gives 0 for its place, as in Envoy.
fn call(guest: &mut Guest<'_>, name: Slice, arguments: Slice, out: Out) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    let result = state.call_foreign(name.of(memory)?, arguments.of(memory)?)?;
    if out.pointer != 0 {
        return guest.hand_over(out, |_, _, bytes| {
            bytes.extend_from_slice(&result);
            Ok(())
        });
    }
    if out.length != 0 {
        let length = u32::try_from(result.len()).unwrap_or(u32::MAX);
        put(guest.parts()?.0, out.length, length.to_le_bytes())?;
    }
    Ok(())
}
