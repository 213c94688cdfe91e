//! The reference of environment variables is what the code reads, and what it says of them is so.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::config::variables::{VARIABLES, Variable, variables};

#[test]
fn every_variable_that_is_read_is_in_the_reference() {
    let read: BTreeSet<&str> = include_str!("../environment.rs")
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with("OTEL_"))
        .collect();
    let listed: BTreeSet<&str> = VARIABLES.iter().flat_map(|variable| variable.names).copied().collect();
    assert_eq!(read, listed, "left the code, right the table");
    assert_eq!(variables().lines().count(), 2 + listed.len());
}

#[test]
fn every_variable_sets_its_keys_and_those_count_before_it() {
    for Variable { names, keys, example, .. } in &VARIABLES {
        for (i, name) in names.iter().enumerate() {
            let parsed = |json: &str, env: &[(&str, &str)]| format!("{:?}", parse_with(json, env).unwrap());
            let ratio = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
            let env = [(*name, *example), ratio];
            let env = if name.ends_with("_ARG") { &env[..] } else { &env[..1] };
            let without = if name.ends_with("_ARG") { &env[1..] } else { &[] };
            let json = r#"{"start_traces": true}"#;
            assert_ne!(parsed(json, env), parsed(json, without), "{name} changes something");
            if !keys.is_empty() {
                let json = set(keys).to_string();
                assert_eq!(parsed(&json, env), parsed(&json, &[]), "{keys:?} count before {name}");
            }
            for first in &names[..i] {
                let both = [(*first, *example), (*name, "invalid, if it counted")];
                assert_eq!(parsed("", &both), parsed("", &both[..1]), "{first} counts before {name}");
            }
        }
    }
}

/// A configuration in which these keys have a value of their own, or their default.
fn set(keys: &[&str]) -> Value {
    let mut root = json!({});
    for key in keys {
        let place = key.split('.').fold(&mut root, |at, key| &mut at[key]);
        let schema = key.split('.').fold(schema(), |at, key| at["properties"][key].clone());
        *place = match (*key, &schema["default"]) {
            ("resource", _) => json!({ "a": "json" }),
            ("export.headers", _) => json!({ "x-key": "json" }),
            (_, Value::Null) => json!("json"),
            (_, default) => default.clone(),
        };
    }
    root
}
