//! What the store costs: a million spans written, beside SQLite alone with the same bytes, and searches among them.
//!
//! ```text
//! cargo bench -p meshspan --bench store                    in the system's folder for temporary files
//! cargo bench -p meshspan --bench store -- --dir DIR       in a folder on the disk that matters
//! cargo bench -p meshspan --bench store -- --quick         with a fiftieth of the traces
//! ```
//!
//! Ten services send requests of 512 spans, as OpenTelemetry's SDKs do, so that a trace of a hundred spans comes
//! in at least ten of them. Every write is on the disk when it counts as done. The floor inserts the same requests
//! into one table, as many in a transaction as there are senders.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and fails by panicking, as a test does"
)]

mod searches;
mod traffic;
mod writes;

use std::path::PathBuf;

use meshspan::store::{Store, StoreOptions};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| arguments.iter().skip_while(|argument| *argument != flag).nth(1);
    let base = after("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(base).unwrap();
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let requests = traffic::requests(if is_quick { traffic::TRACES / 50 } else { traffic::TRACES });
    print!("{}", writes::table(&requests, directory.path()));
    let options = StoreOptions { max_bytes: 4 << 30, ..StoreOptions::default() };
    let store = Store::open(&directory.path().join(writes::STORE), options).unwrap();
    print!("{}", searches::table(&store));
}
