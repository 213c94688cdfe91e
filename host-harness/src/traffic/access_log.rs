//! Access logs with a JSON object a line, as Envoy, Istio and Envoy Gateway write them. Which key holds
//! what is a [`FieldMap`]'s affair. Bodies are never in a log: their sizes are.
//! Spec: <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage>
//!
//! `{"start_time":"2026-11-22T05:00:00.120Z","method":"GET","path":"/","response_code":200,"duration":31,…}`
//!
//! `envoy-config/envoy/access-log.yaml` has a format that holds all that an exchange needs.

mod fields;

use jiff::Timestamp;
use serde_json::Value;

pub use self::fields::{Field, FieldMap, FieldMapError};
use super::draft::{Body, Draft, Message, pair};
use super::{Headers, SkipReason};

/// The most bytes that one line may have: 1 MiB.
pub(super) const MAX_LINE_BYTES: usize = 1 << 20;

/// Reads one line.
pub(super) fn parse(line: &[u8], map: &FieldMap) -> Result<Draft, SkipReason> {
    let log: Value =
        serde_json::from_slice(line).map_err(|error| SkipReason::Unreadable(error.to_string()))?;
    let text = |field| map.find(field, &log).and_then(text);
    let number = |field| map.find(field, &log).and_then(number);
    let whole = |field| number(field).map(|number| number as u64);
    let status = whole(Field::Status).and_then(|status| u16::try_from(status).ok());
    if status.is_none_or(|status| status == 0) {
        let flags = map.find(Field::Flags, &log).and_then(self::text);
        return Err(SkipReason::NoResponse(
            flags.map_or("its status is 0 or missing".to_owned(), |flags| {
                format!("Envoy's flags are {flags}")
            }),
        ));
    }
    let micros = |exact, milliseconds| {
        number(exact).or_else(|| number(milliseconds).map(|ms| ms * 1_000.0)).map(|micros| micros as u64)
    };
    let headers = |map_field, singles: bool| headers(map, map_field, singles, &log);
    Ok(Draft {
        source: text(Field::Source),
        destination: text(Field::Destination).map(|name| service(&name).to_owned()),
        start: map.find(Field::Start, &log).and_then(instant),
        method: text(Field::Method),
        scheme: text(Field::Scheme),
        authority: text(Field::Authority),
        path: text(Field::Path),
        request: Message {
            headers: headers(Field::RequestHeaders, true),
            body: whole(Field::RequestBytes).map_or(Body::Unknown, Body::Size),
            trailers: headers(Field::RequestTrailers, false),
        },
        status,
        response: Message {
            headers: headers(Field::ResponseHeaders, false),
            body: whole(Field::ResponseBytes).map_or(Body::Unknown, Body::Size),
            trailers: headers(Field::ResponseTrailers, false),
        },
        request_end: micros(Field::RequestEndUs, Field::RequestEndMs),
        response_start: micros(Field::ResponseStartUs, Field::ResponseStartMs),
        response_end: micros(Field::ResponseEndUs, Field::ResponseEndMs),
        ..Draft::default()
    })
}

/// The members of an object of headers, and for a request those that stand by themselves.
fn headers(map: &FieldMap, field: Field, with_singles: bool, log: &Value) -> Headers {
    let object = map.find(field, log).and_then(Value::as_object);
    let mut headers: Headers = object
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some(pair(name.as_str(), text(value)?)))
        .collect();
    if with_singles {
        for (name, value) in map.request_headers(log) {
            if let Some(value) = text(value)
                && !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                headers.push(pair(name, value));
            }
        }
    }
    headers
}

/// Istio's clusters are `outbound|80|v1|web.shop.svc.cluster.local`: the host is the service.
fn service(name: &str) -> &str {
    let name = name.rsplit('|').next().unwrap_or(name);
    name.trim_end_matches(';')
}

/// Text that is there: Envoy writes `-` or null for what is not.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() || text == "-" => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    number.filter(|number| *number >= 0.0)
}

/// RFC 3339, or a number since 1970 in seconds, milli-, micro- or nanoseconds: its size tells which.
fn instant(value: &Value) -> Option<Timestamp> {
    if let Some(instant) = value.as_str().and_then(|text| text.parse().ok()) {
        return Some(instant);
    }
    let number = number(value)?;
    let seconds = match number {
        number if number < 1e11 => number,
        number if number < 1e14 => number / 1e3,
        number if number < 1e17 => number / 1e6,
        number => number / 1e9,
    };
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

#[cfg(test)]
mod tests;
