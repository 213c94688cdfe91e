//! Fixtures of the tests that cross crates: a real Envoy, foreign collectors, an application, clients.
//!
//! ```text
//! client ─▶ envoy (the wasm under test) ─▶ upstream          what the application got
//!                    └─ OTLP ─▶ rotel, oteltap ─▶ spans      what a collector by others got
//! ```
//!
//! `situation` plays both ends of one exchange, with the filter and without, and compares.
//!
//! A fixture that cannot start panics: its test fails with the reason. Tools come from `./tests/run --tools`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "fixtures are test code: a broken fixture must fail its test"
)]

pub mod authority;
pub mod browser;
pub mod client;
pub mod collect;
pub mod corpus;
pub mod counters;
pub mod cpu;
pub mod demo;
pub mod disk;
pub mod echo;
pub mod envoy;
pub mod estimate;
pub mod faulty_collector;
pub mod gate;
pub mod guests;
pub mod harness;
pub mod ledger;
pub mod listening;
pub mod live;
pub mod load;
pub mod oteltap;
pub mod otlp;
pub mod process;
pub mod rig;
pub mod rotel;
pub mod rules;
pub mod sidecar;
pub mod sink;
pub mod situation;
pub mod situations;
pub mod spans;
pub mod tools;
pub mod traces;
pub mod upstream;
pub mod wait;
