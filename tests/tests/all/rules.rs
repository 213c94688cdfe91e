//! Which test proves which rule: `tests/RULES.md`, written by
//! `UPDATE_GOLDEN=1 cargo test --release -p meshspan -p meshspan-tests rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use meshspan_tests::rules::RULES;
use meshspan_tests::tools;

const SOURCES: [&str; 4] = ["filter/src", "host-harness/src", "host-harness/tests", "tests/tests"];

#[test]
fn the_table_of_rules_is_up_to_date() {
    let path = tools::repository().join("tests/RULES.md");
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, table).unwrap();
    } else {
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == table, "tests/RULES.md is out of date; run the command at the top of this file");
    }
}

#[test]
fn names_give_their_rules() {
    assert_eq!(numbers("rule_05_higher_versions"), [5]);
    assert_eq!(numbers("rule_40_41_only_these"), [40, 41]);
    assert_eq!(numbers("rules_08_15_to_17_b3"), [8, 15, 16, 17]);
    assert_eq!(numbers("rule_29_and_30_a_pass"), [29, 30]);
    assert!(numbers("rule_x").is_empty() && numbers("a_rule_01").is_empty());
}

fn table() -> String {
    let mut proofs: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for source in SOURCES {
        visit(&tools::repository().join(source), source, &mut proofs);
    }
    let known = |number: &&u8| RULES.iter().any(|(rule, ..)| rule == *number);
    assert_eq!(proofs.keys().find(|number| !known(number)), None, "a test names a rule that there is not");
    let mut out = "# Rules and the tests that prove them\n\n\
        Generated from the tests' names; see `tests/tests/all/rules.rs`.\n\n\
        | rule | what it asks | source | tests |\n|---|---|---|---|\n"
        .to_owned();
    for (number, rule, source) in RULES {
        let tests = proofs.get(&number).map_or("none yet".to_owned(), |tests| {
            tests.iter().map(String::as_str).collect::<Vec<_>>().join("<br>")
        });
        out.push_str(&format!("| {number} | {rule} | {source} | {tests} |\n"));
    }
    out
}

/// Notes the tests below `folder`, which is called `name` from the repository's root.
fn visit(folder: &Path, name: &str, proofs: &mut BTreeMap<u8, BTreeSet<String>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{name}/{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            visit(&path, &name, proofs);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let Some(test) =
                    line.trim_start().strip_prefix("fn ").and_then(|line| line.split('(').next())
                else {
                    continue;
                };
                for number in numbers(test) {
                    proofs.entry(number).or_default().insert(format!("`{test}` in {name}"));
                }
            }
        }
    }
}

/// The rules in a test's name: `rule_05_…`, `rules_40_41_…`, `rules_10_to_14_…`, `rule_29_and_30_…`.
fn numbers(test: &str) -> Vec<u8> {
    let Some(rest) = test.strip_prefix("rule_").or_else(|| test.strip_prefix("rules_")) else {
        return Vec::new();
    };
    let mut numbers: Vec<u8> = Vec::new();
    let mut is_range = false;
    for part in rest.split('_') {
        match (part, part.parse::<u8>()) {
            ("to", _) => is_range = true,
            ("and", _) => {}
            (_, Ok(number)) => {
                let from = numbers.last().filter(|_| is_range).map_or(number, |last| last + 1);
                numbers.extend(from..=number);
                is_range = false;
            }
            _ => break,
        }
    }
    numbers
}
