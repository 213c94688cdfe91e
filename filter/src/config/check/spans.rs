//! [`RawSpans`] → [`SpanShape`]: which further attributes spans have, and within which bounds.

use super::size;
use crate::attributes::custom::known::{SECRET_HEADERS, header_part, is_secret, property_part};
use crate::attributes::custom::{
    BUILT_IN_KEYS, CustomAttribute, HeaderAttribute, Limits, Names, Source, SpanShape,
};
use crate::attributes::url::QueryPolicy;
use crate::config::environment::Environment;
use crate::config::json::refuse_text;
use crate::config::raw::{RawAttribute, RawNames, RawPlace, RawQuery, RawSource, RawSpans};
use crate::config::{ConfigError, Warning};

/// Checks everything of `raw` that is beyond names, paths and the query.
pub(super) fn shape(
    raw: &RawSpans,
    env: &Environment<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<SpanShape, Box<ConfigError>> {
    let mut request_headers = headers("spans.request_headers", "http.request.header.", &raw.request_headers)?;
    let response_headers = headers("spans.response_headers", "http.response.header.", &raw.response_headers)?;
    let names = match raw.names {
        RawNames::Semconv => Names::Semconv,
        RawNames::Linkerd => Names::Linkerd,
    };
    if names == Names::Linkerd {
        // What Linkerd shows of its own is shown once.
        request_headers.retain(|header| !BUILT_IN_KEYS.contains(&header.key.as_str()));
    }
    let is_shown = |key: &str| {
        let mut headers = request_headers.iter().chain(&response_headers);
        BUILT_IN_KEYS.contains(&key) || headers.any(|header| header.key == key)
    };
    let mut attributes = Vec::new();
    for (key, attribute) in raw.attributes.iter() {
        if key.is_empty() || is_shown(key) {
            let found = key;
            return Err(refuse_text("spans.attributes", found, "keys that the filter does not set itself"));
        }
        let path = format!("spans.attributes.{key}");
        let (source, default) = match attribute {
            RawAttribute::Literal(text) => (Source::Literal(env.expand(text, &path, warnings)), None),
            RawAttribute::From(raw) => match source(&path, raw, env, warnings)? {
                Some(source) => (source, raw.default.clone()),
                None => continue,
            },
        };
        let part = match &source {
            Source::RequestHeader(name) | Source::ResponseHeader(name) => header_part(name),
            Source::Property(path) => property_part(path),
            Source::Literal(_) | Source::Baggage(_) => None,
        };
        attributes.push(CustomAttribute { key: key.to_owned(), source, part, default });
    }
    Ok(SpanShape {
        names,
        attributes,
        request_headers,
        response_headers,
        query: match raw.query {
            RawQuery::Redact => QueryPolicy::Redact(raw.redact.clone()),
            RawQuery::Keep => QueryPolicy::Keep,
            RawQuery::Drop => QueryPolicy::Drop,
        },
        limits: Limits { count: size(raw.max_attributes), length: size(raw.max_attribute_length) },
    })
}

/// Where `raw` comes from; none for a variable that is not set and has no default.
fn source(
    path: &str,
    raw: &RawSource,
    env: &Environment<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Source>, Box<ConfigError>> {
    let (name, is_path) = match (raw.name.as_slice(), raw.place) {
        (parts, RawPlace::Property) => (parts.join("\0"), true),
        ([name], _) => (name.clone(), false),
        _ => (String::new(), false),
    };
    if name.is_empty() || (is_path && raw.name.iter().any(|part| part.is_empty() || part.contains('\0'))) {
        return Err(refuse_text(path, &raw.name.join("."), "a name that is not empty"));
    }
    Ok(Some(match raw.place {
        RawPlace::RequestHeader => Source::RequestHeader(header(&format!("{path}.request_header"), &name)?),
        RawPlace::ResponseHeader => {
            Source::ResponseHeader(header(&format!("{path}.response_header"), &name)?)
        }
        RawPlace::Baggage => Source::Baggage(name),
        RawPlace::Property => {
            if is_secret(&name) {
                return Err(refuse_secret(&format!("{path}.property"), &raw.name.join(".")));
            }
            Source::Property(name)
        }
        RawPlace::Environment => match env.find(&name).or(raw.default.as_deref()) {
            Some(value) => Source::Literal(value.to_owned()),
            None => {
                let problem =
                    format!("names the environment variable {name}, which is not set: it is left out");
                warnings.push(Warning::Ignored { name: path.to_owned(), problem });
                return Ok(None);
            }
        },
    }))
}

fn headers(path: &str, prefix: &str, names: &[String]) -> Result<Vec<HeaderAttribute>, Box<ConfigError>> {
    let mut headers: Vec<HeaderAttribute> = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let name = header(&format!("{path}[{i}]"), name)?;
        if !headers.iter().any(|known| known.name == name) {
            let (key, part) = (format!("{prefix}{name}"), header_part(&name));
            headers.push(HeaderAttribute { name, key, part });
        }
    }
    Ok(headers)
}

/// A header's name in lower case.
fn header(path: &str, name: &str) -> Result<String, Box<ConfigError>> {
    if is_secret(name) {
        return Err(refuse_secret(path, name));
    }
    if !super::is_header_name(name) {
        return Err(refuse_text(path, name, "a header's name"));
    }
    Ok(name.to_ascii_lowercase())
}

fn refuse_secret(path: &str, name: &str) -> Box<ConfigError> {
    let expected =
        format!("another header: {} are credentials and never in spans", SECRET_HEADERS.join(", "));
    refuse_text(path, name, &expected)
}
