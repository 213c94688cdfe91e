//! What the checked host costs, beside bare wasmtime calls of the same count: the floor.
//!
//! ```text
//! cargo bench -p meshspan --bench host             divan's figures, allocations included, then the tables
//! cargo bench -p meshspan --bench host -- noop     divan's figures of what has that in its name, without tables
//! ```
//!
//! A request is six callbacks: create, request headers, response headers, log, done, delete. Each runs under
//! an epoch deadline of its own, in the floor, too. The tables' ratios are those of paired rounds: in each
//! every variant has a slice of a quarter of a millisecond, so that what else the machine does hits all alike.
//! The same filter compiled natively is in `tests/benches/native_filter`: this package never imports it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking, as a test does"
)]

mod bare;
mod checked;
mod guests;
mod heads;
mod replay;
mod rounds;
mod startup;
mod threads;
mod traced;
mod variant;

use divan::{AllocProfiler, Bencher, Divan};
use mimalloc::MiMalloc;

use rounds::Rounds;
use variant::Variant;

/// The command's allocator.
#[global_allocator]
static ALLOCATIONS: AllocProfiler<MiMalloc> = AllocProfiler::new(MiMalloc);

/// The package of the guests.
const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/guests");
/// Times the floor that a request may take.
const TARGET: f64 = 2.0;
/// Rounds of requests.
const ROUNDS: usize = 2000;

fn main() {
    Divan::from_args().main();
    if std::env::args().skip(1).all(|argument| argument == "--bench") {
        print!("{}", requests());
        print!("{}", startup::table());
        print!("{}", replay::table());
        print!("{}", threads::table());
    }
}

/// One request through a VM that is warm.
#[divan::bench(args = Variant::ALL, sample_size = 100)]
fn request(bencher: Bencher<'_, '_>, variant: Variant) {
    bencher.bench_local(variant.start());
}

/// Every variant's time, and the checked host against the floor.
fn requests() -> String {
    let mut subjects: Vec<_> = Variant::ALL.iter().map(|variant| variant.start()).collect();
    let rounds = Rounds::measure(&mut subjects, ROUNDS);
    let mut table = rounds::heading("one request of six callbacks");
    for (place, variant) in Variant::ALL.iter().enumerate() {
        table.push_str(&rounds.row(&variant.to_string(), place));
    }
    table.push_str(&rounds::heading("ratio"));
    for (what, above, below, target) in [
        ("no-op, checked / bare", Variant::NoopChecked, Variant::NoopBare, Some(('≤', TARGET))),
        ("headers, checked / bare", Variant::HeadersChecked, Variant::HeadersBare, Some(('≤', TARGET))),
        ("our filter, unsampled / untraced", Variant::Unsampled, Variant::Untraced, None),
        ("our filter, sampled / untraced", Variant::Sampled, Variant::Untraced, None),
    ] {
        table.push_str(&rounds.ratio(what, above.place(), below.place(), target));
    }
    table
}
