//! A question about traces: which service, operation, attributes, time, length, errors.
//!
//! `http.route="/users/{id}" error=true` → two attributes that one span must have

use std::time::Duration;

use super::Trace;
use crate::collect::SpanRecord;
use crate::time::Timestamp;

/// What a trace must be like. One span must have the service, the operation and all attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `service.name`.
    pub service: Option<String>,
    /// A span's name.
    pub operation: Option<String>,
    /// Keys and values of the span or its resource. `error=true` also fits a span whose status is an error.
    pub attributes: Vec<(String, String)>,
    /// The trace starts at this instant or later.
    pub from: Option<Timestamp>,
    /// The trace starts before this instant or at it.
    pub to: Option<Timestamp>,
    /// The trace is at least as long.
    pub min: Option<Duration>,
    /// The trace is at most as long.
    pub max: Option<Duration>,
    /// The trace has a span that ended with an error.
    pub errors: bool,
    /// The trace has a span whose parent is missing.
    pub orphans: bool,
    /// How many traces are wanted.
    pub limit: usize,
}

impl Default for Query {
    /// Any trace; 20 of them.
    fn default() -> Self {
        Self {
            service: None,
            operation: None,
            attributes: Vec::new(),
            from: None,
            to: None,
            min: None,
            max: None,
            errors: false,
            orphans: false,
            limit: 20,
        }
    }
}

impl Query {
    /// Whether the trace is as asked for.
    pub fn fits(&self, trace: &Trace) -> bool {
        self.from.is_none_or(|from| from <= trace.start)
            && self.to.is_none_or(|to| trace.start <= to)
            && self.min.is_none_or(|min| min <= trace.duration())
            && self.max.is_none_or(|max| trace.duration() <= max)
            && (!self.errors || trace.errors > 0)
            && (!self.orphans || trace.nodes.iter().any(|node| node.is_orphan))
            && (!self.asks_for_a_span() || trace.nodes.iter().any(|node| self.fits_span(&node.span)))
    }

    fn asks_for_a_span(&self) -> bool {
        self.service.is_some() || self.operation.is_some() || !self.attributes.is_empty()
    }

    fn fits_span(&self, span: &SpanRecord) -> bool {
        self.service.as_ref().is_none_or(|service| *service == span.service)
            && self.operation.as_ref().is_none_or(|operation| *operation == span.name)
            && self.attributes.iter().all(|(key, value)| has(span, key, value))
    }
}

fn has(span: &SpanRecord, key: &str, value: &str) -> bool {
    let mut all = span.attributes.iter().chain(span.resource.iter());
    all.any(|(own, found)| own == key && found == value)
        || (key == "error" && value == span.is_error().to_string())
}

/// An attribute in a question is not `key=value`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no attribute, expected key=value, several separated by spaces, a value with spaces in \"\""
)]
pub struct AttributesError {
    found: String,
}

/// Reads `key=value key2="a value" key3="a \"quoted\" value"`.
///
/// # Errors
/// [`AttributesError`] names the part that is none.
pub fn parse_attributes(text: &str) -> Result<Vec<(String, String)>, AttributesError> {
    let mut attributes = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let error = || AttributesError { found: rest.to_owned() };
        let (key, value) = rest.split_once('=').ok_or_else(error)?;
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(error());
        }
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted).ok_or_else(error)?,
            None => {
                let (value, behind) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
                (value.to_owned(), behind)
            }
        };
        attributes.push((key.to_owned(), value));
        rest = behind.trim_start();
    }
    Ok(attributes)
}

/// What stands before the closing quote, and what behind it. A quote or backslash of the value has a backslash before.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(sign) = rest.next() {
        match sign {
            '"' => return Some((value, rest.as_str())),
            '\\' if rest.as_str().starts_with(['"', '\\']) => value.extend(rest.next()),
            sign => value.push(sign),
        }
    }
    None
}

/// Reads a length of time: a number and `ns`, `us`, `µs`, `ms`, `s`, `m` or `h`; without one, milliseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_at =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at)?;
    let seconds = match unit.trim() {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "" | "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

/// As [`parse_duration`], and whole days: `7d`.
pub fn parse_age(text: &str) -> Option<Duration> {
    match text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        Some(days) => Some(Duration::from_hours(24) * days),
        None => parse_duration(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::{SpanKind, Status};
    use crate::view::tests::{app, inbound};
    use crate::view::traces;

    fn trace() -> Trace {
        let failed = SpanRecord {
            name: "Vote".to_owned(),
            status: Status::Error(String::new()),
            attributes: vec![("http.route".to_owned(), "/a b".to_owned())],
            resource: [("k8s.pod.name".to_owned(), "emoji-1".to_owned())].into(),
            ..inbound(2, 9, SpanKind::Server, 1_010, 1_090)
        };
        traces(vec![app(1, None, SpanKind::Client, 1_000, 1_100), failed]).remove(0)
    }

    #[test]
    fn one_span_must_have_it_all() {
        let name = |text: &str| Some(text.to_owned());
        let attribute = |text: &str| parse_attributes(text).unwrap();
        let at = |nanos| Some(Timestamp::from_unix_nanos(nanos));
        let long = |nanos| Some(Duration::from_nanos(nanos));
        let any = Query::default;
        let table = [
            ("anything", any(), true),
            ("its service", Query { service: name("emoji"), ..any() }, true),
            ("another service", Query { service: name("books"), ..any() }, false),
            (
                "service and operation of one span",
                Query { service: name("emoji"), operation: name("Vote"), ..any() },
                true,
            ),
            ("of two spans", Query { service: name("web"), operation: name("Vote"), ..any() }, false),
            ("an attribute", Query { attributes: attribute("http.route=\"/a b\""), ..any() }, true),
            ("another value", Query { attributes: attribute("http.route=/a"), ..any() }, false),
            ("of its resource", Query { attributes: attribute("k8s.pod.name=emoji-1"), ..any() }, true),
            (
                "an error by status",
                Query { attributes: attribute("error=true"), service: name("emoji"), ..any() },
                true,
            ),
            (
                "no error there",
                Query { attributes: attribute("error=true"), service: name("web"), ..any() },
                false,
            ),
            ("from its start", Query { from: at(1_000), ..any() }, true),
            ("from later", Query { from: at(1_001), ..any() }, false),
            ("to its start", Query { to: at(1_000), ..any() }, true),
            ("to earlier", Query { to: at(999), ..any() }, false),
            ("just as long", Query { min: long(100), max: long(100), ..any() }, true),
            ("longer", Query { min: long(101), ..any() }, false),
            ("shorter", Query { max: long(99), ..any() }, false),
            ("with errors", Query { errors: true, ..any() }, true),
            ("broken", Query { orphans: true, ..any() }, true),
        ];
        for (reason, query, expected) in table {
            assert_eq!(query.fits(&trace()), expected, "{reason}");
        }
    }

    #[test]
    fn attributes_are_read_as_people_write_them() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let table = [
            ("", Ok(vec![])),
            ("a=1", Ok(vec![pair("a", "1")])),
            ("  a=1  b=2=3 ", Ok(vec![pair("a", "1"), pair("b", "2=3")])),
            ("a=\"x y\" b=", Ok(vec![pair("a", "x y"), pair("b", "")])),
            (r#"a="x \"y\" \\ \z" b=\"#, Ok(vec![pair("a", r#"x "y" \ \z"#), pair("b", "\\")])),
            (r#"a="x\""#, Err(r#"a="x\""#)),
            ("a", Err("a")),
            ("a=1 b", Err("b")),
            ("=1", Err("=1")),
            ("a=\"x", Err("a=\"x")),
        ];
        for (text, expected) in table {
            let expected = expected.map_err(|found: &str| AttributesError { found: found.to_owned() });
            assert_eq!(parse_attributes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lengths_of_time_have_units() {
        for (text, expected) in [
            ("5", Some(5_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("250 us", Some(250_000)),
            ("3µs", Some(3_000)),
            ("2m", Some(120_000_000_000)),
            ("-1s", None),
            ("1d", None),
            ("", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(parse_duration(text), expected.map(Duration::from_nanos), "{text:?}");
        }
    }
}
