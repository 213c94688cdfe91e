//! Two functions that Emscripten imports beside the ABI, as proxy-wasm-cpp-host has them.

use wasmtime::{Caller, Linker};

use super::guest::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "emscripten_notify_memory_growth", |_: Caller<'_, VmData>, _memory: u32| {})?;
    linker.func_wrap("env", "pthread_equal", |_: Caller<'_, VmData>, left: u32, right: u32| {
        u32::from(left == right)
    })?;
    Ok(())
}
