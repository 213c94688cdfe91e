//! `sampling`: raw rules → a [`Sampler`].

use std::time::Duration;

use super::path_template;
use crate::config::json::refuse_text;
use crate::config::raw::{
    RawDecision, RawHeaderMatch, RawMatch, RawMatchDirection, RawMethods, RawRule, RawSampling,
};
use crate::config::{ConfigError, Direction, Warning};
use crate::sampler::{
    DEFAULT, Decision, HeaderCondition, Keep, Matcher, PARENT, Pattern, Rule, Sampler, Threshold, TokenBucket,
};

/// Rules at most: each may be tried for each request.
const MAX_RULES: usize = 100;
/// Characters of a name at most: it is in every span that its rule decides about.
const MAX_NAME: usize = 64;
/// Bytes of a text to compare with at most.
const MAX_TEXT: usize = 256;

/// Checks `raw`.
pub(super) fn sampler(raw: &RawSampling, warnings: &mut Vec<Warning>) -> Result<Sampler, Box<ConfigError>> {
    if raw.rules.len() > MAX_RULES {
        let found = format!("{} rules", raw.rules.len());
        return Err(refuse_text("sampling.rules", &found, &format!("at most {MAX_RULES}")));
    }
    let rules = raw.rules.iter().enumerate().map(|(i, raw)| rule(raw, i, warnings));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    for (i, rule) in rules.iter().enumerate() {
        if let Some(first) = rules.iter().take(i).position(|other| other.matcher.covers(&rule.matcher)) {
            let problem = format!("is never reached: sampling.rules[{first}] matches all its requests");
            warnings.push(Warning::Ignored { name: format!("sampling.rules[{i}]"), problem });
        }
    }
    let slower_than = raw.keep_slower_than_ms.map(Duration::from_millis);
    let keep = Keep { errors: raw.keep_errors, slower_than };
    Ok(Sampler { rules, default: decision(raw.default), keep })
}

fn decision(raw: RawDecision) -> Decision {
    match raw {
        RawDecision::Parent => Decision::Parent,
        RawDecision::Always => Decision::Always,
        RawDecision::Drop => Decision::Drop,
        RawDecision::Defer => Decision::Defer,
        RawDecision::Ratio(ratio) => Decision::Ratio(Threshold::from_ratio(ratio)),
        RawDecision::PerSecond(rate) => Decision::PerSecond(TokenBucket::new(rate)),
    }
}

fn rule(raw: &RawRule, i: usize, warnings: &mut Vec<Warning>) -> Result<Rule, Box<ConfigError>> {
    let path = format!("sampling.rules[{i}]");
    if raw.r#override && raw.decision == RawDecision::Parent {
        let problem = "changes nothing: its decision is the caller's own".to_owned();
        warnings.push(Warning::Ignored { name: format!("{path}.override"), problem });
    }
    let name = match raw.name.as_deref() {
        None => format!("rules[{i}]"),
        Some(DEFAULT | PARENT | "") => {
            let expected =
                format!("a name, but not \"{DEFAULT}\" or \"{PARENT}\", which mean something else");
            return Err(refuse_text(
                &format!("{path}.name"),
                raw.name.as_deref().unwrap_or_default(),
                &expected,
            ));
        }
        Some(name) if name.chars().count() > MAX_NAME => {
            let expected = format!("at most {MAX_NAME} characters");
            return Err(refuse_text(&format!("{path}.name"), name, &expected));
        }
        Some(name) => name.to_owned(),
    };
    let matcher = matcher(&raw.r#match, &format!("{path}.match"))?;
    Ok(Rule { name, matcher, decision: decision(raw.decision), overrides: raw.r#override })
}

fn matcher(raw: &RawMatch, path: &str) -> Result<Matcher, Box<ConfigError>> {
    let slashed = |key: &str, value: &Option<String>| match value {
        Some(text) if !text.starts_with('/') || text.contains(['?', '#']) => {
            let expected = "a path that begins with /, without query";
            Err(refuse_text(&format!("{path}.{key}"), text.as_str(), expected))
        }
        other => Ok(other.clone()),
    };
    let pattern = |key: &str, value: &Option<String>| {
        value.as_deref().map(|text| compared(&format!("{path}.{key}"), text)).transpose()
    };
    let template = raw.path_template.as_deref();
    Ok(Matcher {
        path: slashed("path", &raw.path)?,
        path_prefix: slashed("path_prefix", &raw.path_prefix)?,
        path_template: template
            .map(|text| path_template(&format!("{path}.path_template"), text))
            .transpose()?,
        methods: methods(&raw.method, path)?,
        host: pattern("host", &raw.host)?,
        headers: headers(raw, path)?,
        direction: raw.direction.map(|direction| match direction {
            RawMatchDirection::Inbound => Direction::Inbound,
            RawMatchDirection::Outbound => Direction::Outbound,
        }),
        route: pattern("route", &raw.route)?,
    })
}

fn compared(path: &str, text: &str) -> Result<Pattern, Box<ConfigError>> {
    if text.is_empty() || text.len() > MAX_TEXT {
        let expected = format!("1 to {MAX_TEXT} bytes, * for anything");
        return Err(refuse_text(path, text, &expected));
    }
    Ok(Pattern::new(text))
}

fn methods(raw: &RawMethods, path: &str) -> Result<Vec<String>, Box<ConfigError>> {
    let methods = match raw {
        RawMethods::One(method) => std::slice::from_ref(method),
        RawMethods::Several(methods) => methods,
    };
    match methods.iter().find(|method| !is_token(method)) {
        Some(odd) => Err(refuse_text(&format!("{path}.method"), odd.as_str(), "methods such as GET")),
        None => Ok(methods.to_vec()),
    }
}

fn headers(raw: &RawMatch, path: &str) -> Result<Vec<(String, HeaderCondition)>, Box<ConfigError>> {
    let check = |(name, condition): (&str, &RawHeaderMatch)| {
        let path = format!("{path}.headers.{name}");
        if !is_token(name.strip_prefix(':').unwrap_or(name)) {
            return Err(refuse_text(&path, name, "the name of a header"));
        }
        let condition = match condition {
            RawHeaderMatch::IsThere(true) => HeaderCondition::Present,
            RawHeaderMatch::IsThere(false) => HeaderCondition::Absent,
            RawHeaderMatch::Value(text) if text.len() > MAX_TEXT => {
                let found = "not shown";
                return Err(refuse_text(&path, found, &format!("at most {MAX_TEXT} bytes, * for anything")));
            }
            RawHeaderMatch::Value(text) => HeaderCondition::Value(Pattern::new(text)),
        };
        Ok((name.to_ascii_lowercase(), condition))
    };
    raw.headers.iter().map(check).collect()
}

/// Whether `text` can be a method or a header's name (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}
