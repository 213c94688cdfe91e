//! The import arrows of the design: who may know whom, kept by reading the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use meshspan_tests::tools::repository;

/// A module of the harness, the modules of the harness that it may import, and the crates that it may not.
type Arrow = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Data that everybody may know.
const SHARED: [&str; 3] = ["counted", "host", "time"];

/// `cli → {replay, mesh, view, export}`; `mesh → proxy → flow → vm → abi → host`, `replay → vm`;
/// `serve → store → view → collect`, `export → collect`; `receive → store`; `forward → {store, export}`;
/// `{export, proxy, receive} → tls`, `{collect, export, proxy, serve, traffic} → gzip`, `{proxy, receive} → accept`,
/// `receive → prometheus`.
const ARROWS: &[Arrow] = &[
    ("host", &[], &["tokio", "wasmtime", "hyper", "tonic", "clap"]),
    ("abi", &[], &["tokio", "hyper", "tonic", "clap"]),
    ("vm", &["abi"], &["tokio", "hyper", "tonic", "clap"]),
    ("flow", &["vm"], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    ("traffic", &["gzip"], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    ("topology", &["traffic"], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    ("collect", &["gzip"], &["wasmtime", "tokio", "hyper", "clap"]),
    ("accept", &[], &["wasmtime", "hyper", "tonic", "clap"]),
    ("gzip", &[], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    ("prometheus", &[], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    // The summary shows what replay and export report of themselves.
    ("view", &["collect", "compare", "export", "replay"], &["wasmtime", "tokio", "hyper", "tonic"]),
    ("tls", &[], &["wasmtime", "hyper", "tonic", "clap"]),
    ("export", &["collect", "gzip", "tls"], &["wasmtime", "clap"]),
    ("forward", &["export", "store", "tls"], &["wasmtime", "hyper", "tonic", "clap"]),
    ("serve", &["collect", "gzip", "store", "view"], &["wasmtime", "clap"]),
    ("store", &["collect", "view"], &["wasmtime", "hyper", "tonic", "clap"]),
    ("doctor", &["traffic", "view"], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    ("receive", &["accept", "collect", "prometheus", "store", "tls"], &["wasmtime", "clap"]),
    ("proxy", &["accept", "flow", "gzip", "tls", "traffic", "vm"], &["wasmtime", "tonic", "clap"]),
    ("mesh", &["proxy", "tls", "topology", "vm"], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    ("replay", &["collect", "flow", "topology", "traffic", "vm"], &["tokio", "hyper", "tonic", "clap"]),
    (
        "compare",
        &["collect", "flow", "replay", "traffic", "vm"],
        &["wasmtime", "tokio", "hyper", "tonic", "clap"],
    ),
    ("explain", &["replay", "testing", "traffic", "vm"], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
    ("testing", &["collect", "flow", "view", "vm"], &["wasmtime", "tokio", "hyper", "tonic", "clap"]),
];

#[test]
fn modules_import_only_what_the_design_allows() {
    let mut wrong = Vec::new();
    for &(module, allowed, forbidden_crates) in ARROWS {
        let files = sources_of(module);
        assert!(!files.is_empty(), "host-harness/src/{module}.rs is gone: mend the table of this test");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for import in crate_imports(&text) {
                if import != module
                    && !allowed.contains(&import.as_str())
                    && !SHARED.contains(&import.as_str())
                {
                    wrong.push(format!("{}: crate::{import}", file.display()));
                }
            }
            for name in forbidden_crates {
                if mentions(&text, name) {
                    wrong.push(format!("{}: {name}", file.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "imports against the design");
}

#[test]
fn the_harness_never_imports_the_filter() {
    let harness = repository().join("host-harness");
    let manifest = std::fs::read_to_string(harness.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("meshspan-filter"), "host-harness/Cargo.toml depends on the filter");
    for file in rust_files(&harness.join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!mentions(&text, "meshspan_filter"), "{} imports the filter", file.display());
    }
}

#[test]
fn the_filter_knows_its_host_only_in_plugin() {
    let source = repository().join("filter/src");
    for file in rust_files(&source) {
        let place = file.strip_prefix(&source).unwrap();
        if place.starts_with("plugin") || place == Path::new("plugin.rs") || is_test(place) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let code = code(&text);
        for name in ["extern \"C\"", "SystemTime", "Instant::now", "getrandom", "crate::plugin"] {
            assert!(!code.contains(name), "{}: {name} belongs into plugin", place.display());
        }
    }
}

#[test]
fn there_is_no_mod_rs_and_no_todo() {
    for package in ["filter", "host-harness", "tests"] {
        for file in rust_files(&repository().join(package)) {
            assert_ne!(file.file_name().unwrap(), "mod.rs", "{}", file.display());
            let text = std::fs::read_to_string(&file).unwrap();
            for marker in
                [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("#[ig", "nore")]
            {
                assert!(!text.contains(marker), "{}: {marker}", file.display());
            }
        }
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::vm::Vm;\nuse crate::{abi, host::{self, HeaderMap}, time as t};\n\
                fn f() { crate::collect::records(&[]); }\n// use crate::view::X;\n";
    let expected = ["abi", "collect", "host", "time", "vm"].map(str::to_owned);
    assert_eq!(crate_imports(text), BTreeSet::from(expected));
    assert!(mentions("use tokio::time;", "tokio") && mentions("tokio::spawn(x)", "tokio"));
    assert!(!mentions("// tokio::spawn\nlet wasmtokio = 1;", "tokio"));
    assert!(!mentions("use opentelemetry_proto::tonic::trace;", "tonic"));
}

/// `foo.rs` and all under `foo/`, without their tests.
fn sources_of(module: &str) -> Vec<PathBuf> {
    let source = repository().join("host-harness/src");
    let mut files = rust_files(&source.join(module));
    files.retain(|file| !is_test(file));
    files.extend(Some(source.join(format!("{module}.rs"))).filter(|file| file.exists()));
    files
}

fn is_test(file: &Path) -> bool {
    file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The first segment after every `crate::`, braces opened; comments and test modules do not count.
fn crate_imports(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut found = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        if code[..place].ends_with(word) {
            continue;
        }
        let rest = &code[place + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group_heads(group));
        } else {
            found.insert(leading_word(rest));
        }
    }
    found
}

/// The first words of a group's members, up to its closing brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut at_head, mut heads) = (0, true, Vec::new());
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            _ if at_head && word(character) => {
                heads.push(leading_word(&group[place..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

/// Whether the code names a crate in a path.
fn mentions(text: &str, name: &str) -> bool {
    let code = code(text);
    let path = format!("{name}::");
    let inner = |before: &str| before.ends_with(word) || before.ends_with("::") && !before.ends_with(" ::");
    code.match_indices(&path).any(|(place, _)| !inner(&code[..place]))
        || code.contains(&format!("use {name};"))
}

fn code(text: &str) -> String {
    let code = text.split("mod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn leading_word(text: &str) -> String {
    text.chars().take_while(|character| word(*character)).collect()
}

fn word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
