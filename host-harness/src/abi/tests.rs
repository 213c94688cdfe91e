//! The module's table of functions against what is linked.

use std::collections::BTreeSet;

use wasmtime::{Engine, Linker, Store};

use super::*;
use crate::host::{HostState, PluginOptions};

const WASI: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Names in the first column and the second column of each row of the module's documentation.
fn documented() -> Vec<(String, String)> {
    let source = include_str!("../abi.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.flat_map(|row| {
        let mut cells = row.split(" | ");
        let (names, abi) = (cells.next().unwrap(), cells.next().unwrap());
        let names = names.split(", ").map(|name| name.trim_matches('`').to_owned());
        names.map(|name| (name, abi.to_owned())).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_table_names_what_is_linked_and_nothing_else() {
    let table = documented();
    assert_eq!(table.iter().collect::<BTreeSet<_>>().len(), table.len(), "a name twice");
    for (version, abis) in [
        (AbiVersion::V0_1_0, ["all", "0.1.0", ""]),
        (AbiVersion::V0_2_0, ["all", "0.2", ""]),
        (AbiVersion::V0_2_1, ["all", "0.2", "0.2.1"]),
    ] {
        let engine = Engine::default();
        let mut linker = Linker::new(&engine);
        link(&mut linker, version).unwrap();
        let state = VmData::new(HostState::new(PluginOptions::default()), Limiter::new(0));
        let linked: BTreeSet<(String, String)> = linker
            .iter(&mut Store::new(&engine, state))
            .map(|(module, name, _)| (module.to_owned(), name.to_owned()))
            .collect();
        let mut expected = BTreeSet::new();
        for (name, abi) in &table {
            if abi == "WASI" {
                expected.extend(WASI.map(|module| (module.to_owned(), name.clone())));
            } else if abis.contains(&abi.as_str()) {
                expected.insert(("env".to_owned(), name.clone()));
            }
        }
        assert_eq!(linked, expected, "{version:?}");
        let hostcalls = linked.iter().filter(|(_, name)| name.starts_with("proxy_")).count();
        let count = [40, 38, 39][version as usize];
        assert_eq!(hostcalls, count, "{version:?}");
    }
}
