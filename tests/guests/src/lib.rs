//! Proxy-wasm guests for tests, several programs in one module: the plugin's configuration names one.
//! Each line that a guest logs is a line of its transcript, `CONTEXT TEXT`: the callback with its arguments, the
//! hostcalls with their results, the action. What two hosts let the same guest see can so be compared.
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>
//!
//! `2 > request_headers 5 end` · `2 get x-absent → 1` · `2 < continue`
#![cfg(target_family = "wasm")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "guests are test code: what goes wrong in one must end it"
)]

mod exports;
mod host;
mod program;
mod programs;
mod transcript;
