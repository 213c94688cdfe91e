//! The proxy-wasm ABI 0.2.1 and the WASI functions beside it: hostcalls onto [`HostState`](crate::host::HostState).
//!
//! One file per family; each hostcall decodes its arguments, acts on the state, and its error becomes a
//! [`Status`] by one table. Knows nothing of when the guest is called: that is `vm`.
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>; where Envoy differs, Envoy counts.
//! `proxy_get_header_map_value(0, "traceparent")` → 0 and an allocation in the guest, or 1

mod buffers;
mod calls;
mod contexts;
mod emscripten;
mod foreign;
mod guest;
mod headers;
mod legacy;
mod limiter;
mod logs;
mod metrics;
mod numbers;
mod probe;
mod properties;
mod queues;
mod shared;
mod shown;
mod signatures;
mod status;
mod streams;
mod wasi;

use wasmtime::Linker;

use crate::host::AbiVersion;

pub(crate) use guest::{Allocator, VmData};
pub use limiter::MAX_TABLE_ELEMENTS;
pub(crate) use limiter::{Limiter, Refused};
pub(crate) use probe::{Probe, attach, attach_allocator, link as link_probe};
pub use status::Status;
pub use wasi::MAX_RANDOM_BYTES;

/// Links every import that a guest of this version may have.
pub(crate) fn link(linker: &mut Linker<VmData>, version: AbiVersion) -> wasmtime::Result<()> {
    logs::link(linker)?;
    buffers::link(linker)?;
    headers::link(linker)?;
    streams::link(linker)?;
    if version.tells_log_level() {
        logs::link_level(linker)?;
    }
    if version.is_of_http_only() {
        legacy::link(linker)?;
    } else {
        streams::link_any(linker)?;
    }
    emscripten::link(linker)?;
    calls::link(linker)?;
    properties::link(linker)?;
    metrics::link(linker)?;
    shared::link(linker)?;
    queues::link(linker)?;
    foreign::link(linker)?;
    contexts::link(linker)?;
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        wasi::link(linker, module)?;
    }
    Ok(())
}
