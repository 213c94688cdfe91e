//! How fast spans leave: our sender beside the batch exporter of OpenTelemetry's SDK, on the same spans, to the
//! same sink, in rounds that alternate; and what it costs to have every span in a file first.
//!
//! `cargo bench -p meshspan-tests --bench export` [-- ROUNDS | --quick, which is one round]
//!
//! ```text
//! spans ─▶ SDK: BatchSpanProcessor, opentelemetry-otlp ─┐
//!      ─▶ ours: export::Exporter                        ├─▶ sink: OTLP/gRPC, unpacks, counts, one thread
//! bytes ─▶ ours: store (a file, durable) ─▶ forward     ┘
//! ```
//!
//! Both send requests of 512 spans. A round that does not bring every span to the sink fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking, as a test does"
)]

mod report;
mod sink;
mod spans;
mod subject;

use std::time::{Duration, Instant};

use sink::Sink;
use spans::Spans;
use subject::Subject;

/// As many as the SDK's queue holds here, and enough for a round to last much longer than a hiccup.
const SPANS: usize = 64 * 512;
const ROUNDS: usize = 21;

fn main() {
    // Cargo hands `--bench` in.
    let rounds = std::env::args().skip(1).find_map(|argument| match argument.as_str() {
        "--quick" => Some(1),
        number => number.parse().ok(),
    });
    let rounds = rounds.unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let sink = Sink::start();
    let mut subjects = subject::all(&runtime, sink.port());
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
    // The first round connects, and does not count.
    for round in 0..=rounds {
        let spans = Spans::make(SPANS, round);
        for step in 0..subjects.len() {
            // Nobody always follows the same.
            let place = (step + round) % subjects.len();
            let took = run(&mut subjects[place], &runtime, &spans, &sink);
            if round > 0 {
                times[place].push(took.as_secs_f64());
            }
        }
    }
    let names: Vec<&str> = subjects.iter().map(Subject::name).collect();
    print!("{}", report::of(&names, &times, SPANS));
}

#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn run(subject: &mut Subject, runtime: &tokio::runtime::Runtime, spans: &Spans, sink: &Sink) -> Duration {
    let (input, before) = (subject.prepare(spans), sink.count());
    let start = Instant::now();
    subject.send(runtime, input);
    let took = start.elapsed();
    assert_eq!(sink.count() - before, SPANS as u64, "{}: every span arrives, once", subject.name());
    took
}
