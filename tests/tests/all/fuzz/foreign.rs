//! Calls of foreign functions for the scripts of `hostcalls`: no made-up bytes are one of their names.

use std::collections::{BTreeMap, BTreeSet};

use super::{Random, corpus, targets};

/// The host's own.
const NAMES: [&str; 10] = [
    "clear_route_cache",
    "compress",
    "declare_property",
    "expr_create",
    "expr_delete",
    "expr_evaluate",
    "set_envoy_filter_state",
    "sign",
    "uncompress",
    "verify_signature",
];

/// Parts of expressions.
const PARTS: [&str; 32] = [
    "1",
    "2u",
    "-9223372036854775808",
    "1.5e300",
    "'a'",
    "b'\\xff'",
    "true",
    "null",
    "[1, 'a', []]",
    "{'a': 1, 2: {}}",
    "request.method",
    "request.path",
    "request.headers",
    "request.headers['x']",
    "request.absent",
    "request.time",
    "response.code",
    "connection.id",
    "plugin_name",
    "size(request.headers)",
    "has(request.headers.x)",
    "request.path.matches('(a|b)*c')",
    "'aaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a+)+$')",
    "[1, 2].map(i, i * 2)",
    "[1].exists(i, i > 0)",
    "duration('1.5s')",
    "timestamp('2026-11-22T05:00:00Z')",
    "string(1)",
    "int('x')",
    "double(1)",
    "dyn(1)",
    "unknown(1)",
];

const BETWEEN: [&str; 16] = [
    " + ", " - ", " * ", " / ", " % ", " == ", " < ", " && ", " || ", " in ", " ? 1 : ", ".", "[", "(", ")",
    ", ",
];

/// The byte that calls a foreign function; the corpus has it, too.
pub(super) fn step() -> u8 {
    let functions = meshspan::vm::host_functions(meshspan::vm::AbiVersion::default()).unwrap();
    let place = functions.iter().position(|function| function.name == "proxy_call_foreign_function");
    30 + place.unwrap() as u8
}

impl Random {
    /// Name, arguments and the places of the result; the arguments are a text, or what the host gave last.
    pub(super) fn foreign_call(&mut self) -> Vec<u8> {
        let mut call = text(NAMES[self.below(NAMES.len())].as_bytes());
        match self.below(4) {
            0 => call.extend([8, 9]),
            1 => call.extend((0..2).map(|_| self.below(10) as u8)),
            2 => {
                let bytes: Vec<u8> = (0..self.below(24)).map(|_| self.below(256) as u8).collect();
                call.extend(text(&bytes));
            }
            _ => call.extend(text(self.expression().as_bytes())),
        }
        // Mostly where 8 and 9 look for it.
        let place = if self.below(4) == 0 { 2 } else { 0 };
        call.extend([7, place, 7, place + 1]);
        call
    }

    fn expression(&mut self) -> String {
        let mut expression = PARTS[self.below(PARTS.len())].to_owned();
        for _ in 0..self.below(4) {
            expression += BETWEEN[self.below(BETWEEN.len())];
            expression += PARTS[self.below(PARTS.len())];
        }
        expression
    }
}

/// A pointer to these bytes of the script, and how many they are.
fn text(bytes: &[u8]) -> Vec<u8> {
    [&[5, bytes.len() as u8], bytes, &[6]].concat()
}

#[test]
fn the_corpus_calls_every_foreign_function_well_and_badly() {
    let mut results = BTreeMap::<String, BTreeSet<bool>>::new();
    for input in corpus("hostcalls") {
        for hostcall in targets::hostcalls::hostcalls(&input) {
            if let Some(name) = hostcall.argument("function") {
                results.entry(name.to_owned()).or_default().insert(hostcall.is_ok());
            }
        }
    }
    for name in NAMES {
        let found = results.get(&format!("{name:?}"));
        // One that does nothing cannot fail.
        let expected = if name == "clear_route_cache" { &[true][..] } else { &[false, true] };
        assert_eq!(found, Some(&expected.iter().copied().collect()), "{name} among {results:?}");
    }
}
