//! Reads the configuration's JSON, or the Struct that stands for it, over what [`RawConfig`] already holds.
//! The keys that are asked for are the keys that are known: whatever is left over is warned of.

mod sampling;
mod spans;
mod value;

use std::ops::RangeInclusive;

use serde_json::Number;

use super::raw::{
    RawConfig, RawDirection, RawExport, RawInject, RawLosingHeaders, RawPropagation, RawProtocol, RawRole,
    range,
};
use super::sorted::SortedMap;
use super::{ConfigError, Environment, Warning, one_line, protobuf_struct};
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
    let error: serde_json::Error = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(_) if protobuf_struct::is_struct(json) => {
            return protobuf_struct::decode(json).map_err(|problem| Box::new(ConfigError::Struct(problem)));
        }
        Err(error) => error,
    };
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default().to_owned();
    Err(Box::new(ConfigError::Syntax { line: error.line(), column: error.column(), problem }))
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

/// One JSON object, from which keys are taken.
struct Section<'a, 'e> {
    path: String,
    map: SortedMap<Value>,
    known: Vec<&'static str>,
    env: &'a Environment<'e>,
    warnings: &'a mut Vec<Warning>,
}

impl Section<'_, '_> {
    /// The full name of `key`.
    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes `key` out; `null` counts as absent.
    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.map.remove(key).filter(|value| *value != Value::Null)
    }

    /// Reads the object `key` by `read`, and warns of what that leaves over.
    fn section(
        &mut self,
        key: &'static str,
        read: &mut dyn FnMut(&mut Section<'_, '_>) -> Result<(), Box<ConfigError>>,
    ) -> Result<(), Box<ConfigError>> {
        let path = self.name(key);
        let map = match self.take(key) {
            Some(Value::Object(map)) => map,
            Some(other) => return Err(refuse(&path, &other, "an object")),
            None => return Ok(()),
        };
        let mut section = Section { path, map, known: Vec::new(), env: self.env, warnings: self.warnings };
        read(&mut section)?;
        section.finish();
        Ok(())
    }

    /// Reads each object in the list `key` by `read`, and warns of what that leaves over. The list
    /// is one of what is called `[all, one]`.
    fn list(
        &mut self,
        key: &'static str,
        [all, one]: [&str; 2],
        read: &mut dyn FnMut(&mut Section<'_, '_>) -> Result<(), Box<ConfigError>>,
    ) -> Result<(), Box<ConfigError>> {
        let path = self.name(key);
        let values = match self.take(key) {
            Some(Value::Array(values)) => values,
            Some(other) => return Err(refuse(&path, &other, &format!("a list of {all}"))),
            None => return Ok(()),
        };
        for (i, value) in values.into_iter().enumerate() {
            let path = format!("{path}[{i}]");
            let Value::Object(map) = value else { return Err(refuse(&path, &value, one)) };
            let known = Vec::new();
            let mut section = Section { path, map, known, env: self.env, warnings: self.warnings };
            read(&mut section)?;
            section.finish();
        }
        Ok(())
    }

    fn text(&mut self, key: &'static str, into: &mut String) -> Result<(), Box<ConfigError>> {
        match self.take(key) {
            Some(Value::String(text)) => *into = text,
            Some(other) => return Err(self.refuse(key, &other, "a string")),
            None => {}
        }
        Ok(())
    }

    /// Reads a list of what is called `[all, one]`.
    fn strings(
        &mut self,
        key: &'static str,
        kind: [&str; 2],
        into: &mut Vec<String>,
    ) -> Result<(), Box<ConfigError>> {
        if let Some(list) = self.take(key) {
            *into = strings(&self.name(key), list, kind)?;
        }
        Ok(())
    }

    fn maybe_text(&mut self, key: &'static str) -> Result<Option<String>, Box<ConfigError>> {
        match self.take(key) {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.refuse(key, &other, "a string")),
            None => Ok(None),
        }
    }

    /// Reads a string in which `${NAME}` stands for a variable.
    fn template(&mut self, key: &'static str, into: &mut Option<String>) -> Result<(), Box<ConfigError>> {
        if let Some(value) = self.take(key) {
            let path = self.name(key);
            *into = Some(self.expand(&path, value)?);
        }
        Ok(())
    }

    /// Reads an object whose values are such strings over `into`.
    fn templates(&mut self, key: &'static str, into: &mut SortedMap<String>) -> Result<(), Box<ConfigError>> {
        let path = self.name(key);
        match self.take(key) {
            Some(Value::Object(map)) => {
                for (name, value) in map {
                    let value = self.expand(&format!("{path}.{name}"), value)?;
                    into.insert(name, value);
                }
                Ok(())
            }
            Some(other) => Err(refuse(&path, &Value::from(kind(&other)), "an object of strings")),
            None => Ok(()),
        }
    }

    fn expand(&mut self, path: &str, value: Value) -> Result<String, Box<ConfigError>> {
        match value {
            Value::String(text) => Ok(self.env.expand(&text, path, self.warnings)),
            other => Err(refuse(path, &Value::from(kind(&other)), "a string")),
        }
    }

    fn boolean(&mut self, key: &'static str, into: &mut bool) -> Result<(), Box<ConfigError>> {
        match self.take(key) {
            Some(Value::Bool(value)) => *into = value,
            Some(other) => return Err(self.refuse(key, &other, "true or false, without quotes")),
            None => {}
        }
        Ok(())
    }

    fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        into: &mut u64,
    ) -> Result<(), Box<ConfigError>> {
        let Some(value) = self.take(key) else { return Ok(()) };
        match value.as_number().and_then(Number::as_u64).filter(|number| range.contains(number)) {
            Some(number) => *into = number,
            None => {
                let expected = format!("a whole number in {}..={}", range.start(), range.end());
                return Err(self.refuse(key, &value, &expected));
            }
        }
        Ok(())
    }

    /// A number that need not be whole. Its range comes with its text: the code that writes such
    /// numbers is large.
    fn share(
        &mut self,
        key: &'static str,
        (range, shown): (RangeInclusive<f64>, &str),
    ) -> Result<Option<f64>, Box<ConfigError>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_number().and_then(Number::as_f64).filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.refuse(key, &value, shown)),
        }
    }

    fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        into: &mut T,
    ) -> Result<(), Box<ConfigError>> {
        self.choice_or(key, choices, "", into)
    }

    /// Reads one of `choices`; `or` says what else there is, for the error.
    fn choice_or<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        or: &str,
        into: &mut T,
    ) -> Result<(), Box<ConfigError>> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        if let Some((_, choice)) = self.position(key, &names, or)?.and_then(|i| choices.get(i)) {
            *into = *choice;
        }
        Ok(())
    }

    /// Which of `names` the value is.
    fn position(
        &mut self,
        key: &'static str,
        names: &[&str],
        or: &str,
    ) -> Result<Option<usize>, Box<ConfigError>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let position = names.iter().position(|name| value.as_str() == Some(name));
        if position.is_none() {
            return Err(self.refuse(key, &value, &format!("{}{or}", one_of(names))));
        }
        Ok(position)
    }

    /// The error for `value`, which is that of `key`.
    #[cold]
    fn refuse(&self, key: &str, value: &Value, expected: &str) -> Box<ConfigError> {
        refuse(&self.name(key), value, expected)
    }

    /// Warns of every key that nobody took.
    fn finish(self) {
        for (key, _) in self.map.iter() {
            let path = self.name(key);
            let distance = |known: &&str| strsim::osa_distance(known, key);
            let nearest = self.known.iter().copied().min_by_key(distance);
            let hint = match nearest.filter(|known| distance(known) <= 1 + known.len() / 3) {
                Some(known) => format!("did you mean {}?", self.name(known)),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.warnings.push(Warning::UnknownKey { path, hint });
        }
    }
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
