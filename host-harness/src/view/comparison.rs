//! What changed between two replays, as text; colours as in [`super::text`].

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::compare::{Change, Comparison, Unpaired, What};
use crate::counted::counted;

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// The differences, a line break at the end of each line.
pub fn comparison(comparison: &Comparison) -> String {
    let spans = &comparison.spans;
    let mut lines = vec![row("exchanges", comparison.exchanges)];
    section(&mut lines, "request headers", changes(&comparison.request_headers));
    section(&mut lines, "response headers", changes(&comparison.response_headers));
    for (title, rows) in [
        ("request bodies", &comparison.request_bodies),
        ("response bodies", &comparison.response_bodies),
        ("request trailers", &comparison.request_trailers),
        ("response trailers", &comparison.response_trailers),
    ] {
        section(&mut lines, title, changes(rows));
    }
    lines.extend(unpaired("message", comparison.unpaired_messages));
    lines.push(row("spans", counts(spans.baseline, spans.current)));
    let by_name = spans.by_name.iter().map(|named| {
        let counts = counts(named.baseline, named.current);
        format!("  {counts}  {}, {} span {:?}", named.service, named.kind, named.name)
    });
    lines.extend(by_name);
    lines.extend(unpaired("span", spans.unpaired));
    section(&mut lines, "span fields", changes(&spans.fields));
    section(&mut lines, "attributes", changes(&spans.attributes));
    section(&mut lines, "resources", changes(&spans.resource_attributes));
    let counters = comparison.counters.iter();
    let counters = counters.map(|one| format!("  {}  {}", counts(one.baseline, one.current), one.name));
    section(&mut lines, "counters", counters.collect());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn row(title: &str, value: impl std::fmt::Display) -> String {
    format!("{BOLD}{title:<17}{BOLD:#} {value}")
}

fn section(lines: &mut Vec<String>, title: &str, rows: Vec<String>) {
    lines.push(row(title, if rows.is_empty() { "unchanged" } else { "changed" }));
    lines.extend(rows);
}

/// `6`, or `6 → 7`.
fn counts(baseline: u64, current: u64) -> String {
    if baseline == current { baseline.to_string() } else { format!("{baseline} → {current}") }
}

fn unpaired(what: &str, unpaired: Unpaired) -> Option<String> {
    let Unpaired { baseline, current } = unpaired;
    unpaired.any().then(|| format!("  {} only in the baseline, {current} only now", counted(baseline, what)))
}

/// A line a change, names and numbers in columns, and the example below it.
fn changes(changes: &[Change]) -> Vec<String> {
    let widest = changes.iter().map(|change| change.name.width()).max().unwrap_or_default();
    let lines = changes.iter().flat_map(|change| {
        let style = match change.change {
            What::Added => GREEN,
            What::Removed => RED,
            What::Changed => YELLOW,
        };
        let Change { name, count, example, .. } = change;
        let space = " ".repeat(widest - name.width());
        let what = change.change.as_str();
        let values = [&example.baseline, &example.current].map(|value| value.as_deref().unwrap_or("absent"));
        [
            format!("  {style}{what:<7}{style:#}  {name}{space}  {count:>6}"),
            format!("           {}: {}", example.at, values.join(" → ")),
        ]
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::compare::{Counter, Example, NamedSpans, SpanChanges};

    #[test]
    fn every_difference_has_its_row() {
        let change = |name: &str, change, baseline: Option<&str>, current: Option<&str>| Change {
            name: name.to_owned(),
            change,
            count: 7,
            example: Example {
                at: "exchange 1, web inbound".to_owned(),
                baseline: baseline.map(str::to_owned),
                current: current.map(str::to_owned),
            },
        };
        let named = NamedSpans {
            service: "web".to_owned(),
            kind: "server",
            name: "GET".to_owned(),
            baseline: 1,
            current: 0,
        };
        let example = Comparison {
            schema_version: 1,
            changed: true,
            exchanges: 2,
            request_headers: vec![
                change("b3", What::Removed, Some("1"), None),
                change("traceparent", What::Changed, Some("00"), Some("01")),
            ],
            response_headers: Vec::new(),
            request_bodies: vec![change("size", What::Changed, Some("1 byte"), Some("2 bytes"))],
            response_bodies: Vec::new(),
            request_trailers: Vec::new(),
            response_trailers: Vec::new(),
            unpaired_messages: Unpaired { baseline: 0, current: 1 },
            spans: SpanChanges {
                baseline: 4,
                current: 3,
                unpaired: Unpaired { baseline: 1, current: 0 },
                by_name: vec![named],
                fields: Vec::new(),
                attributes: vec![change("k", What::Added, None, Some("v"))],
                resource_attributes: Vec::new(),
            },
            counters: vec![Counter { name: "pauses".to_owned(), baseline: 0, current: 2 }],
        };
        let expected = "\
exchanges         2
request headers   changed
  removed  b3                7
           exchange 1, web inbound: 1 → absent
  changed  traceparent       7
           exchange 1, web inbound: 00 → 01
response headers  unchanged
request bodies    changed
  changed  size       7
           exchange 1, web inbound: 1 byte → 2 bytes
response bodies   unchanged
request trailers  unchanged
response trailers unchanged
  0 messages only in the baseline, 1 only now
spans             4 → 3
  1 → 0  web, server span \"GET\"
  1 span only in the baseline, 0 only now
span fields       unchanged
attributes        changed
  added    k       7
           exchange 1, web inbound: absent → v
resources         unchanged
counters          changed
  0 → 2  pauses
";
        assert_eq!(strip_str(&comparison(&example)).to_string(), expected);
    }
}
