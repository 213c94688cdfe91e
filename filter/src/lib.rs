//! The Meshspan filter: distributed tracing for any WebAssembly-capable proxy.
//!
//! ```text
//! header map ─ propagation::extract ─▶ TraceContext ─ sampler ─▶ decision
//!    ─ tracer.start ─▶ Pass: ActiveSpan(SERVER) + ActiveSpan(CLIENT) ─ propagation::inject ─▶ header map
//! response head, trailers, stream end ─▶ Pass.end ─▶ encoded spans ─▶ batch ─▶ OTLP request ─▶ callout
//! ```
//!
//! Everything but `plugin` is pure: no hostcalls, no clock, no randomness of its own.

pub mod attributes;
pub mod batch;
pub mod config;
pub mod context;
pub mod contexts;
pub mod headers;
pub mod ids;
pub mod otlp;
pub mod propagation;
pub mod retry;
pub mod sampler;
pub mod span;
pub mod time;
pub mod tracer;

#[cfg(target_os = "wasi")]
mod plugin;
