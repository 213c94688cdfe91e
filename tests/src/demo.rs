//! `meshspan demo`, run as a user runs it.

use std::path::Path;
use std::process::Command;

use crate::spans::{Span, of_json_lines};
use crate::tools;

/// Runs `meshspan demo --no-serve --save FILE` with more arguments; the saved spans.
///
/// Panics with the program's output when it fails.
pub fn run(arguments: &[&str]) -> Vec<Span> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("spans.jsonl");
    save(&file, arguments);
    of_json_lines(&std::fs::read_to_string(&file).expect("demo wrote the file"))
}

/// The same, into a file that is kept.
///
/// The environment's `OTEL_*` variables are taken away: only the arguments count.
pub fn save(file: &Path, arguments: &[&str]) {
    let mut command = Command::new(tools::meshspan());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command.args(["demo", "--no-serve", "--save"]).arg(file).args(arguments);
    let output = command.output().expect("meshspan runs");
    assert!(
        output.status.success(),
        "meshspan demo {arguments:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
