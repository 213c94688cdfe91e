//! What commands print: a table and perhaps a waterfall, a line of counts, or one JSON document.

use std::fmt::Write as _;
use std::io::Write as _;

use meshspan::view::{Trace, summary::Summary, table, text};
use serde::Serialize;

use super::{args::Output, error::CliError, print};

/// How wide a line may be where nobody says.
const DEFAULT_WIDTH: usize = 120;

/// Prints the summary, and `shown` as a waterfall below it.
pub(crate) fn result(output: Output, summary: &Summary, shown: Option<&Trace>) -> Result<(), CliError> {
    match output {
        Output::Table => {
            let mut text = table::summary(summary);
            if let Some(trace) = shown {
                text.push('\n');
                text.push_str(&text::waterfall(trace, width()));
            }
            print(&text)
        }
        Output::Json => json(summary),
    }
}

/// Says what happens on the way: on stdout, or where that is to be JSON alone, on stderr.
pub(crate) fn notice(output: Output, text: &str) -> Result<(), CliError> {
    if output == Output::Table {
        return print(text);
    }
    // If stderr is gone there is nobody to tell.
    let _ = anstream::stderr().write_all(text.as_bytes());
    Ok(())
}

/// Prints one JSON document, indented.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CliError> {
    print(&json_text(value)?)
}

/// One JSON document, indented, with the end of its last line.
pub(crate) fn json_text(value: &impl Serialize) -> Result<String, CliError> {
    let json = serde_json::to_string_pretty(value);
    json.map(|json| json + "\n")
        .map_err(|error| CliError::runtime(format!("cannot write the result: {error}")))
}

/// Adds what there is any of: `, 3 reset`.
pub(crate) fn list<'a>(text: &mut String, counts: impl IntoIterator<Item = (&'a str, u64)>) {
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        // Writing to a string does not fail.
        let _ = write!(text, ", {count} {name}");
    }
}

/// `COLUMNS`, else the terminal's width, else 120.
pub(crate) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&n| n > 0);
    let terminal =
        || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    columns.or_else(terminal).unwrap_or(DEFAULT_WIDTH)
}
