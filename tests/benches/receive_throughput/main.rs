//! Receive and forward, side by side: rotel, and `meshspan collect` without and with traces to look at, without
//! and with a file, each between the same senders and the same sink. Every span is counted at the sink; the clock stops with the last one.
//!
//! `cargo bench -p meshspan-tests --bench receive_throughput`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot run fails by panicking"
)]

mod load;
mod sink;
mod subject;

use std::time::Duration;

use load::Load;
use meshspan_tests::wait;
use sink::Sink;
use subject::{SUBJECTS, Subject};

/// What `--help` prints.
const HELP: &str = "\
Spans a second from OTLP/gRPC in to OTLP/gRPC out.

cargo bench -p meshspan-tests --bench receive_throughput -- [OPTIONS]

  --rounds N     rounds, each visits every subject [7]
  --spans N      spans to a subject in a round [400000]
  --quick        one small round: shows that it runs, not how fast it is
";

/// The sizes of requests: a busy application's batch, and a proxy's.
const REQUEST_SPANS: [usize; 2] = [512, 20];

/// What one subject did in one round.
#[derive(Clone, Copy)]
struct Measured {
    spans_per_second: f64,
    /// The subject's own, all threads.
    cpu_seconds_per_million: f64,
}

fn main() {
    let (mut rounds, mut spans) = (7, 400_000);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let number = words.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
            number.unwrap_or_else(|| panic!("{word} needs a positive number"))
        };
        match word.as_str() {
            // Cargo's own, to programs that are no test harness.
            "--bench" => {}
            "--quick" => (rounds, spans) = (1, 20_000),
            "--rounds" => rounds = number(),
            "--spans" => spans = number(),
            "--help" | "-h" => return print!("{HELP}"),
            _ => panic!("unknown argument {word}\n{HELP}"),
        }
    }
    for request_spans in REQUEST_SPANS {
        let load = Load::new(request_spans, spans);
        println!(
            "{} spans in requests of {request_spans} ({} bytes), medians of {rounds} rounds:",
            load.spans(),
            load.request_bytes()
        );
        compare(&load, rounds);
    }
}

fn compare(load: &Load, rounds: usize) {
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); SUBJECTS.len()];
    for round in 0..rounds {
        // No subject always comes first.
        for turn in 0..SUBJECTS.len() {
            let index = (round + turn) % SUBJECTS.len();
            measured[index].push(measure(SUBJECTS[index], load));
        }
    }
    let rotel = median(&measured[0], |one| one.spans_per_second);
    println!("| | spans/s | of rotel's | CPU s per million spans |\n|---|--:|--:|--:|");
    for (subject, rounds) in SUBJECTS.iter().zip(&measured) {
        let speed = median(rounds, |one| one.spans_per_second);
        let cpu = median(rounds, |one| one.cpu_seconds_per_million);
        println!("| {} | {speed:.0} | {:.2} | {cpu:.2} |", subject.title(), speed / rotel);
    }
    println!();
}

fn measure(subject: Subject, load: &Load) -> Measured {
    let sink = Sink::start();
    let running = subject.start(sink.port());
    // Connections are made, buffers are there.
    load.warm_up(running.port());
    sink.wait_for(load.warm_up_spans());
    let cpu_before = running.cpu();
    let (again, took) = wait::timed(|| {
        let again = load.send(running.port());
        sink.wait_for(load.warm_up_spans() + load.spans());
        again
    });
    // What the subject still does for these spans, such as to write down that they are sent.
    std::thread::sleep(Duration::from_millis(300));
    let cpu = running.cpu() - cpu_before;
    if again > 0 {
        println!("{}: {again} requests were sent again", subject.title());
    }
    Measured {
        spans_per_second: load.spans() as f64 / took.as_secs_f64(),
        cpu_seconds_per_million: cpu.as_secs_f64() / load.spans() as f64 * 1e6,
    }
}

fn median(rounds: &[Measured], value: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
