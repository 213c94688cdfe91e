//! What holds for any input, one module for each target: `check` panics where it does not hold.
//!
//! The targets in `fuzz_targets` hand over bytes and do nothing else, so that every check also runs in a
//! debugger or a test. Corpora are text wherever the input is, so that people can read and add to them.

pub mod b3;
pub mod config;
pub mod grpc_bin;
pub mod header_map;
#[cfg(feature = "host")]
pub mod hostcalls;
#[cfg(feature = "host")]
pub mod interpreter;
pub mod lines;
pub mod native;
pub mod node;
pub mod otlp_response;
pub mod propagation;
#[cfg(feature = "host")]
pub mod receive;
pub mod retry_after;
#[cfg(feature = "host")]
pub mod script;
#[cfg(feature = "host")]
pub mod stream;
pub mod traceparent;
pub mod tracestate;
#[cfg(feature = "host")]
pub mod traffic;
pub mod url;
