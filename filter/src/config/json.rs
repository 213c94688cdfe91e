//! Reads the configuration's JSON, or the Struct that stands for it, over what [`RawConfig`] already holds.
//! The keys that are asked for are the keys that are known: whatever is left over is warned of.

mod number;
mod reader;
mod sampling;
mod section;
mod spans;
mod value;

use super::raw::{
    RawConfig, RawDirection, RawExport, RawInject, RawLosingHeaders, RawPropagation, RawProtocol, RawRole,
    range,
};
use super::sorted::SortedMap;
use super::{ConfigError, Environment, Warning, one_line, protobuf_struct};
pub(super) use number::Number;
use section::Section;
pub(super) use value::{Value, decimal};

/// Reads `json`, which may be empty, over `raw`.
pub(super) fn apply(
    json: &[u8],
    env: &Environment<'_>,
    raw: &mut RawConfig,
    warnings: &mut Vec<Warning>,
) -> Result<(), Box<ConfigError>> {
    if json.trim_ascii().is_empty() {
        return Ok(());
    }
    let mut root = match parse(json)? {
        Value::Object(map) => Section { path: String::new(), map, known: Vec::new(), env, warnings },
        other => return Err(refuse("configuration", &other, r#"an object such as {"version": 1}"#)),
    };
    root.number("version", range::VERSION, &mut raw.version)?;
    let mut resource = SortedMap::new();
    root.templates("resource", &mut resource)?;
    raw.set_resource(resource);
    root.section("service", &mut |service| {
        service.template("name", &mut raw.service.name)?;
        service.template("namespace", &mut raw.service.namespace)?;
        service.template("instance", &mut raw.service.instance)
    })?;
    root.boolean("start_traces", &mut raw.start_traces)?;
    let directions = [
        ("auto", RawDirection::Auto),
        ("inbound", RawDirection::Inbound),
        ("outbound", RawDirection::Outbound),
    ];
    root.choice("direction", &directions, &mut raw.direction)?;
    let roles = [("both", RawRole::Both), ("server", RawRole::Server), ("client", RawRole::Client)];
    root.choice("role", &roles, &mut raw.role)?;
    root.section("propagation", &mut |section| propagation(section, &mut raw.propagation))?;
    root.section("sampling", &mut |section| sampling::read(section, &mut raw.sampling))?;
    root.section("spans", &mut |section| spans::spans(section, &mut raw.spans))?;
    root.section("export", &mut |section| export(section, &mut raw.export))?;
    root.finish();
    Ok(())
}

/// JSON, or a Struct that stands for it.
fn parse(json: &[u8]) -> Result<Value, Box<ConfigError>> {
    let problem = match reader::read(json) {
        Ok(value) => return Ok(value),
        Err(_) if protobuf_struct::is_struct(json) => {
            return protobuf_struct::decode(json).map_err(|problem| Box::new(ConfigError::Struct(problem)));
        }
        Err(problem) => problem,
    };
    let (line, column) = problem.place(json);
    Err(Box::new(ConfigError::Syntax { line, column, problem: problem.what }))
}

fn propagation(section: &mut Section<'_, '_>, raw: &mut RawPropagation) -> Result<(), Box<ConfigError>> {
    section.strings("extract", FORMATS, &mut raw.extract)?;
    match section.take("inject") {
        Some(Value::String(same)) => raw.inject = RawInject::Same(same),
        Some(formats) => raw.inject = RawInject::Formats(strings(&section.name("inject"), formats, FORMATS)?),
        None => {}
    }
    let policies = [
        ("remove_other_trace", RawLosingHeaders::RemoveOtherTrace),
        ("leave", RawLosingHeaders::Leave),
        ("rewrite", RawLosingHeaders::Rewrite),
    ];
    section.choice("losing_headers", &policies, &mut raw.losing_headers)
}

const FORMATS: [&str; 2] = ["formats", "the name of a format"];

/// Reads a list of what is called `[all, one]`.
fn strings(path: &str, value: Value, [all, one]: [&str; 2]) -> Result<Vec<String>, Box<ConfigError>> {
    let Value::Array(values) = value else {
        return Err(refuse(path, &value, &format!("a list of {all}")));
    };
    let text = |(i, value)| match value {
        Value::String(text) => Ok(text),
        other => Err(refuse(&format!("{path}[{i}]"), &other, one)),
    };
    values.into_iter().enumerate().map(text).collect()
}

fn export(section: &mut Section<'_, '_>, raw: &mut RawExport) -> Result<(), Box<ConfigError>> {
    section.text("cluster", &mut raw.cluster)?;
    let protocols = [("grpc", RawProtocol::Grpc), ("http", RawProtocol::Http)];
    section.choice("protocol", &protocols, &mut raw.protocol)?;
    section.text("path", &mut raw.path)?;
    section.template("authority", &mut raw.authority)?;
    section.templates("headers", &mut raw.headers)?;
    section.number("timeout_ms", range::TIMEOUT_MS, &mut raw.timeout_ms)?;
    section.number("max_batch_spans", range::BATCH_SPANS, &mut raw.max_batch_spans)?;
    section.number("max_delay_ms", range::DELAY_MS, &mut raw.max_delay_ms)?;
    section.number("max_queue_spans", range::QUEUE_SPANS, &mut raw.max_queue_spans)?;
    section.number("max_queue_bytes", range::QUEUE_BYTES, &mut raw.max_queue_bytes)?;
    section.number("max_attempts", range::ATTEMPTS, &mut raw.max_attempts)
}

/// `one of "a", "b"`
pub(super) fn one_of(names: &[&str]) -> String {
    let mut out = String::from("one of ");
    for (i, name) in names.iter().enumerate() {
        for part in [if i == 0 { "\"" } else { ", \"" }, name, "\""] {
            out.push_str(part);
        }
    }
    out
}

/// What `value` is, for where it may be a secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The error for a text at `path`.
#[cold]
pub(super) fn refuse_text(path: &str, text: &str, expected: &str) -> Box<ConfigError> {
    refuse(path, &Value::from(text), expected)
}

/// The error for `value` at `path`.
#[cold]
pub(super) fn refuse(path: &str, value: &Value, expected: &str) -> Box<ConfigError> {
    const SHOWN: usize = 60;
    let mut found = value.to_string();
    if found.chars().count() > SHOWN {
        found = found.chars().take(SHOWN).chain("…".chars()).collect();
    }
    if *value == Value::Null {
        found = "missing".to_owned();
    }
    Box::new(ConfigError::Value { path: one_line(path, 200), found, expected: expected.to_owned() })
}
