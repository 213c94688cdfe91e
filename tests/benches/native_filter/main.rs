//! What the sandbox costs the filter: its logic compiled natively beside its wasm in the harness's host.
//! Stands here because the harness never imports the filter.
//!
//! ```text
//! cargo bench -p meshspan-tests --bench native_filter
//! cargo bench -p meshspan-tests --bench native_filter -- --quick    two rounds: shows that it runs
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking, as a test does"
)]

mod native;

#[path = "../../../host-harness/benches/host/heads.rs"]
mod heads;
#[path = "../../../host-harness/benches/host/rounds.rs"]
mod rounds;
#[path = "../../../host-harness/benches/host/traced.rs"]
mod traced;

use native::Native;
use rounds::{Request, Rounds};
use traced::Traced;

const ROUNDS: usize = 2000;

fn main() {
    let kinds = [("no context", None), ("not sampled", Some("00")), ("sampled and exported", Some("01"))];
    let started = |(_, flags)| -> [Request; 2] {
        [Native::start(flags).into_requests(), Traced::start(flags).into_requests()]
    };
    let mut subjects: Vec<Request> = kinds.into_iter().flat_map(started).collect();
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let rounds = Rounds::measure(&mut subjects, if is_quick { 2 } else { ROUNDS });
    print!("{}", rounds::heading("one request"));
    for (place, (kind, _)) in kinds.into_iter().enumerate() {
        print!("{}", rounds.row(&format!("{kind}, native"), 2 * place));
        print!("{}", rounds.row(&format!("{kind}, in the host"), 2 * place + 1));
    }
    print!("{}", rounds::heading("ratio"));
    for (place, (kind, _)) in kinds.into_iter().enumerate() {
        let what = format!("{kind}, in the host / native");
        print!("{}", rounds.ratio(&what, 2 * place + 1, 2 * place, None));
    }
}
