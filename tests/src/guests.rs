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
mod driven;
mod inputs;
mod live;
mod log;
mod oracle;
mod ours;
mod real;
mod retold;
mod scene;
mod traced;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

pub use meshspan::flow::{Part, Side};

pub use allowed::{ALLOWED, Allowed, CORPUS, Host, LIVE, LiveUses, Uses};
pub use compare::{Difference, differences, lines, on_the_wires, without_marks};
pub use inputs::{Input, Outcome};
pub use live::Live;
pub use log::{Answer, Pass, Transcripts};
pub use ours::Ours;
pub use real::Stage;
pub use retold::retold;
pub use scene::Scene;
pub use traced::Traced;

use crate::situation::{Desk, Seen};
use crate::{tools, wait};

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

/// The whole requests that an upstream has seen since the last time, by exchange, once nothing is under way there.
fn take_seen(desk: &Mutex<Desk>) -> BTreeMap<usize, Vec<Seen>> {
    let all = wait::until("the upstream to be idle", || {
        let mut desk = desk.lock().expect("no server panics");
        (desk.open == 0).then(|| std::mem::take(&mut desk.seen))
    });
    let mut seen: BTreeMap<usize, Vec<Seen>> = BTreeMap::new();
    for one in all.into_iter().filter(Seen::is_whole) {
        seen.entry(one.exchange().unwrap_or_default()).or_default().push(one);
    }
    seen
}
