//! Counters, gauges and histograms.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Slice, VmData, hostcall, put};
use super::numbers::metric_kind;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |caller: Caller<'_, VmData>, kind: u32, p: u32, n: u32, out: u32| {
            hostcall(caller, "proxy_define_metric", |guest| define(guest, kind, Slice(p, n), out))
        },
    )?;
    linker.func_wrap("env", "proxy_record_metric", |caller: Caller<'_, VmData>, id: u32, value: u64| {
        hostcall(caller, "proxy_record_metric", |guest| Ok(guest.state().record_metric(id, value)?))
    })?;
    linker.func_wrap(
        "env",
        "proxy_increment_metric",
        |caller: Caller<'_, VmData>, id: u32, offset: i64| {
            hostcall(caller, "proxy_increment_metric", |guest| {
                Ok(guest.state().increment_metric(id, offset)?)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_get_metric", |caller: Caller<'_, VmData>, id: u32, out: u32| {
        hostcall(caller, "proxy_get_metric", |guest| get(guest, id, out))
    })?;
    Ok(())
}

fn define(guest: &mut Guest<'_>, kind: u32, name: Slice, out: u32) -> Result<(), Fault> {
    let kind = metric_kind(kind)?;
    let (memory, state) = guest.parts()?;
    let name = name.of(memory)?;
    Slice(out, 4).of(memory)?;
    let id = state.define_metric(kind, name)?;
    put(memory, out, id.to_le_bytes())?;
    Ok(())
}

fn get(guest: &mut Guest<'_>, id: u32, out: u32) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    put(memory, out, state.metric(id)?.to_le_bytes())?;
    Ok(())
}
