//! The tables: spans a second of each, then the ratios that have a target.

use std::fmt::Write;

use meshspan_tests::estimate::{Estimate, median, quantile};

/// Two subjects whose speeds are compared, and what the first is to reach of the second's.
const TARGETS: [(&str, &str, f64); 4] = [
    ("meshspan, plain", "SDK, plain", 1.0),
    ("meshspan, gzip", "SDK, gzip", 1.0),
    ("meshspan, stored first, plain", "SDK, plain", 0.5),
    ("meshspan, stored first, gzip", "SDK, gzip", 0.5),
];

/// `times` are seconds for `spans` spans, by subject and round.
pub(crate) fn of(names: &[&str], times: &[Vec<f64>], spans: usize) -> String {
    let mut text = heading("spans a second", "median", "quartiles of rounds");
    for (name, times) in names.iter().zip(times) {
        let mut speeds: Vec<f64> = times.iter().map(|time| spans as f64 / time / 1e3).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|q| quantile(&mut speeds, q));
        let _ = writeln!(text, "{name:48}  {middle:7.0} k  {low:.0} … {high:.0} k");
    }
    text += &heading("ratio of speeds in the same round", "median", "95 % interval   target  verdict");
    let place = |name| names.iter().position(|known| *known == name);
    for (ours, theirs, target) in TARGETS {
        let (Some(ours_at), Some(theirs_at)) = (place(ours), place(theirs)) else { continue };
        let ratio = Estimate::bootstrap(times[ours_at].len(), |rounds| {
            median(rounds, |round| times[theirs_at][round] / times[ours_at][round])
        });
        let verdict = if ratio.value >= target { "met" } else { "missed" };
        let interval = format!("{:.2} … {:.2}", ratio.low, ratio.high);
        let what = format!("{ours} / {theirs}");
        let _ = writeln!(text, "{what:48}  {:9.2}  {interval:14}  ≥ {target:.2}  {verdict}", ratio.value);
    }
    text
}

fn heading(title: &str, first: &str, second: &str) -> String {
    format!("\n{title:48}  {first:>9}  {second}\n{}\n", "─".repeat(96))
}
