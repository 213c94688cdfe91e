//! Reads the section `spans`.

use super::{Section, Value, refuse, strings};
use crate::config::ConfigError;
use crate::config::raw::{RawAttribute, RawNames, RawPlace, RawQuery, RawSource, RawSpans, range};

const HEADERS: [&str; 2] = ["header names", "a header's name"];

pub(super) fn spans(section: &mut Section<'_, '_>, raw: &mut RawSpans) -> Result<(), Box<ConfigError>> {
    let names = [("semconv", RawNames::Semconv), ("linkerd", RawNames::Linkerd)];
    section.choice("names", &names, &mut raw.names)?;
    let policies = [("redact", RawQuery::Redact), ("keep", RawQuery::Keep), ("drop", RawQuery::Drop)];
    section.choice("query", &policies, &mut raw.query)?;
    section.strings("redact", ["parameters", "a parameter's name"], &mut raw.redact)?;
    let templates = ["path templates", "a path such as /users/{id}"];
    section.strings("path_templates", templates, &mut raw.path_templates)?;
    section.boolean("phases", &mut raw.phases)?;
    section.strings("request_headers", HEADERS, &mut raw.request_headers)?;
    section.strings("response_headers", HEADERS, &mut raw.response_headers)?;
    section.number("max_attributes", range::ATTRIBUTES, &mut raw.max_attributes)?;
    section.number("max_attribute_length", range::ATTRIBUTE_LENGTH, &mut raw.max_attribute_length)?;
    let path = section.name("attributes");
    match section.take("attributes") {
        Some(Value::Object(map)) => {
            for (key, value) in map {
                let attribute = attribute(section, format!("{path}.{key}"), value)?;
                raw.attributes.insert(key, attribute);
            }
        }
        Some(other) => return Err(refuse(&path, &other, "an object of attributes")),
        None => {}
    }
    Ok(())
}

/// Reads the value of `path`.
fn attribute(
    section: &mut Section<'_, '_>,
    path: String,
    value: Value,
) -> Result<RawAttribute, Box<ConfigError>> {
    let map = match value {
        Value::String(text) => return Ok(RawAttribute::Literal(text)),
        Value::Object(map) => map,
        other => {
            return Err(refuse(
                &path,
                &other,
                r#"a text or an object such as {"request_header": "x-tenant"}"#,
            ));
        }
    };
    let mut section = Section { path, map, known: Vec::new(), env: section.env, warnings: section.warnings };
    let mut found = Vec::new();
    for (key, place) in RawPlace::ALL {
        if let Some(name) = section.take(key) {
            found.push((place, name_of(&section.name(key), place, name)?));
        }
    }
    let mut default = None;
    section.template("default", &mut default)?;
    let source = match <[_; 1]>::try_from(found) {
        Ok([(place, name)]) => RawSource { place, name, default },
        Err(found) => {
            let found = Value::from(format!("{} sources", found.len()));
            let keys = RawPlace::ALL.map(|(key, _)| key).join(", ");
            return Err(refuse(&section.path, &found, &format!("exactly one of {keys}")));
        }
    };
    section.finish();
    Ok(RawAttribute::From(source))
}

/// The name in a place: one text, but for a property's path, whose parts are between dots or in a list.
fn name_of(path: &str, place: RawPlace, name: Value) -> Result<Vec<String>, Box<ConfigError>> {
    match (place, name) {
        (RawPlace::Property, Value::String(dotted)) => Ok(dotted.split('.').map(str::to_owned).collect()),
        (RawPlace::Property, parts) => strings(path, parts, ["the parts of a path", "a string"]),
        (_, Value::String(name)) => Ok(vec![name]),
        (_, other) => Err(refuse(path, &other, "a string")),
    }
}
