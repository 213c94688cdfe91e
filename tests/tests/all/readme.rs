//! The README keeps its word: its generated parts are up to date and its commands run.
//! `UPDATE_GOLDEN=1 cargo test --release -p meshspan -p meshspan-tests readme` writes the parts anew.

use std::path::PathBuf;
use std::process::{Command, Output};

use meshspan_tests::tools;

fn path() -> PathBuf {
    tools::repository().join("README.md")
}

fn read() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// The README with `content` between the two lines that mark the part.
fn with_part(readme: &str, [open, close]: [&str; 2], content: &str) -> String {
    let (before, rest) = readme.split_once(open).unwrap_or_else(|| panic!("README.md has no line {open}"));
    let (_, after) = rest.split_once(close).unwrap_or_else(|| panic!("README.md has no line {close}"));
    format!("{before}{open}\n{}\n{close}{after}", content.trim_end())
}

#[test]
fn generated_parts_are_up_to_date() {
    let written = read();
    let waterfall = format!("```text\n{}\n```", waterfall().trim_end());
    let readme = with_part(&written, ["<!-- example: waterfall -->", "<!-- /example -->"], &waterfall);
    let reference = meshspan_filter::config::reference();
    let readme = with_part(&readme, ["<!-- generated: configuration -->", "<!-- /generated -->"], &reference);
    let needs = crate::needs::tables();
    let readme = with_part(&readme, ["<!-- generated: host -->", "<!-- /generated -->"], &needs);
    let bounds = crate::bounds::table();
    let readme = with_part(&readme, ["<!-- generated: bounds -->", "<!-- /generated -->"], &bounds);
    let bounds = format!("\n{}\n", crate::bounds::tables_of_parts().trim());
    let readme = with_part(&readme, ["<!-- generated: bounds of parts -->", "<!-- /generated -->"], &bounds);
    let variables = meshspan_filter::config::variables();
    let readme = with_part(&readme, ["<!-- generated: variables -->", "<!-- /generated -->"], &variables);
    let metrics = crate::documented::metrics_table();
    let readme = with_part(&readme, ["<!-- generated: metrics -->", "<!-- /generated -->"], &metrics);
    let urls = crate::documented::urls();
    let readme = with_part(&readme, ["<!-- generated: urls -->", "<!-- /generated -->"], &urls);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(), readme).unwrap();
    } else {
        assert!(written == readme, "README.md is out of date; run the command at the top of this file");
    }
}

/// What `demo` shows below its summary: the trace, which the recording and the seed determine.
fn waterfall() -> String {
    let mut demo = Command::new(tools::meshspan());
    demo.args(["demo", "--no-serve", "--color", "never", "--seed", "7"]).env("COLUMNS", "118");
    let output = succeed(demo.output().unwrap(), "meshspan demo");
    let (_, trace) = output.split_once("\n\n").expect("a summary, an empty line, a trace");
    trace.to_owned()
}

/// Runs every block that is marked `sh test`, as it stands, in the repository's root.
#[test]
fn commands_run() {
    let readme = read();
    let blocks: Vec<&str> =
        readme.split("```sh test\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3, "README.md has lost its tested commands");
    for block in blocks {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", block]).current_dir(tools::repository());
        shell.env("CARGO_TARGET_DIR", tools::target());
        tools::without_cargo(&mut shell);
        for variable in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
            shell.env_remove(variable);
        }
        let stdout = succeed(shell.output().unwrap(), block);
        assert!(!stdout.is_empty(), "{block} printed nothing");
    }
}

/// The example is the one that runs as a test in the module's documentation.
#[test]
fn the_test_of_a_filter_is_a_documented_one() {
    let readme = read();
    let (_, rest) = readme.split_once("```rust\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let module = std::fs::read_to_string(tools::repository().join("host-harness/src/testing.rs")).unwrap();
    let documentation: String = module
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.trim_start_matches(' ')))
        .collect();
    let example: String = example.lines().map(|line| format!("{}\n", line.trim_start_matches(' '))).collect();
    assert!(documentation.contains(&example), "README.md's example is none of src/testing.rs:\n{example}");
}

#[test]
fn plugin_configurations_are_valid() {
    let readme = read();
    let blocks: Vec<&str> =
        readme.split("```json plugin\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 2, "README.md has lost its configurations");
    for block in blocks {
        let env = [("POD_NAME".to_owned(), "web-0".to_owned())];
        let (_, warnings) = meshspan_filter::config::Config::parse(block.as_bytes(), &env).unwrap();
        assert_eq!(warnings, [], "{block}");
    }
}

#[test]
fn the_recording_is_one() {
    let readme = read();
    let (_, rest) = readme.split_once("```json\n").unwrap();
    let (line, _) = rest.split_once("```").unwrap();
    let exchange: meshspan::traffic::Exchange = serde_json::from_str(line).unwrap();
    exchange.check().unwrap();
}

fn succeed(output: Output, what: &str) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
