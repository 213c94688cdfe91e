//! Reads `sampling`.

use super::{Section, Value, one_of, refuse, strings};
use crate::config::ConfigError;
use crate::config::raw::{
    RawDecision, RawHeaderMatch, RawMatch, RawMatchDirection, RawMethods, RawRule, RawSampling, range,
};
use crate::config::sorted::SortedMap;

const DECISIONS: [(&str, RawDecision); 4] = [
    ("parent", RawDecision::Parent),
    ("always", RawDecision::Always),
    ("drop", RawDecision::Drop),
    ("defer", RawDecision::Defer),
];
/// What a decision may be beside these.
const OBJECTS: &str = r#" or {"ratio": 0.0..=1.0} or {"per_second": 0.0..=1000000.0}"#;

/// Reads the section over `raw`.
pub(super) fn read(section: &mut Section<'_, '_>, raw: &mut RawSampling) -> Result<(), Box<ConfigError>> {
    if let Some(default) = decision(section, "default")? {
        raw.default = default;
    }
    section.boolean("keep_errors", &mut raw.keep_errors)?;
    let mut milliseconds = 0;
    section.number("keep_slower_than_ms", range::SLOWER_MS, &mut milliseconds)?;
    raw.keep_slower_than_ms = (milliseconds > 0).then_some(milliseconds);
    section.list("rules", ["rules", r#"an object such as {"decision": "drop"}"#], &mut |section| {
        raw.rules.push(rule(section)?);
        Ok(())
    })
}

fn rule(section: &mut Section<'_, '_>) -> Result<RawRule, Box<ConfigError>> {
    let name = section.maybe_text("name")?;
    let mut conditions = RawMatch::default();
    section.section("match", &mut |section| matcher(section, &mut conditions))?;
    let Some(decision) = decision(section, "decision")? else {
        return Err(section.refuse("decision", &Value::Null, &one_decision()));
    };
    let mut overrides = false;
    section.boolean("override", &mut overrides)?;
    Ok(RawRule { name, r#match: conditions, decision, r#override: overrides })
}

fn matcher(section: &mut Section<'_, '_>, raw: &mut RawMatch) -> Result<(), Box<ConfigError>> {
    raw.path = section.maybe_text("path")?;
    raw.path_prefix = section.maybe_text("path_prefix")?;
    raw.path_template = section.maybe_text("path_template")?;
    raw.host = section.maybe_text("host")?;
    match section.take("method") {
        Some(Value::String(method)) => raw.method = RawMethods::One(method),
        Some(methods) => {
            let named = ["methods, or one", "the name of a method"];
            raw.method = RawMethods::Several(strings(&section.name("method"), methods, named)?);
        }
        None => {}
    }
    raw.headers = headers(section)?;
    raw.route = section.maybe_text("route")?;
    let mut direction = None;
    let directions =
        [("inbound", Some(RawMatchDirection::Inbound)), ("outbound", Some(RawMatchDirection::Outbound))];
    section.choice("direction", &directions, &mut direction)?;
    raw.direction = direction;
    Ok(())
}

/// Values may be secrets, so that errors do not show them.
fn headers(section: &mut Section<'_, '_>) -> Result<SortedMap<RawHeaderMatch>, Box<ConfigError>> {
    let path = section.name("headers");
    let map = match section.take("headers") {
        Some(Value::Object(map)) => map,
        Some(_) => {
            let found = Value::from("not shown");
            return Err(refuse(&path, &found, "an object of strings, true or false"));
        }
        None => return Ok(SortedMap::new()),
    };
    let mut headers = SortedMap::new();
    for (name, value) in map {
        let condition = match value {
            Value::String(text) => RawHeaderMatch::Value(text),
            Value::Bool(is_there) => RawHeaderMatch::IsThere(is_there),
            _ => {
                let found = Value::from("not shown");
                return Err(refuse(&format!("{path}.{name}"), &found, "a string, true or false"));
            }
        };
        headers.insert(name, condition);
    }
    Ok(headers)
}

/// Reads a decision: its name, or an object that says how many.
fn decision(
    section: &mut Section<'_, '_>,
    key: &'static str,
) -> Result<Option<RawDecision>, Box<ConfigError>> {
    let Some(Value::Object(map)) = section.map.get(key) else {
        let mut decision = None;
        let named = DECISIONS.map(|(name, decision)| (name, Some(decision)));
        section.choice_or(key, &named, OBJECTS, &mut decision)?;
        return Ok(decision);
    };
    let is_one = map.get("ratio").is_some() != map.get("per_second").is_some();
    if !is_one {
        return Err(section.refuse(key, &Value::Object(map.clone()), &one_decision()));
    }
    let (mut ratio, mut per_second) = (None, None);
    section.section(key, &mut |section| {
        ratio = section.share("ratio", range::RATIO)?;
        per_second = section.share("per_second", range::PER_SECOND)?;
        Ok(())
    })?;
    Ok(ratio.map(RawDecision::Ratio).or(per_second.map(RawDecision::PerSecond)))
}

fn one_decision() -> String {
    format!("{}{OBJECTS}", one_of(&DECISIONS.map(|(name, _)| name)))
}
