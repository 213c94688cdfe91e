//! WASI preview 1 in both of its modules: output, clock, randomness, environment; for the rest see `stubs`.
//! Answers as in proxy-wasm-cpp-host, so that what compilers import beside the ABI does no harm.

mod errno;
mod stubs;

use wasmtime::{Caller, Linker};

use super::guest::{Slice, VmData, put, wasi_call};
use crate::host::{HostError, HostState, LogLevel, MAX_LINE_BYTES, WasiError};

pub(crate) use errno::Errno;

/// Most bytes of one `random_get`.
pub const MAX_RANDOM_BYTES: u32 = 64 * 1024;

pub(super) fn link(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_, VmData>, fd: u32, vectors: u32, count: u32, written: u32| {
            wasi_call(caller, "fd_write", |memory, state| {
                fd_write(memory, state, fd, (vectors, count), written)
            })
        },
    )?;
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_, VmData>, clock: u32, _precision: u64, out: u32| {
            wasi_call(caller, "clock_time_get", |memory, state| clock_time_get(memory, state, clock, out))
        },
    )?;
    linker.func_wrap(module, "random_get", |caller: Caller<'_, VmData>, p: u32, n: u32| {
        wasi_call(caller, "random_get", |memory, state| random_get(memory, state, Slice(p, n)))
    })?;
    linker.func_wrap(module, "proc_exit", |caller: Caller<'_, VmData>, code: u32| {
        wasi_call(caller, "proc_exit", |_, state| {
            state.explain(format_args!("the guest called proc_exit({code}), which does nothing"));
            Ok(())
        });
    })?;
    linker.func_wrap(module, "sched_yield", |caller: Caller<'_, VmData>| {
        wasi_call(caller, "sched_yield", |_, _| Ok(()))
    })?;
    linker.func_wrap(
        module,
        "poll_oneoff",
        |caller: Caller<'_, VmData>, _subscriptions: u32, _out: u32, _count: u32, events: u32| {
            wasi_call(caller, "poll_oneoff", |memory, _| poll_oneoff(memory, events))
        },
    )?;
    linker.func_wrap(module, "fd_fdstat_get", |caller: Caller<'_, VmData>, fd: u32, out: u32| {
        wasi_call(caller, "fd_fdstat_get", |memory, _| fd_fdstat_get(memory, fd, out))
    })?;
    link_environment(linker, module)?;
    stubs::link(linker, module)
}

fn link_environment(linker: &mut Linker<VmData>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(module, "environ_sizes_get", |caller: Caller<'_, VmData>, count: u32, size: u32| {
        wasi_call(caller, "environ_sizes_get", |memory, state| {
            put_sizes(memory, state.environment(), count, size)
        })
    })?;
    linker.func_wrap(module, "environ_get", |caller: Caller<'_, VmData>, pointers: u32, text: u32| {
        wasi_call(caller, "environ_get", |memory, state| {
            put_strings(memory, state.environment(), pointers, text)
        })
    })?;
    linker.func_wrap(module, "args_sizes_get", |caller: Caller<'_, VmData>, count: u32, size: u32| {
        wasi_call(caller, "args_sizes_get", |memory, _| put_sizes(memory, &[], count, size))
    })?;
    linker.func_wrap(module, "args_get", |caller: Caller<'_, VmData>, _pointers: u32, _text: u32| {
        wasi_call(caller, "args_get", |_, _| Ok(()))
    })?;
    Ok(())
}

/// There is nothing to wait for: no events, at once.
fn poll_oneoff(memory: &mut [u8], events: u32) -> Result<(), HostError> {
    put(memory, events, [0; 4])
}

/// Standard output becomes lines of level info, standard error of level error.
fn fd_write(
    memory: &mut [u8],
    state: &mut HostState,
    fd: u32,
    (vectors, count): (u32, u32),
    written: u32,
) -> Result<(), HostError> {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return Err(WasiError::BadFile(fd).into()),
    };
    let vectors = Slice(vectors, count.checked_mul(8).ok_or(HostError::Memory)?).of(memory)?;
    let mut message = Vec::new();
    let mut total = 0u32;
    for [p0, p1, p2, p3, n0, n1, n2, n3] in vectors.as_chunks().0 {
        let length = u32::from_le_bytes([*n0, *n1, *n2, *n3]);
        let part = Slice(u32::from_le_bytes([*p0, *p1, *p2, *p3]), length).of(memory)?;
        total = total.saturating_add(length);
        let room = MAX_LINE_BYTES.saturating_sub(message.len());
        message.extend_from_slice(part.get(..room).unwrap_or(part));
    }
    if total > 0 {
        state.log(level, message.strip_suffix(b"\n").unwrap_or(&message));
    }
    put(memory, written, total.to_le_bytes())
}

/// Realtime and monotonic are both the virtual clock.
fn clock_time_get(memory: &mut [u8], state: &HostState, clock: u32, out: u32) -> Result<(), HostError> {
    if clock > 1 {
        return Err(WasiError::UnknownClock(clock).into());
    }
    put(memory, out, state.now().as_unix_nanos().to_le_bytes())
}

fn random_get(memory: &mut [u8], state: &mut HostState, bytes: Slice) -> Result<(), HostError> {
    if bytes.1 > MAX_RANDOM_BYTES {
        return Err(WasiError::TooMuchRandom { asked: bytes.1, most: MAX_RANDOM_BYTES }.into());
    }
    state.fill_random(bytes.of_mut(memory)?);
    Ok(())
}

/// 24 bytes of zero but for the right to write.
fn fd_fdstat_get(memory: &mut [u8], fd: u32, out: u32) -> Result<(), HostError> {
    const RIGHT_TO_WRITE: u8 = 64;
    if fd != 1 && fd != 2 {
        return Err(WasiError::BadFile(fd).into());
    }
    let mut stat = [0; 24];
    if let Some(rights) = stat.get_mut(8) {
        *rights = RIGHT_TO_WRITE;
    }
    put(memory, out, stat)
}

fn put_sizes(memory: &mut [u8], strings: &[Vec<u8>], count: u32, size: u32) -> Result<(), HostError> {
    let bytes: usize = strings.iter().map(Vec::len).sum();
    put(memory, count, wasm_size(strings.len()).to_le_bytes())?;
    put(memory, size, wasm_size(bytes).to_le_bytes())
}

fn put_strings(memory: &mut [u8], strings: &[Vec<u8>], pointers: u32, text: u32) -> Result<(), HostError> {
    let (mut pointer, mut at) = (pointers, text);
    for string in strings {
        put(memory, pointer, at.to_le_bytes())?;
        Slice(at, wasm_size(string.len())).of_mut(memory)?.copy_from_slice(string);
        at = at.checked_add(wasm_size(string.len())).ok_or(HostError::Memory)?;
        pointer = pointer.checked_add(4).ok_or(HostError::Memory)?;
    }
    Ok(())
}

fn wasm_size(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
