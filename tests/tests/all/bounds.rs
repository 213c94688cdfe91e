//! What a guest may take and make the host keep, as the README says it, held against the sources.

use std::collections::BTreeSet;
use std::path::Path;

use meshspan::vm::{Unit, bounds};
use meshspan_tests::tools::repository;

/// Bounds of something else than what a guest makes the host keep.
const BESIDE: [(&str, &str); 6] = [
    ("MAX_CACHED_MODULES", "compiled filters on the disk"),
    ("MAX_EXPECTED", "pairs that a new map makes room for at once; it grows"),
    ("MAX_KEPT_BYTES", "space for properties kept for the next stream"),
    ("MAX_UNUSED", "bytes of removed pairs that a map has not given back"),
    ("MAX_KEPT_SCRATCH", "space kept for the next hostcall"),
    ("NGINX_MAX_PAIRS", "what nginx shows a guest"),
];

/// The README's table.
pub(crate) fn table() -> String {
    let mut out = String::from("| bound | at most | beyond |\n|---|---|---|\n");
    for bound in bounds() {
        let most = match bound.unit {
            Unit::Bytes if bound.most >= 1 << 20 => format!("{} MiB", bound.most >> 20),
            Unit::Bytes => format!("{} KiB", bound.most >> 10),
            Unit::Count => thousands(bound.most),
            Unit::Millis => format!("{} ms", thousands(bound.most)),
        };
        out.push_str(&format!("| {} | {most} | {} |\n", bound.what, bound.beyond));
    }
    out
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn every_bound_is_in_the_table_and_exact() {
    let mut found = BTreeSet::from(["Limits::memory_bytes".to_owned(), "Limits::call_deadline".to_owned()]);
    for module in ["host", "abi", "vm"] {
        constants(&repository().join("host-harness/src").join(module), &mut found);
    }
    let beside: BTreeSet<String> = BESIDE.map(|(name, _)| name.to_owned()).into();
    assert!(beside.is_subset(&found), "BESIDE names what is gone");
    let expected: BTreeSet<String> = found.difference(&beside).cloned().collect();
    let listed = bounds().into_iter().map(|bound| bound.name.to_owned()).collect();
    assert_eq!(expected, listed, "left the sources, right host-harness/src/vm/bounds.rs");
    for bound in bounds() {
        let is_round = bound.unit != Unit::Bytes || bound.most % 1024 == 0;
        assert!(is_round, "{} would be shown rounded", bound.name);
    }
}

/// Names of constants that have `MAX_` in them, but for those of tests.
fn constants(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            constants(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let declared = text.split("const ").skip(1).filter_map(|rest| rest.split_once(": "));
        found.extend(declared.map(|(name, _)| name.to_owned()).filter(|name| name.contains("MAX_")));
    }
}
