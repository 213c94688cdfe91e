//! HTTP and gRPC calls through the proxy. They are queued; nothing is sent before the guest has returned.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Slice, VmData, hostcall, put};
use super::headers::pairs;
use crate::host::{HeaderMap, HostState, OutboundKind};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |caller: Caller<'_, VmData>,
         upstream: u32,
         upstream_length: u32,
         headers: u32,
         headers_length: u32,
         body: u32,
         body_length: u32,
         trailers: u32,
         trailers_length: u32,
         timeout_ms: u32,
         token: u32| {
            let parts = [
                Slice(upstream, upstream_length),
                Slice(headers, headers_length),
                Slice(body, body_length),
                Slice(trailers, trailers_length),
            ];
            hostcall(caller, "proxy_http_call", |guest| http_call(guest, parts, timeout_ms, token))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_call",
        |caller: Caller<'_, VmData>,
         upstream: u32,
         upstream_length: u32,
         service: u32,
         service_length: u32,
         method: u32,
         method_length: u32,
         metadata: u32,
         metadata_length: u32,
         message: u32,
         message_length: u32,
         timeout_ms: u32,
         token: u32| {
            let parts = [
                Slice(upstream, upstream_length),
                Slice(service, service_length),
                Slice(method, method_length),
                Slice(metadata, metadata_length),
                Slice(message, message_length),
            ];
            hostcall(caller, "proxy_grpc_call", |guest| grpc_call(guest, parts, timeout_ms, token))
        },
    )?;
    link_grpc_streams(linker)
}

fn link_grpc_streams(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_grpc_stream",
        |caller: Caller<'_, VmData>,
         upstream: u32,
         upstream_length: u32,
         service: u32,
         service_length: u32,
         method: u32,
         method_length: u32,
         metadata: u32,
         metadata_length: u32,
         token: u32| {
            let parts = [
                Slice(upstream, upstream_length),
                Slice(service, service_length),
                Slice(method, method_length),
                Slice(metadata, metadata_length),
            ];
            hostcall(caller, "proxy_grpc_stream", |guest| grpc_stream(guest, parts, token))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_send",
        |caller: Caller<'_, VmData>, token: u32, message: u32, message_length: u32, end_of_stream: u32| {
            hostcall(caller, "proxy_grpc_send", |guest| {
                grpc_send(guest, token, Slice(message, message_length), end_of_stream != 0)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_grpc_cancel", |caller: Caller<'_, VmData>, token: u32| {
        hostcall(caller, "proxy_grpc_cancel", |guest| Ok(guest.state().grpc_cancel(token)?))
    })?;
    linker.func_wrap("env", "proxy_grpc_close", |caller: Caller<'_, VmData>, token: u32| {
        hostcall(caller, "proxy_grpc_close", |guest| Ok(guest.state().grpc_close(token)?))
    })?;
    Ok(())
}

fn http_call(
    guest: &mut Guest<'_>,
    [upstream, headers, body, trailers]: [Slice; 4],
    timeout_ms: u32,
    token: u32,
) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    // Envoy writes 0 first, so that the pointer is known to be good before anything is sent.
    put(memory, token, [0; 4])?;
    let (headers, trailers) = (pairs(memory, state, headers)?, pairs(memory, state, trailers)?);
    let kind = OutboundKind::Http { headers, body: body.of(memory)?.to_vec(), trailers };
    let issued = state.http_call(upstream.of(memory)?, kind, timeout_ms)?;
    put(memory, token, issued.to_le_bytes())?;
    Ok(())
}

fn grpc_call(
    guest: &mut Guest<'_>,
    [upstream, service, method, metadata, message]: [Slice; 5],
    timeout_ms: u32,
    token: u32,
) -> Result<(), Fault> {
    start_grpc(guest, [upstream, service, method, metadata], token, |state, memory, target| {
        let Target { upstream, service, method, metadata } = target;
        let message = message.of(memory)?.to_vec();
        Ok(state.grpc_call(
            upstream,
            OutboundKind::Grpc { service, method, metadata, message },
            timeout_ms,
        )?)
    })
}

fn grpc_stream(guest: &mut Guest<'_>, target: [Slice; 4], token: u32) -> Result<(), Fault> {
    start_grpc(guest, target, token, |state, _, target| {
        let Target { upstream, service, method, metadata } = target;
        Ok(state.grpc_stream(upstream, OutboundKind::GrpcStream { service, method, metadata })?)
    })
}

/// Where a gRPC call goes to, and with what.
struct Target<'m> {
    upstream: &'m [u8],
    service: Vec<u8>,
    method: Vec<u8>,
    metadata: HeaderMap,
}

/// Reads where a call goes to, and writes the token that `start` gives.
fn start_grpc(
    guest: &mut Guest<'_>,
    [upstream, service, method, metadata]: [Slice; 4],
    token: u32,
    start: impl FnOnce(&mut HostState, &[u8], Target<'_>) -> Result<u32, Fault>,
) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    Slice(token, 4).of(memory)?;
    let metadata = pairs(memory, state, metadata)?;
    let (service, method) = (service.of(memory)?.to_vec(), method.of(memory)?.to_vec());
    let target = Target { upstream: upstream.of(memory)?, service, method, metadata };
    let issued = start(state, memory, target)?;
    put(memory, token, issued.to_le_bytes())?;
    Ok(())
}

fn grpc_send(guest: &mut Guest<'_>, token: u32, message: Slice, end_of_stream: bool) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    state.grpc_send(token, message.of(memory)?, end_of_stream)?;
    Ok(())
}
