//! A wasmtime host for proxy-wasm HTTP filters.
//!
//! ```text
//! recording ─▶ Exchange ─▶ topology: which proxies does it pass?
//!    ─▶ vm ⇄ filter.wasm (abi: hostcalls on HostState) ─▶ OutboundCall (the filter's own OTLP export)
//!    ─▶ collect ─▶ exporter (OTLP) and view (text)
//! OTLP ─▶ receive ─▶ store (durable) ─▶ forward (OTLP) and serve (page, Jaeger's API)
//! ```

pub mod abi;
mod accept;
pub mod collect;
pub mod compare;
pub mod counted;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod flow;
pub mod forward;
pub mod gzip;
pub mod host;
pub mod mesh;
pub mod prometheus;
pub mod proxy;
pub mod receive;
pub mod replay;
pub mod serve;
pub mod store;
pub mod testing;
pub mod time;
pub mod tls;
pub mod topology;
pub mod traffic;
pub mod view;
pub mod vm;

/// The Meshspan filter that this build carries: a proxy-wasm 0.2.1 module for wasm32-wasip1.
pub const fn filter_wasm() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/meshspan_filter.wasm"))
}
