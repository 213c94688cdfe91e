//! What `meshspan collect` has done, printed when it ends.

use std::collections::BTreeMap;
use std::fmt::Write;

use meshspan::receive::Metrics;
use meshspan::store::StoreStats;
use serde_json::{Value, json};

use crate::cli::args::Output;
use crate::cli::error::CliError;

/// Lines for people, or JSON.
pub(super) fn of(metrics: &Metrics, store: &StoreStats, output: Output) -> Result<String, CliError> {
    match output {
        Output::Table => Ok(table(metrics, store)),
        Output::Json => {
            let text = serde_json::to_string_pretty(&json(metrics, store));
            text.map(|text| text + "\n").map_err(|error| CliError::runtime(error.to_string()))
        }
    }
}

fn table(metrics: &Metrics, store: &StoreStats) -> String {
    let (stored, rejected, failed) = (metrics.stored(), metrics.rejected(), metrics.failed());
    let mut text = format!("{} spans received: {stored} stored", stored + rejected + failed);
    listed(&mut text, [("rejected for their ids", &rejected), ("not stored", &failed)]);
    text.push('\n');
    let refused =
        metrics.requests().into_iter().filter(|(outcome, _)| !matches!(*outcome, "accepted" | "partial"));
    let refused: BTreeMap<&str, u64> = refused.collect();
    if !refused.is_empty() {
        let _ = write!(text, "{} requests refused", refused.values().sum::<u64>());
        listed(&mut text, refused.iter().map(|(reason, requests)| (*reason, requests)));
        text.push('\n');
    }
    let _ = write!(text, "{} spans in the store", store.kept);
    listed(&mut text, store.evicted.iter().map(|(reason, spans)| (reason.as_str(), spans)));
    text.push('\n');
    for (name, destination) in &store.destinations {
        let _ = write!(text, "{name}: {} exported", destination.exported);
        listed(&mut text, [("queued", &destination.queued), ("rejected", &destination.rejected)]);
        listed(&mut text, destination.dropped.iter().map(|(reason, spans)| (reason.as_str(), spans)));
        text.push('\n');
    }
    text
}

/// What there is any of.
fn listed<'a>(text: &mut String, counts: impl IntoIterator<Item = (&'a str, &'a u64)>) {
    for (name, count) in counts.into_iter().filter(|(_, count)| **count > 0) {
        // Writing to a string does not fail.
        let _ = write!(text, ", {count} {name}");
    }
}

fn json(metrics: &Metrics, store: &StoreStats) -> Value {
    let destinations = store.destinations.iter().map(|(name, destination)| {
        let value = json!({
            "queued": destination.queued,
            "exported": destination.exported,
            "rejected": destination.rejected,
            "dropped": destination.dropped,
        });
        (name.clone(), value)
    });
    json!({
        "stored": metrics.stored(),
        "rejected": metrics.rejected(),
        "not_stored": metrics.failed(),
        "requests": metrics.requests(),
        "kept": store.kept,
        "evicted": store.evicted,
        "destinations": destinations.collect::<serde_json::Map<_, _>>(),
    })
}
