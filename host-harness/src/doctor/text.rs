//! A diagnosis as people read it.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::{Diagnosis, State};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const HELP: Style = AnsiColor::Cyan.on_default().bold();

/// A line a station, advice below the broken one, notes in the end.
pub fn text(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    for step in &diagnosis.steps {
        let (mark, style) = match step.state {
            State::Whole => ('✓', GOOD),
            State::Broken => ('✗', BAD),
            State::Unknown => ('?', DIM),
        };
        let name = step.stage.as_str();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{style}{mark} {name:<8}{style:#}  {}", step.seen);
        if let Some(advice) = &step.advice {
            let _ = writeln!(text, "  {HELP}help:{HELP:#}     {advice}");
        }
    }
    for note in &diagnosis.notes {
        let _ = writeln!(text, "  note:     {note}");
    }
    text
}
