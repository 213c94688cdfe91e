//! The schema and the parser are written apart from each other; here they are compared.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Every key with its path, and the schema of its value; what is in lists is `rules[].name`.
fn keys(schema: &Value, prefix: &str, out: &mut Vec<(String, Value)>) {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (key, property) in properties {
        let path = format!("{prefix}{key}");
        out.push((path.clone(), property.clone()));
        keys(property, &format!("{path}."), out);
        if let Some(items) = property.get("items") {
            keys(items, &format!("{path}[]."), out);
        }
    }
}

fn all_keys() -> Vec<(String, Value)> {
    let mut out = Vec::new();
    keys(&schema(), "", &mut out);
    out
}

/// `a.b` and 1 → `{"a": {"b": 1}}`, `a[].b` → `{"a": [{"b": 1}]}`. A rule also gets its decision.
fn nest(path: &str, value: &Value) -> String {
    let around = |inner: Value, key: &str| match key.strip_suffix("[]") {
        Some(list) => {
            let mut item = json!({ "decision": "parent" });
            item.as_object_mut().unwrap().extend(inner.as_object().unwrap().clone());
            json!({ list: [item] })
        }
        None => json!({ key: inner }),
    };
    path.rsplit('.').fold(value.clone(), around).to_string()
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json");
    let generated = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        committed, generated,
        "run UPDATE_GOLDEN=1 cargo test -p meshspan-filter and look at the difference"
    );
}

#[test]
fn every_key_is_documented_and_its_default_changes_nothing() {
    let keys = all_keys();
    assert_eq!(keys.len(), 53, "a key came or went: see that it is tested");
    let expected = format!("{:?}", parse("").unwrap().0);
    let with_rule = format!("{:?}", parse(r#"{"sampling": {"rules": [{"decision": "parent"}]}}"#).unwrap().0);
    for (path, property) in keys {
        assert!(property.get("description").is_some_and(|text| text != ""), "{path} is not documented");
        let required = json!("parent");
        let default = match property.get("default") {
            None if path == "sampling.rules[].decision" => &required,
            default => default.unwrap_or_else(|| panic!("{path} has no default")),
        };
        let (config, warnings) = parse(&nest(&path, default)).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{path} is in the schema, but not known");
        let expected = if path.contains("[]") { &with_rule } else { &expected };
        assert_eq!(format!("{config:?}"), *expected, "the default of {path} is another");
    }
}

#[test]
fn ranges_of_schema_and_parser_are_the_same() {
    let mut compared = 0;
    for (path, property) in all_keys() {
        let bound = |key| property.get(key).and_then(Value::as_u64);
        let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) else { continue };
        for number in [least, most] {
            assert!(parse(&nest(&path, &json!(number))).is_ok(), "{path} = {number}");
        }
        for number in [least - 1, most + 1] {
            assert!(parse(&nest(&path, &json!(number))).is_err(), "{path} = {number}");
        }
        compared += 1;
    }
    assert_eq!(compared, 10);
}

#[test]
fn choices_of_schema_and_parser_are_the_same() {
    let mut compared = 0;
    for (path, property) in all_keys() {
        for choice in ["oneOf", "anyOf"].iter().filter_map(|key| property.get(key)?.as_array()).flatten() {
            let Some(constant) = choice.get("const") else { continue };
            assert_eq!(parse(&nest(&path, constant)).map(|(_, warnings)| warnings), Ok(Vec::new()), "{path}");
            compared += 1;
        }
    }
    assert_eq!(compared, 25);
}

#[test]
fn the_reference_has_a_row_for_every_key() {
    let reference = reference();
    assert!(
        reference.contains(
            "| `export.timeout_ms` | integer 1 to 600000 | `10000` | How long one attempt may take"
        )
    );
    assert!(reference.contains("| `service.name` | string | none |"));
    assert!(reference.contains("{\"ratio\": number 0.0 to 1.0}"));
    assert!(reference.contains("object of string or {\"default\": string, \"request_header\": string} or"));
    assert!(reference.contains("| `sampling.rules` | list of objects | `[]` | "));
    assert!(reference.contains("| `sampling.rules[].match.headers` | object of string or boolean | `{}` | "));
    assert!(reference.contains("{\"per_second\": number 0.0 to 1000000.0} | required | "));
    for (path, property) in all_keys() {
        let is_leaf = property.get("properties").is_none();
        assert_eq!(reference.contains(&format!("| `{path}` |")), is_leaf, "{path}");
    }
    assert!(reference.lines().all(|line| line.matches(" | ").count() >= 3 || line.starts_with("|---")));
}

proptest! {
    #[test]
    fn rule_48_no_configuration_does_harm(json in proptest::collection::vec(any::<u8>(), 0..100), value in ".{0,60}") {
        let _ = Config::parse(&json, &[]);
        for (name, _) in all_keys() {
            let json = nest(&name, &json!(value));
            let env = [("OTEL_RESOURCE_ATTRIBUTES".to_owned(), value.clone())];
            let _ = Config::parse(json.as_bytes(), &env);
        }
    }
}
