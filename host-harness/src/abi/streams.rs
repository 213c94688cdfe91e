//! Continuing, closing and answering a stream; the status of a call.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Out, Slice, VmData, hostcall, put};
use super::headers::pairs;
use super::numbers::direction;
use crate::host::LocalReply;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |caller: Caller<'_, VmData>,
         status: u32,
         details: u32,
         details_length: u32,
         body: u32,
         body_length: u32,
         headers: u32,
         headers_length: u32,
         grpc_status: i32| {
            let parts =
                [Slice(details, details_length), Slice(body, body_length), Slice(headers, headers_length)];
            hostcall(caller, "proxy_send_local_response", |guest| {
                send_local_response(guest, status, parts, grpc_status)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_status",
        |caller: Caller<'_, VmData>, code: u32, pointer: u32, length: u32| {
            hostcall(caller, "proxy_get_status", |guest| get_status(guest, code, Out { pointer, length }))
        },
    )?;
    Ok(())
}

/// What ABI 0.1.0 has not: streams of any kind.
pub(super) fn link_any(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_continue_stream", |caller: Caller<'_, VmData>, stream: u32| {
        hostcall(caller, "proxy_continue_stream", |guest| {
            Ok(guest.state().continue_stream(direction(stream)?)?)
        })
    })?;
    linker.func_wrap("env", "proxy_close_stream", |caller: Caller<'_, VmData>, stream: u32| {
        hostcall(caller, "proxy_close_stream", |guest| Ok(guest.state().close_stream(direction(stream)?)?))
    })?;
    Ok(())
}

fn send_local_response(
    guest: &mut Guest<'_>,
    status: u32,
    [details, body, headers]: [Slice; 3],
    grpc_status: i32,
) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    let (details, body) = (details.of(memory)?.to_vec(), body.of(memory)?.to_vec());
    let headers = pairs(memory, state, headers)?;
    state.send_local_reply(LocalReply { status, details, headers, body, grpc_status });
    Ok(())
}

fn get_status(guest: &mut Guest<'_>, code: u32, out: Out) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    put(memory, code, state.status().0.to_le_bytes())?;
    guest.hand_over(out, |_, state, bytes| {
        bytes.extend_from_slice(state.status().1.as_bytes());
        Ok(())
    })
}
