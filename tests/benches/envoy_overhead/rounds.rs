//! The rounds: each visits every variant by turns, in an order that changes, and reads the CPU of all before
//! and after. While one is visited the others' timers go on, far more often for each request than in a proxy
//! under load: what an Envoy uses at rest is measured between the rounds, taken off, and reported by itself.

use std::io::{IsTerminal, stderr};
use std::thread::sleep;
use std::time::Duration;

use meshspan_tests::estimate::quantile;
use meshspan_tests::wait;

use crate::arguments::Arguments;
use crate::load::{Body, Load};
use crate::proxy::Proxy;
use crate::sink::Sink;
use crate::variant::Variant;

/// How long all Envoys rest after each round of all loads.
const REST: Duration = Duration::from_secs(1);

/// What one load cost each variant.
pub(crate) struct Measured {
    pub(crate) load: Load,
    pub(crate) costs: Vec<Cost>,
}

/// A variant's CPU time.
pub(crate) struct Cost {
    pub(crate) variant: Variant,
    /// Microseconds for a request more than at rest, round by round.
    pub(crate) rounds: Vec<f64>,
    /// Microseconds each second without requests.
    pub(crate) at_rest: f64,
}

/// A stretch of time and the CPU time that each Envoy used in it.
struct Window {
    lasted: Duration,
    used: Vec<Duration>,
}

/// Runs warm-up and all rounds; rounds of all loads take turns.
pub(crate) fn measure(proxies: &mut [Proxy], sink: &Sink, arguments: &Arguments) -> Vec<Measured> {
    let mut loads: Vec<(Load, Vec<Window>)> =
        arguments.loads().into_iter().map(|load| (load, Vec::new())).collect();
    let mut rests = Vec::new();
    let rounds = arguments.warmup_rounds + arguments.rounds;
    for number in 0..rounds {
        for (load, windows) in &mut loads {
            progress(&format!("round {} of {rounds}: {}", number + 1, load.name));
            let requests = load.requests(arguments.requests);
            windows.push(window(proxies, |proxies| round(number, proxies, sink, load, requests)));
        }
        rests.push(window(proxies, |_| sleep(REST)));
    }
    progress("");
    rests.drain(..arguments.warmup_rounds);
    let measured = |(load, mut windows): (Load, Vec<Window>)| {
        windows.drain(..arguments.warmup_rounds);
        let requests = load.requests(arguments.requests) as f64;
        let places = (0..proxies.len()).filter(|place| takes_part(&proxies[*place], &load));
        let costs = places.map(|place| cost(&windows, &rests, place, requests, proxies[place].variant));
        Measured { load, costs: costs.collect() }
    };
    loads.into_iter().map(measured).collect()
}

/// One round: all turns of all variants, until all spans have arrived.
fn round(number: usize, proxies: &mut [Proxy], sink: &Sink, load: &Load, requests: usize) {
    for (turn, start) in (0..requests).step_by(load.slice()).enumerate() {
        let slice = start..requests.min(start + load.slice());
        for place in order(number + turn, proxies.len()) {
            if takes_part(&proxies[place], load) {
                proxies[place].drive(load, slice.clone());
            }
        }
    }
    for proxy in proxies {
        proxy.drain(sink);
    }
}

fn window(proxies: &mut [Proxy], work: impl FnOnce(&mut [Proxy])) -> Window {
    let before: Vec<Duration> = proxies.iter().map(Proxy::cpu).collect();
    let ((), lasted) = wait::timed(|| work(proxies));
    let used = proxies.iter().zip(before).map(|(proxy, before)| proxy.cpu() - before).collect();
    Window { lasted, used }
}

/// The cost of the variant at this place.
fn cost(windows: &[Window], rests: &[Window], place: usize, requests: f64, variant: Variant) -> Cost {
    let micros = |window: &Window| window.used[place].as_secs_f64() * 1e6;
    let mut rates: Vec<f64> = rests.iter().map(|rest| micros(rest) / rest.lasted.as_secs_f64()).collect();
    let at_rest = quantile(&mut rates, 0.5);
    let over_rest = |window: &Window| micros(window) - at_rest * window.lasted.as_secs_f64();
    let rounds = windows.iter().map(|window| over_rest(window) / requests).collect();
    Cost { variant, rounds, at_rest }
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
