//! What only guests of ABI 0.1.0 import.

use wasmtime::{Caller, Linker};

use super::guest::{Out, VmData, hostcall};
use crate::host::Direction;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_continue_request", |caller: Caller<'_, VmData>| {
        hostcall(caller, "proxy_continue_request", |guest| {
            Ok(guest.state().continue_stream(Direction::Request)?)
        })
    })?;
    linker.func_wrap("env", "proxy_continue_response", |caller: Caller<'_, VmData>| {
        hostcall(caller, "proxy_continue_response", |guest| {
            Ok(guest.state().continue_stream(Direction::Response)?)
        })
    })?;
    // There are no routes to choose anew.
    linker.func_wrap("env", "proxy_clear_route_cache", |caller: Caller<'_, VmData>| {
        hostcall(caller, "proxy_clear_route_cache", |_| Ok(()))
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_configuration",
        |caller: Caller<'_, VmData>, pointer: u32, length: u32| {
            hostcall(caller, "proxy_get_configuration", |guest| {
                guest.hand_over(Out { pointer, length }, |_, state, bytes| {
                    bytes.extend_from_slice(state.current_configuration());
                    Ok(())
                })
            })
        },
    )?;
    Ok(())
}
