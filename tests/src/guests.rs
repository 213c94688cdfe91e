//! Guests that exercise the ABI (`tests/guests`), in a real Envoy and in the harness, exchange by exchange.
//!
//! ```text
//! before ─▶ the guest ─▶ after      each of the three tells in the log what it sees
//! ```
//!
//! What went into the guest and what came out is what the watching guests around it saw; what the guest saw
//! itself is its transcript.

mod allowed;
mod compare;
mod log;
mod oracle;
mod ours;
mod real;

use std::process::Command;

pub use meshspan::flow::{Part, Side};

pub use allowed::{ALLOWED, Allowed, Host, Uses};
pub use compare::{Difference, differences, lines};
pub use log::{Answer, Pass, Transcripts};
pub use ours::Ours;
pub use real::Stage;

use crate::tools;

/// The programs under test.
pub const PROGRAMS: [&str; 12] = [
    "headers",
    "maps",
    "bodies",
    "buffer",
    "call",
    "grpc",
    "reply",
    "properties",
    "trailers",
    "shared",
    "metrics",
    "statuses",
];

/// Something that passed between two filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it went.
    pub side: Side,
    /// What it was.
    pub part: Part,
    /// Whether nothing followed.
    pub end: bool,
}

/// The module with all programs, built when need be.
pub fn wasm() -> Vec<u8> {
    let directory = tools::target().join("guests");
    let mut command = Command::new(env!("CARGO"));
    tools::without_cargo(&mut command);
    command.args(["build", "--quiet", "--package", "meshspan-guests", "--profile", "filter"]);
    command.args(["--target", "wasm32-wasip1", "--target-dir"]).arg(&directory);
    let status = command.current_dir(tools::repository()).status().expect("cargo runs");
    assert!(status.success(), "cargo build of the guests: {status}");
    let path = directory.join("wasm32-wasip1/filter/meshspan_guests.wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
