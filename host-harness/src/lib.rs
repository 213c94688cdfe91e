//! A wasmtime host for proxy-wasm HTTP filters.
//!
//! ```text
//! recording ─▶ Exchange ─▶ topology: which proxies does it pass?
//!    ─▶ vm ⇄ filter.wasm (abi: hostcalls on HostState) ─▶ OutboundCall (the filter's own OTLP export)
//!    ─▶ collect ─▶ exporter (OTLP) and view (text)
//! ```

pub mod abi;
pub mod collect;
pub mod export;
pub mod host;
pub mod replay;
pub mod time;
pub mod topology;
pub mod traffic;
pub mod view;
pub mod vm;
