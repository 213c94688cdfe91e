//! JSON Schema and reference of the configuration, out of [`RawConfig`]'s documentation.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::RawConfig;
use super::check::FORMATS;
use super::raw::RawPlace;

/// The configuration's JSON Schema (draft 2020-12).
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<RawConfig>().to_value()
}

/// The configuration's reference: a Markdown table of keys, types, defaults and meanings.
pub fn reference() -> String {
    let mut rows = Vec::new();
    collect(&schema(), "", &mut rows);
    let mut out = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
    for row in rows {
        out.push_str(&row);
    }
    out
}

/// The schema of `propagation.extract`.
pub(super) fn formats(_: &mut SchemaGenerator) -> Schema {
    let names = FORMATS.map(|(name, _)| name);
    json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
}

/// The schema of `propagation.inject`.
pub(super) fn inject(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "const": "same" }, formats(generator)] })
}

/// The schema of `spans.attributes`.
pub(super) fn attributes(_: &mut SchemaGenerator) -> Schema {
    let source = |(key, place): (&str, RawPlace)| {
        let name = match place {
            RawPlace::Property => json!({
                "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
            }),
            _ => json!({ "type": "string" }),
        };
        json!({
            "type": "object",
            "properties": { key: name, "default": { "type": "string" } },
            "required": [key],
        })
    };
    let text = json!({ "type": "string" });
    let choices: Vec<_> = std::iter::once(text).chain(RawPlace::ALL.map(source)).collect();
    json_schema!({ "type": "object", "additionalProperties": { "anyOf": choices } })
}

/// The schema of `sampling.rules[].match.method`.
pub(super) fn methods(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

/// The schema of `sampling.rules[].match.direction`.
pub(super) fn directions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["inbound", "outbound", null] })
}

/// Appends one row per key below `schema`, whose keys are called `prefix…`.
fn collect(schema: &Value, prefix: &str, rows: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (key, property) in properties {
        let path = format!("{prefix}{key}");
        if property.get("properties").is_some() {
            collect(property, &format!("{path}."), rows);
            continue;
        }
        let is_required = schema
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|r| r.contains(&key.as_str().into()));
        let default = match property.get("default").filter(|value| !value.is_null()) {
            Some(value) => format!("`{value}`"),
            None if is_required => "required".to_owned(),
            None => "none".to_owned(),
        };
        let mut meaning = text(property, "description");
        for choice in choices(property).filter(|choice| choice.get("description").is_some()) {
            meaning.push_str(&format!(" {}: {}", kind(choice), text(choice, "description")));
        }
        let (kind, meaning) = (kind(property).replace('|', "\\|"), meaning.replace('|', "\\|"));
        rows.push(format!("| `{path}` | {kind} | {default} | {meaning} |\n"));
        if let Some(items) = property.get("items") {
            collect(items, &format!("{path}[]."), rows);
        }
    }
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten()
}

fn text(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// What values a schema allows, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(constant) = schema.get("const") {
        return format!("`{constant}`");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values = values.iter().filter(|value| !value.is_null());
        return values.map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    }
    if let Some(items) = schema.get("items") {
        if items.get("properties").is_some() {
            return "list of objects".to_owned();
        }
        return format!("list of {}", kind(items));
    }
    let alternatives: Vec<_> = choices(schema).map(kind).collect();
    if !alternatives.is_empty() {
        return alternatives.join(" or ");
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let members = properties.iter().map(|(key, value)| format!("\"{key}\": {}", kind(value)));
        return format!("{{{}}}", members.collect::<Vec<_>>().join(", "));
    }
    if let Some(only) = schema.get("minimum").filter(|least| schema.get("maximum") == Some(least)) {
        return format!("`{only}`");
    }
    let bounds = ["minimum", "maximum"].map(|key| schema.get(key).map(Value::to_string));
    let name = match schema.get("type") {
        Some(Value::Array(names)) => names.first().and_then(Value::as_str).unwrap_or_default(),
        Some(name) => name.as_str().unwrap_or_default(),
        None => "",
    };
    match bounds {
        [Some(from), Some(to)] => format!("{name} {from} to {to}"),
        _ if name == "object" => match schema.get("additionalProperties").map(kind).as_deref() {
            Some("string") | None => "object of strings".to_owned(),
            Some(value) => format!("object of {value}"),
        },
        _ => name.to_owned(),
    }
}
