//! What `meshspan collect` has done, printed when it ends.

use std::collections::BTreeMap;
use std::fmt::Write;

use meshspan::counted::counted;
use meshspan::receive::Metrics;
use meshspan::store::StoreStats;
use serde_json::{Value, json};

use crate::cli::args::Output;
use crate::cli::error::CliError;
use crate::cli::output::{self, list};

/// Lines for people, or JSON.
pub(super) fn of(metrics: &Metrics, store: &StoreStats, output: Output) -> Result<String, CliError> {
    match output {
        Output::Table => Ok(table(metrics, store)),
        Output::Json => output::json_text(&json(metrics, store)),
    }
}

fn table(metrics: &Metrics, store: &StoreStats) -> String {
    let (stored, rejected, failed) = (metrics.stored(), metrics.rejected(), metrics.failed());
    let mut text = format!("{} received: {stored} stored", counted(stored + rejected + failed, "span"));
    list(&mut text, [("rejected for their ids", rejected), ("not stored", failed)]);
    text.push('\n');
    let refused =
        metrics.requests().into_iter().filter(|(outcome, _)| !matches!(*outcome, "accepted" | "partial"));
    let refused: BTreeMap<&str, u64> = refused.collect();
    if !refused.is_empty() {
        let _ = write!(text, "{} refused", counted(refused.values().sum(), "request"));
        list(&mut text, refused);
        text.push('\n');
    }
    let _ = write!(text, "{} in the store", counted(store.kept, "span"));
    list(&mut text, store.evicted.iter().map(|(reason, spans)| (gone(reason), *spans)));
    text.push('\n');
    for (name, destination) in &store.destinations {
        let _ = write!(text, "{name}: {} exported", destination.exported);
        list(&mut text, [("queued", destination.queued), ("rejected", destination.rejected)]);
        let dropped = destination.dropped.iter();
        list(&mut text, dropped.map(|(reason, spans)| (lost(reason), *spans)));
        text.push('\n');
    }
    text
}

/// Why spans went from the store, in words.
fn gone(reason: &str) -> &str {
    match reason {
        "size" => "evicted for the store's size (--max-bytes)",
        "age" => "evicted for their age (--max-age)",
        other => other,
    }
}

/// Why a destination will not get spans, in words.
fn lost(reason: &str) -> &str {
    if reason == "evicted" { "evicted before they were sent" } else { reason }
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

#[cfg(test)]
mod tests {
    use meshspan::store::DestinationStats;

    use super::*;

    #[test]
    fn it_says_why_spans_are_gone() {
        let dropped = [("evicted".to_owned(), 8_400), ("HTTP 400".to_owned(), 2)].into();
        let destination = DestinationStats { exported: 1, dropped, ..DestinationStats::default() };
        let store = StoreStats {
            kept: 1,
            evicted: [("size".to_owned(), 8_400), ("age".to_owned(), 7), ("settled".to_owned(), 3)].into(),
            destinations: [("a".to_owned(), destination)].into(),
            ..StoreStats::default()
        };
        let expected = "\
0 spans received: 0 stored
1 span in the store, 7 evicted for their age (--max-age), 3 settled, 8400 evicted for the store's size (--max-bytes)
a: 1 exported, 2 HTTP 400, 8400 evicted before they were sent
";
        assert_eq!(table(&Metrics::default(), &store), expected);
    }
}
