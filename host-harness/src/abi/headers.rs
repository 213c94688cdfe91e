//! Header maps, trailers and metadata.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Out, Slice, VmData, hostcall, put};
use super::numbers::map_kind;
use crate::host::{HeaderMap, HostError, HostState, decode_pairs, encode_pairs};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    link_values(linker)?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_size",
        |caller: Caller<'_, VmData>, kind: u32, out: u32| {
            hostcall(caller, "proxy_get_header_map_size", |guest| size(guest, kind, out))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |caller: Caller<'_, VmData>, kind: u32, pointer: u32, length: u32| {
            hostcall(caller, "proxy_get_header_map_pairs", |guest| {
                get_pairs(guest, kind, Out { pointer, length })
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_header_map_pairs",
        |caller: Caller<'_, VmData>, kind: u32, p: u32, n: u32| {
            hostcall(caller, "proxy_set_header_map_pairs", |guest| set_pairs(guest, kind, Slice(p, n)))
        },
    )?;
    Ok(())
}

fn link_values(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |caller: Caller<'_, VmData>, kind: u32, k: u32, kn: u32, pointer: u32, length: u32| {
            hostcall(caller, "proxy_get_header_map_value", |guest| {
                get_value(guest, kind, Slice(k, kn), Out { pointer, length })
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_add_header_map_value",
        |caller: Caller<'_, VmData>, kind: u32, k: u32, kn: u32, v: u32, vn: u32| {
            hostcall(caller, "proxy_add_header_map_value", |guest| {
                add(guest, kind, Slice(k, kn), Slice(v, vn))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_replace_header_map_value",
        |caller: Caller<'_, VmData>, kind: u32, k: u32, kn: u32, v: u32, vn: u32| {
            hostcall(caller, "proxy_replace_header_map_value", |guest| {
                replace(guest, kind, Slice(k, kn), Slice(v, vn))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |caller: Caller<'_, VmData>, kind: u32, k: u32, kn: u32| {
            hostcall(caller, "proxy_remove_header_map_value", |guest| remove(guest, kind, Slice(k, kn)))
        },
    )?;
    Ok(())
}

/// A map that the guest wrote; one that breaks the format or a bound is without entries, as in Envoy.
pub(super) fn pairs(memory: &[u8], state: &mut HostState, map: Slice) -> Result<HeaderMap, HostError> {
    let decoded = decode_pairs(map.of(memory)?);
    if decoded.is_none() {
        state.explain(format_args!(
            "a map of {} bytes is malformed or above 1024 pairs or 1 MiB, taken as empty",
            map.1
        ));
    }
    Ok(decoded.unwrap_or_default())
}

/// The first value of that name.
fn get_value(guest: &mut Guest<'_>, kind: u32, name: Slice, out: Out) -> Result<(), Fault> {
    let kind = map_kind(kind)?;
    guest.hand_over(out, |memory, state, bytes| {
        let name = state.profile().alias(name.of(memory)?);
        let map = state.map(kind).ok_or_else(|| state.absent_map())?;
        match map.first_of(name) {
            Some(value) => bytes.extend_from_slice(value),
            None if state.abi.reads_absent_headers() => {}
            None => return Err(HostError::NotFound),
        }
        Ok(())
    })
}

/// Outside its phase a map is without entries.
fn get_pairs(guest: &mut Guest<'_>, kind: u32, out: Out) -> Result<(), Fault> {
    let kind = map_kind(kind)?;
    guest.hand_over(out, |_, state, bytes| {
        match state.map(kind) {
            Some(map) if map.len() > state.profile().max_pairs() => {
                let shown = map.iter().take(state.profile().max_pairs());
                encode_pairs(&HeaderMap::from_pairs(shown), bytes);
            }
            Some(map) => encode_pairs(map, bytes),
            None if state.profile().refuses_absent_maps() => return Err(HostError::OutsidePhase),
            None => {}
        }
        Ok(())
    })
}

/// Bytes of names and values, for a map that may be changed, as in Envoy.
fn size(guest: &mut Guest<'_>, kind: u32, out: u32) -> Result<(), Fault> {
    let kind = map_kind(kind)?;
    let (memory, state) = guest.parts()?;
    let size = u32::try_from(state.map_mut(kind)?.byte_size()).unwrap_or(u32::MAX);
    put(memory, out, size.to_le_bytes())?;
    Ok(())
}

fn set_pairs(guest: &mut Guest<'_>, kind: u32, map: Slice) -> Result<(), Fault> {
    let kind = map_kind(kind)?;
    let (memory, state) = guest.parts()?;
    let new = pairs(memory, state, map)?;
    let new = HeaderMap::from_pairs(new.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)));
    *state.map_mut(kind)? = new;
    Ok(())
}

fn add(guest: &mut Guest<'_>, kind: u32, name: Slice, value: Slice) -> Result<(), Fault> {
    let kind = map_kind(kind)?;
    let (memory, state) = guest.parts()?;
    state.add_header(kind, name.of(memory)?, value.of(memory)?)?;
    Ok(())
}

fn replace(guest: &mut Guest<'_>, kind: u32, name: Slice, value: Slice) -> Result<(), Fault> {
    let kind = map_kind(kind)?;
    let (memory, state) = guest.parts()?;
    state.replace_header(kind, name.of(memory)?, value.of(memory)?)?;
    Ok(())
}

fn remove(guest: &mut Guest<'_>, kind: u32, name: Slice) -> Result<(), Fault> {
    let kind = map_kind(kind)?;
    let (memory, state) = guest.parts()?;
    state.remove_header(kind, name.of(memory)?)?;
    Ok(())
}
