//! The summary as a table of text; colours as in [`super::text`].

mod policies;

use std::collections::BTreeMap;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::library::SearchResult;
use super::summary::{ExportSummary, FilterDeeds, ServiceSpans, Summary, Volume, WhatIf};
use super::text::printable;
use super::units::{bytes, duration, number};
use crate::counted::counted;

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// The table, a line break at the end of each line.
pub fn summary(summary: &Summary) -> String {
    let mut lines = vec![
        row("exchanges", summary.exchanges),
        row("proxy passes", passes(summary)),
        row("traces", summary.traces),
        row("spans", spans(summary)),
        row("  by kind", counts(&summary.spans.by_kind)),
    ];
    if !summary.skipped.is_empty() {
        lines.insert(1, row("  skipped", reasons(&summary.skipped)));
    }
    lines.extend(services(&summary.spans.by_service));
    lines.extend(summary.volume.as_ref().map(|volume| row("volume", rates(volume))));
    lines.extend(summary.what_if.iter().map(what_if));
    lines.extend(policies::rows(summary));
    lines.push(row("orphans", marked(summary.orphans, RED)));
    let lost: u64 = summary.lost_context.iter().map(|lost| lost.requests).sum();
    lines.push(row("lost context", marked(lost, YELLOW)));
    lines.extend(summary.lost_context.iter().map(|lost| format!("  {YELLOW}{}{YELLOW:#}", lost.explanation)));
    lines.push(row("dropped", reasons(&summary.dropped)));
    lines.extend(export(summary.export.as_ref()));
    if summary.filter != FilterDeeds::default() {
        let style = if summary.filter.vms_lost + summary.filter.held_too_long > 0 { RED } else { YELLOW };
        lines.push(row("filter", format!("{style}{}{style:#}", summary.filter)));
    }
    if let Some(time) = &summary.filter_time_per_pass {
        lines.push(row("filter per pass", time));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Headings and a line a trace, the ids first, a line break at the end of each.
pub fn traces(found: &SearchResult) -> String {
    let mut text = String::new();
    if !found.traces.is_empty() {
        let (id, start) = ("trace", "start (UTC)");
        text.push_str(&format!("{BOLD}{id:<32} {start:<23} duration spans service: name{BOLD:#}\n"));
    }
    for trace in &found.traces {
        let counts = [(trace.errors, "error", RED), (trace.orphans, "orphan", YELLOW)].into_iter();
        let counts = counts
            .filter(|(count, ..)| *count > 0)
            .map(|(count, name, style)| format!(" · {style}{}{style:#}", counted(count as u64, name)));
        let start = start(&trace.start_unix_nano);
        let length = duration(Duration::from_nanos(trace.duration_ns));
        let name = printable(&format!("{}: {}", trace.service, trace.name));
        let counts: String = counts.collect();
        text.push_str(&format!(
            "{} {start:<23} {length:>8} {:>5} {BOLD}{name}{BOLD:#}{counts}\n",
            trace.trace_id, trace.spans
        ));
    }
    let least = if found.more { "at least " } else { "" };
    text.push_str(&format!("{} of {least}{}\n", found.traces.len(), counted(found.total as u64, "trace")));
    text
}

/// `2026-11-22 05:00:00.000`
fn start(unix_nano: &str) -> String {
    let instant = unix_nano.parse().ok().and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos).ok());
    instant.map(|instant| instant.strftime("%F %T%.3f").to_string()).unwrap_or_default()
}

fn row(title: &str, value: impl std::fmt::Display) -> String {
    format!("{BOLD}{title:<16}{BOLD:#} {value}")
}

/// `906`, or how many of them the filter recorded, if it did not record all.
fn passes(summary: &Summary) -> String {
    let Summary { proxy_passes: all, recorded_passes: recorded, .. } = *summary;
    if recorded == 0 || recorded >= all {
        return all.to_string();
    }
    format!("{all} ({recorded} recorded, {:.1}%)", 100.0 * recorded as f64 / all as f64)
}

/// `12.3 spans/s, 4.56 kB/s, 394 MB a day`
fn rates(volume: &Volume) -> String {
    format!(
        "{} spans/s, {}/s, {} a day",
        number(volume.spans_per_second),
        bytes(volume.bytes_per_second),
        bytes(volume.bytes_per_day)
    )
}

fn what_if(what_if: &WhatIf) -> String {
    let volume = what_if.volume.as_ref().map(|volume| format!(": {}", rates(volume))).unwrap_or_default();
    let WhatIf { ratio, traces, spans, .. } = what_if;
    let (traces, spans) = (counted(*traces, "trace"), counted(*spans, "span"));
    row(&format!("  ratio {ratio}"), format!("{traces}, {spans}{volume}"))
}

fn spans(summary: &Summary) -> String {
    let counts = &summary.spans;
    format!("{} ({} from proxies, {} from applications)", counts.total, counts.proxy, counts.application)
}

fn services(services: &BTreeMap<String, ServiceSpans>) -> Vec<String> {
    let widest = services.keys().map(|name| name.width()).max().unwrap_or_default();
    let lines = services.iter().enumerate().map(|(at, (name, spans))| {
        let space = " ".repeat(widest - name.width());
        let title = if at == 0 { "  by service" } else { "" };
        let rates = spans.spans_per_second.zip(spans.bytes_per_second);
        let rates =
            rates.map(|(spans, size)| format!("  {:>6} spans/s  {:>9}/s", number(spans), bytes(size)));
        let (proxy, application) = (spans.proxy, spans.application);
        let rates = rates.unwrap_or_default();
        row(title, format!("{name}{space}  {proxy:>6} proxy  {application:>6} application{rates}"))
    });
    lines.collect()
}

fn export(export: Option<&ExportSummary>) -> Vec<String> {
    let Some(export) = export else {
        return vec![row("exported", "no endpoint given (--otlp-endpoint, OTEL_EXPORTER_OTLP_ENDPOINT)")];
    };
    let dropped: u64 = export.dropped.values().sum();
    let style = if dropped + export.rejected == 0 { GREEN } else { Style::new() };
    let retries = match export.retries {
        0 => String::new(),
        retries => format!(" ({})", counted(retries, "retry")),
    };
    let mut lines = vec![
        row("exported", format!("{style}{}{style:#}{retries}", export.exported)),
        row("  rejected", marked(export.rejected, RED)),
        row("  dropped", reasons(&export.dropped)),
    ];
    lines.extend(export.warnings.iter().map(|warning| format!("  {YELLOW}{warning}{YELLOW:#}")));
    lines
}

/// `number`, in `style` unless it is zero.
fn marked(number: u64, style: Style) -> String {
    if number == 0 { "0".to_owned() } else { format!("{style}{number}{style:#}") }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> = counts.iter().map(|(name, number)| format!("{number} {name}")).collect();
    counts.join(", ")
}

/// `3 (2 queue full, 1 HTTP 400)`
fn reasons(dropped: &BTreeMap<String, u64>) -> String {
    match dropped.values().sum() {
        0 => "0".to_owned(),
        total => format!("{} ({})", marked(total, RED), counts(dropped)),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::view::library::Found;
    use crate::view::summary::tests::summary as example;

    #[test]
    fn every_figure_has_its_row() {
        let expected = "\
exchanges        2
  skipped        7 (7 unknown parent)
proxy passes     3 (2 recorded, 66.7%)
traces           1
spans            4 (3 from proxies, 1 from applications)
  by kind        2 client, 2 server
  by service     emoji       1 proxy       0 application    2.00 spans/s      174 B/s
                 web         2 proxy       1 application    6.00 spans/s      440 B/s
volume           8.00 spans/s, 614 B/s, 53.0 MB a day
  ratio 0.5      0 traces, 0 spans: 0.00 spans/s, 0.00 B/s, 0.00 B a day
orphans          1
lost context     5
  web received a trace and sent 5 requests without it: its application must copy the trace headers from the request that it handles to those that it makes
dropped          1 (1 queue full)
exported         3
  rejected       0
  dropped        1 (1 HTTP 400)
filter per pass  p50 100µs, p90 180µs, p99 198µs
";
        assert_eq!(strip_str(&summary(&example())).to_string(), expected);
    }

    #[test]
    fn a_list_has_headings_and_says_when_each_trace_began() {
        let trace = Found {
            trace_id: "0a".repeat(16),
            service: "web".to_owned(),
            name: "GET".to_owned(),
            start_unix_nano: "1795323600123456789".to_owned(),
            duration_ns: 1_500_000,
            spans: 1,
            errors: 1,
            orphans: 2,
            services: Vec::new(),
        };
        let found = SearchResult { traces: vec![trace], total: 1, ..SearchResult::default() };
        let expected = "\
trace                            start (UTC)             duration spans service: name
0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a 2026-11-22 05:00:00.123   1.50ms     1 web: GET · 1 error · 2 orphans
1 of 1 trace
";
        assert_eq!(strip_str(&traces(&found)).to_string(), expected);
        assert_eq!(traces(&SearchResult::default()), "0 of 0 traces\n");
    }

    #[test]
    fn what_the_filter_did_to_the_traffic_is_a_row_of_its_own() {
        let (example, none) = (example(), FilterDeeds::default());
        assert!(!strip_str(&summary(&example)).to_string().contains("\nfilter  "), "where it did nothing");
        let rows = [
            (
                FilterDeeds { vms_lost: 1, answered: 2, ..none.clone() },
                "1 VM lost, 2 exchanges answered by filter or proxy",
            ),
            (
                FilterDeeds { held: 3, held_too_long: 1, not_sent: 4, ..none },
                "4 not sent, 3 messages held, 1 too long",
            ),
        ];
        for (filter, expected) in rows {
            let text = strip_str(&summary(&Summary { filter, ..example.clone() })).to_string();
            assert!(text.contains(&format!("\nfilter           {expected}\n")), "{text}");
        }
    }

    #[test]
    fn without_an_endpoint_the_table_says_how_to_give_one() {
        let text = summary(&Summary { export: None, ..example() });
        assert!(text.contains("no endpoint given (--otlp-endpoint"), "{text}");
    }
}
