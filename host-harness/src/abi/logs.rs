//! `proxy_log`, `proxy_get_log_level`, the clock and the timer.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, Slice, VmData, hostcall, hostcall_always, put};
use super::numbers::log_level;
use crate::host::LogLevel;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_log", |caller: Caller<'_, VmData>, level: u32, p: u32, n: u32| {
        hostcall_always(caller, "proxy_log", |guest| log(guest, level, Slice(p, n)))
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |caller: Caller<'_, VmData>, out: u32| {
            hostcall_always(caller, "proxy_get_current_time_nanoseconds", |guest| {
                get_current_time(guest, out)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_tick_period_milliseconds",
        |caller: Caller<'_, VmData>, period: u32| {
            hostcall(caller, "proxy_set_tick_period_milliseconds", |guest| {
                Ok(guest.state().set_tick_period_ms(period)?)
            })
        },
    )?;
    Ok(())
}

/// What ABI 0.2.1 has beside the older ones.
pub(super) fn link_level(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_get_log_level", |caller: Caller<'_, VmData>, out: u32| {
        hostcall_always(caller, "proxy_get_log_level", |guest| get_log_level(guest, out))
    })?;
    Ok(())
}

fn log(guest: &mut Guest<'_>, level: u32, message: Slice) -> Result<(), Fault> {
    let level = log_level(level)?;
    let (memory, state) = guest.parts()?;
    state.log(level, message.of(memory)?);
    Ok(())
}

/// Info, Envoy's default. Lines below it are kept nevertheless.
fn get_log_level(guest: &mut Guest<'_>, out: u32) -> Result<(), Fault> {
    let (memory, _) = guest.parts()?;
    put(memory, out, (LogLevel::Info as u32).to_le_bytes())?;
    Ok(())
}

fn get_current_time(guest: &mut Guest<'_>, out: u32) -> Result<(), Fault> {
    let (memory, state) = guest.parts()?;
    put(memory, out, state.now().as_unix_nanos().to_le_bytes())?;
    Ok(())
}
