//! The rounds: each visits every variant by turns, in an order that changes, and reads the CPU of all before
//! and after.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::load::{Body, Load};
use crate::proxy::Proxy;
use crate::sink::Sink;
use crate::variant::Variant;

/// What one load cost each variant.
pub(crate) struct Measured {
    pub(crate) load: Load,
    pub(crate) costs: Vec<Cost>,
}

/// A variant's CPU time per request, in microseconds, round by round.
pub(crate) struct Cost {
    pub(crate) variant: Variant,
    pub(crate) rounds: Vec<f64>,
}

/// Runs warm-up and all rounds; rounds of all loads take turns.
pub(crate) fn measure(proxies: &mut [Proxy], sink: &Sink, arguments: &Arguments) -> Vec<Measured> {
    let none = |proxy: &Proxy| Cost { variant: proxy.variant, rounds: Vec::new() };
    let loads = arguments.loads().into_iter();
    let mut measured: Vec<Measured> =
        loads.map(|load| Measured { load, costs: proxies.iter().map(none).collect() }).collect();
    let rounds = arguments.warmup_rounds + arguments.rounds;
    for number in 0..rounds {
        for Measured { load, costs } in &mut measured {
            progress(&format!("round {} of {rounds}: {}", number + 1, load.name));
            let used = round(number, proxies, sink, load, arguments.requests);
            if number >= arguments.warmup_rounds {
                for (cost, used) in costs.iter_mut().zip(used) {
                    cost.rounds.extend(used);
                }
            }
        }
    }
    progress("");
    for load in &mut measured {
        load.costs.retain(|cost| !cost.rounds.is_empty());
    }
    measured
}

/// One round: the CPU time per request of each variant that takes part.
fn round(number: usize, proxies: &mut [Proxy], sink: &Sink, load: &Load, small: usize) -> Vec<Option<f64>> {
    let requests = load.requests(small);
    let before: Vec<Duration> = proxies.iter().map(Proxy::cpu).collect();
    for (turn, start) in (0..requests).step_by(load.slice()).enumerate() {
        let slice = start..requests.min(start + load.slice());
        for place in order(number + turn, proxies.len()) {
            if takes_part(&proxies[place], load) {
                proxies[place].drive(load, slice.clone());
            }
        }
    }
    for proxy in &*proxies {
        proxy.drain(sink);
    }
    let of = |(proxy, before): (&Proxy, Duration)| {
        let micros = (proxy.cpu() - before).as_secs_f64() * 1e6;
        takes_part(proxy, load).then_some(micros / requests as f64)
    };
    proxies.iter().zip(before).map(of).collect()
}

fn takes_part(proxy: &Proxy, load: &Load) -> bool {
    load.body == Body::Small || proxy.variant.streams()
}

/// Every place once: the start moves, and every other turn goes backwards, so that nobody always follows the
/// same.
fn order(turn: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| {
        let place = (step + turn / 2) % count;
        if turn.is_multiple_of(2) { place } else { count - 1 - place }
    })
}

fn progress(line: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
    }
}
