//! The tables: cost of each variant under each load, then the ratios that have a target,
//! growth with the number of chunks, and what the proxies use at rest.

use std::fmt::Write;

use meshspan_tests::estimate::{Estimate, median, quantile};

use crate::load::Body;
use crate::rounds::{Cost, Measured};

/// Two variants whose added costs are compared, and the ratio that the first is to stay below.
const TARGETS: [(&str, &str, f64); 3] = [
    ("meshspan-100", "native-100-tuned", 0.3),
    ("meshspan-1", "native-1-tuned", 0.5),
    ("meshspan-0", "native-1-tuned", 0.5),
];

/// All that was measured.
pub(crate) fn report(measured: &[Measured]) -> String {
    let tables = measured.iter().filter(|measured| measured.costs.len() > 1).map(costs);
    tables.chain([ratios(measured), growth(measured), rest(measured)]).collect()
}

/// A load's table: CPU time of each variant and what it adds to no tracing.
fn costs(measured: &Measured) -> String {
    let title = measured.load.title;
    let mut table = format!(
        "\n{title:34}  CPU µs/request  added µs  95 % interval       quartiles of rounds\n{}\n",
        "─".repeat(99)
    );
    for cost in &measured.costs {
        let mut all = cost.rounds.clone();
        let _ = write!(table, "{:34}  {:14.1}", cost.variant.title, quantile(&mut all, 0.5));
        if let Some(none) = measured.costs.first().filter(|none| none.variant.name != cost.variant.name) {
            let mut added: Vec<f64> = (0..cost.rounds.len()).map(|round| added(cost, none, round)).collect();
            let estimate = Estimate::bootstrap(added.len(), |rounds| median(rounds, |round| added[round]));
            let quartiles = [0.25, 0.75].map(|q| quantile(&mut added, q));
            let _ = write!(
                table,
                "  {:8.1}  {}  {}",
                estimate.value,
                interval(estimate.low, estimate.high, 1),
                interval(quartiles[0], quartiles[1], 1)
            );
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    table
}

/// The ratios of added costs under small requests.
fn ratios(measured: &[Measured]) -> String {
    let mut table = String::new();
    for measured in measured.iter().filter(|measured| measured.load.body == Body::Small) {
        for (ours, theirs, target) in TARGETS {
            let (Some(none), Some(ours), Some(theirs)) =
                (measured.costs.first(), measured.of(ours), measured.of(theirs))
            else {
                continue;
            };
            let ratio = Estimate::bootstrap(none.rounds.len(), |rounds| {
                let added = |cost| median(rounds, |round| added(cost, none, round));
                added(ours) / added(theirs)
            });
            let what = format!("{} / {}", ours.variant.title, theirs.variant.title);
            let _ = writeln!(
                table,
                "{:22}{what:50}  {:5.2}  {}  ≤ {target:.2}  {}",
                measured.load.title,
                ratio.value,
                interval(ratio.low, ratio.high, 2),
                verdict(&ratio, target)
            );
        }
    }
    heading("ratios of added CPU", "value  95 % interval       target  verdict", table)
}

/// What a further chunk each way adds, where the load was run with few and with many.
fn growth(measured: &[Measured]) -> String {
    let streamed = measured.iter().filter_map(|measured| match measured.load.body {
        Body::Streamed { chunks } => Some((chunks as f64, measured)),
        Body::Small => None,
    });
    let streamed: Vec<_> = streamed.collect();
    let [(few, short), (many, long)] = streamed[..] else { return String::new() };
    let mut table = String::new();
    for (with_few, with_many) in short.costs.iter().zip(&long.costs) {
        let per_chunk = |round: usize| {
            let (few_none, many_none) = (&short.costs[0], &long.costs[0]);
            let traced = with_few.variant.name != few_none.variant.name;
            let cost = |cost: &Cost, none| if traced { added(cost, none, round) } else { cost.rounds[round] };
            (cost(with_many, many_none) - cost(with_few, few_none)) / (many - few)
        };
        let estimate = Estimate::bootstrap(with_few.rounds.len(), |rounds| median(rounds, per_chunk));
        let verdict = match () {
            () if with_few.variant.name == short.costs[0].variant.name => "the proxy itself",
            () if estimate.low > 0.0 => "grows",
            () => "no measurable growth",
        };
        let _ = writeln!(
            table,
            "{:72}  {:5.2}  {}  {verdict}",
            with_few.variant.title,
            estimate.value,
            interval(estimate.low, estimate.high, 2)
        );
    }
    let title = format!("µs for each further chunk there and back, {few} to {many} chunks");
    heading(&title, "value  95 % interval       verdict", table)
}

/// What each Envoy uses without requests: its timers.
fn rest(measured: &[Measured]) -> String {
    let most = measured.iter().max_by_key(|measured| measured.costs.len());
    let costs = most.map_or(&[][..], |measured| &measured.costs);
    let row = |cost: &Cost| format!("{:72}  {:5.0}\n", cost.variant.title, cost.at_rest);
    heading("µs of CPU each second at rest, taken off above", "value", costs.iter().map(row).collect())
}

impl Measured {
    fn of(&self, name: &str) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.variant.name == name)
    }
}

/// What a variant cost more than no tracing in the same round.
fn added(cost: &Cost, none: &Cost, round: usize) -> f64 {
    cost.rounds[round] - none.rounds[round]
}

fn verdict(ratio: &Estimate, target: f64) -> &'static str {
    match (ratio.value <= target, ratio.low <= target && target < ratio.high) {
        (true, false) => "met",
        (true, true) => "met, but within noise",
        (false, true) => "missed, but within noise",
        (false, false) => "missed",
    }
}

fn interval(low: f64, high: f64, digits: usize) -> String {
    format!("{:18}", format!("{low:.digits$} … {high:.digits$}"))
}

/// A table under its heading; nothing if it is empty.
fn heading(title: &str, columns: &str, table: String) -> String {
    if table.is_empty() { table } else { format!("\n{title:72}  {columns}\n{}\n{table}", "─".repeat(124)) }
}
