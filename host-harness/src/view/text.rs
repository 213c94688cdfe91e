//! One trace as a waterfall of text. Colours are ANSI escapes; whoever prints takes them out if need be.
//!
//! ```text
//! span          service  kind             start  duration   proxy  status
//! GET           web      client             0ns    1.00ms                  ████████████████████
//! └GET          web      outbound server 10.0µs     980µs +20.0µs  200     ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
//! ```

mod row;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Breakdown, Trace, duration};
use crate::counted::counted;
use row::Row;

/// Narrower than this, lines are as wide as they need to be.
pub const MIN_WIDTH: usize = 80;

const HEADINGS: [&str; 7] = ["span", "service", "kind", "start", "duration", "proxy", "status"];

/// How narrow each column may get to make room for bars, and how narrow if there is room for none.
const GENTLE_CUTS: [usize; 7] = [30, 10, 15, 7, 8, 8, 14];
const HARD_CUTS: [usize; 7] = [12, 8, 15, 7, 8, 8, 14];
const MIN_BAR: usize = 10;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();

/// The trace in lines of at most `width` columns: heading, one row a span, where the time went.
pub fn waterfall(trace: &Trace, width: usize) -> String {
    let width = width.max(MIN_WIDTH);
    let rows = row::rows(trace);
    let widths = Widths::fit(&rows, width);
    let mut text = heading(trace);
    let titles = HEADINGS.iter().enumerate().map(|(column, title)| widths.pad(column, title));
    text.push_str(&format!("{DIM}{}{DIM:#}\n", titles.collect::<Vec<_>>().join(" ").trim_end()));
    for row in &rows {
        text.push_str(&line(row, &widths));
        text.push('\n');
    }
    text.push_str(&footer(trace));
    text
}

fn heading(trace: &Trace) -> String {
    let name = trace.nodes.first().map_or("", |node| node.span.name.as_str());
    let mut text = format!(
        "{BOLD}{}{BOLD:#} · trace {} · {} · {} · {}",
        printable(name),
        hex::encode(trace.trace_id),
        counted(trace.nodes.len() as u64, "span"),
        counted(trace.services.len() as u64, "service"),
        duration(trace.duration()),
    );
    for (count, noun) in [(trace.errors, "error"), (trace.orphans(), "orphan")] {
        if count > 0 {
            text.push_str(&format!(" · {RED}{}{RED:#}", counted(count as u64, noun)));
        }
    }
    text.push('\n');
    text
}

fn footer(trace: &Trace) -> String {
    let passes = counted(trace.passes().len() as u64, "pass");
    let Breakdown { proxy, wire, application } = trace.breakdown();
    let total = (proxy + wire + application).as_nanos().max(1);
    let share = |part: std::time::Duration| {
        let permille = part.as_nanos() * 1_000 / total;
        format!("{} ({}.{}%)", duration(part), permille / 10, permille % 10)
    };
    format!(
        "{BOLD}proxies{BOLD:#} {} in {passes} · {BOLD}application{BOLD:#} {} · {BOLD}wire{BOLD:#} {}\n",
        share(proxy),
        share(application),
        share(wire)
    )
}

fn line(row: &Row, widths: &Widths) -> String {
    let colour = if row.is_error { RED } else { Style::new() };
    let proxy = if row.is_proxy { AnsiColor::Cyan.on_default() } else { Style::new() };
    let styles = [
        proxy,
        service_style(&row.service),
        proxy,
        DIM,
        Style::new(),
        AnsiColor::Yellow.on_default(),
        colour,
    ];
    let cells = row.cells();
    let mut text = String::new();
    for (column, (cell, style)) in cells.iter().zip(styles).enumerate() {
        let cell = widths.pad(column, cell);
        match cell.trim().is_empty() {
            true => text.push_str(&cell),
            false => text.push_str(&format!("{style}{cell}{style:#}")),
        }
        text.push(' ');
    }
    let bar = if row.is_error { RED } else { service_style(&row.service) };
    let (before, filled) = row.bar(widths.bar);
    let block = if row.is_proxy { "▒" } else { "█" };
    if filled > 0 {
        text.push_str(&format!("{}{bar}{}{bar:#}", " ".repeat(before), block.repeat(filled)));
    }
    text.truncate(text.trim_end().len());
    text
}

/// The same colour for the same service, without red, which means an error.
fn service_style(service: &str) -> Style {
    const COLOURS: [AnsiColor; 5] =
        [AnsiColor::Green, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::Cyan, AnsiColor::Yellow];
    let sum: usize = service.bytes().map(usize::from).sum();
    COLOURS.get(sum % COLOURS.len()).copied().unwrap_or(AnsiColor::Green).on_default()
}

/// How wide each column is.
struct Widths {
    columns: [usize; 7],
    bar: usize,
}

impl Widths {
    fn fit(rows: &[Row], width: usize) -> Self {
        let mut columns = HEADINGS.map(UnicodeWidthStr::width);
        for row in rows {
            for (column, cell) in columns.iter_mut().zip(row.cells()) {
                *column = (*column).max(cell.width());
            }
        }
        let gaps = columns.len();
        for (cuts, bar) in [(GENTLE_CUTS, MIN_BAR), (HARD_CUTS, 0)] {
            let used: usize = columns.iter().sum::<usize>() + gaps + bar;
            let mut excess = used.saturating_sub(width);
            for (column, least) in columns.iter_mut().zip(cuts) {
                let narrower = column.saturating_sub(excess).max(least).min(*column);
                excess -= *column - narrower;
                *column = narrower;
            }
        }
        let used: usize = columns.iter().sum::<usize>() + gaps;
        Self { columns, bar: width.saturating_sub(used) }
    }

    /// `cell` cut or filled to the width of its column; numbers to the right.
    fn pad(&self, column: usize, cell: &str) -> String {
        let width = self.columns.get(column).copied().unwrap_or_default();
        let cell = cut(cell, width);
        let space = " ".repeat(width.saturating_sub(cell.width()));
        let is_number = (3..6).contains(&column);
        if is_number { format!("{space}{cell}") } else { format!("{cell}{space}") }
    }
}

/// At most `width` columns of `text`, with `…` for what is cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut columns = 1;
    for character in text.chars() {
        columns += character.width().unwrap_or(0);
        if columns > width {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept
}

/// `text` without control characters, which a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests;
