//! What a guest may take and make the host keep, and what everything else bounds, as the README says it, held
//! against the sources.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use meshspan::vm::{Unit, bounds};
use meshspan_tests::tools::repository;

use parts::{Most, PARTS};

/// Bounds of something else than what a guest makes the host keep.
const BESIDE: [(&str, &str); 6] = [
    ("MAX_CACHED_MODULES", "compiled filters on the disk"),
    ("MAX_EXPECTED", "pairs that a new map makes room for at once; it grows"),
    ("MAX_KEPT_BYTES", "space for properties kept for the next stream"),
    ("MAX_UNUSED", "bytes of removed pairs that a map has not given back"),
    ("MAX_KEPT_SCRATCH", "space kept for the next hostcall"),
    ("NGINX_MAX_PAIRS", "what nginx shows a guest"),
];

/// Folders whose bounds [`bounds`] lists.
const HOST: [&str; 3] = ["host", "abi", "vm"];

/// Constants of the parts that bound nothing from outside.
const BESIDE_PARTS: [(&str, &str, &str); 5] = [
    ("host-harness/src/cli/import.rs", "MAX_BYTES", "what the page takes"),
    ("host-harness/src/receive/body.rs", "MAX_RATIO", "how much room a gzip is given at once"),
    (
        "host-harness/src/flow/options.rs",
        "HTTP2_WINDOW_BYTES",
        "Envoy's window, by which the buffers are measured",
    ),
    ("filter/src/propagation/grpc_bin.rs", "MAX_BYTES", "a context's length, which its format fixes"),
    ("filter/src/sampler/threshold.rs", "MAX", "the largest threshold"),
];

/// Words that a bound's name is made of.
const WORDS: [&str; 8] = ["MAX", "MOST", "LIMIT", "TIMEOUT", "PATIENCE", "CHANNEL", "WINDOW", "QUEUE"];

/// The README's table of what a guest is bound to.
pub(crate) fn table() -> String {
    let mut out = String::from("| bound | at most | beyond |\n|---|---|---|\n");
    for bound in bounds() {
        let most = match bound.unit {
            Unit::Bytes => bytes(bound.most as u64),
            Unit::Count => thousands(bound.most as u64),
            Unit::Millis => format!("{} ms", thousands(bound.most as u64)),
        };
        out.push_str(&format!("| {} | {most} | {} |\n", bound.what, bound.beyond));
    }
    out
}

/// The README's tables of all else, one for each part.
pub(crate) fn tables_of_parts() -> String {
    let mut out = String::new();
    for part in PARTS {
        out.push_str(&format!("\n**{}**\n\n| bound | at most | beyond |\n|---|---|---|\n", part.name));
        for row in part.bounds {
            let most = match row.most {
                Most::Bytes(most) => bytes(most),
                Most::Count(most) => thousands(most),
                Most::Time(most) => time(most),
                Most::Micros(most) => time(Duration::from_micros(most)),
            };
            out.push_str(&format!("| {} | {most} | {} |\n", row.what, row.beyond));
        }
    }
    out
}

/// In the largest unit that needs no fraction.
fn bytes(number: u64) -> String {
    match number {
        _ if number.is_multiple_of(1 << 20) => format!("{} MiB", thousands(number >> 20)),
        _ if number.is_multiple_of(1 << 10) => format!("{} KiB", thousands(number >> 10)),
        _ => format!("{} bytes", thousands(number)),
    }
}

/// In hours if it is whole hours, else in seconds.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    assert_eq!(time, Duration::from_secs(seconds), "would be shown rounded");
    if seconds.is_multiple_of(3_600) { format!("{} h", seconds / 3_600) } else { format!("{seconds} s") }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn every_bound_is_in_the_table_and_exact() {
    let mut found = BTreeSet::from(["Limits::memory_bytes".to_owned(), "Limits::call_deadline".to_owned()]);
    for module in HOST {
        let declared = constants(&format!("host-harness/src/{module}")).into_keys();
        found.extend(declared.map(|(_, name)| name).filter(|name| name.contains("MAX_")));
    }
    let beside: BTreeSet<String> = BESIDE.map(|(name, _)| name.to_owned()).into();
    assert!(beside.is_subset(&found), "BESIDE names what is gone");
    let expected: BTreeSet<String> = found.difference(&beside).cloned().collect();
    let listed = bounds().into_iter().map(|bound| bound.name.to_owned()).collect();
    assert_eq!(expected, listed, "left the sources, right host-harness/src/vm/bounds.rs");
}

#[test]
fn every_bound_of_a_part_is_in_its_table_and_exact() {
    let mut declared = constants("host-harness/src");
    declared.retain(|(file, _), _| {
        !HOST.iter().any(|module| file.starts_with(&format!("host-harness/src/{module}/")))
    });
    declared.extend(constants("filter/src"));
    let mut listed = BTreeSet::new();
    for row in PARTS.iter().flat_map(|part| part.bounds) {
        let name = (row.file.to_owned(), row.constant.to_owned());
        let value = declared.get(&name).unwrap_or_else(|| panic!("{name:?} is gone"));
        assert_eq!(value, row.written, "{name:?}: left the source, right tests/tests/all/bounds/parts.rs");
        assert!(listed.insert(name), "{}: {} is listed twice", row.file, row.constant);
    }
    for (file, name, _) in BESIDE_PARTS {
        let name = (file.to_owned(), name.to_owned());
        assert!(
            declared.contains_key(&name) && listed.insert(name),
            "BESIDE_PARTS names what is gone: {file}"
        );
    }
    let is_bound = |(_, name): &&(String, String)| name.split('_').any(|word| WORDS.contains(&word));
    let missing: Vec<_> = declared.keys().filter(is_bound).filter(|name| !listed.contains(*name)).collect();
    assert!(missing.is_empty(), "add them to tests/tests/all/bounds/parts.rs: {missing:#?}");
}

/// Constants that are numbers or durations, by file and name, with their values as they are written; but for those
/// of tests.
fn constants(folder: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            found.extend(if path.ends_with("tests") { BTreeMap::new() } else { constants(&name) });
        } else if !path.ends_with("tests.rs") {
            found.extend(
                declared(&path).into_iter().map(|(constant, value)| ((name.clone(), constant), value)),
            );
        }
    }
    found
}

fn declared(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let constants = code.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": ")?;
        let (of, value) = rest.split_once(';')?.0.split_once(" = ")?;
        ["usize", "u64", "u32", "i64", "Duration"].contains(&of).then(|| (name.to_owned(), value.to_owned()))
    });
    constants.collect()
}
