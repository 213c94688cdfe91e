//! Version 1: times in microseconds, tags with their types, processes beside the spans.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query as Parameters, RawQuery, State};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answers::{Problem, ask, bad, now, original, trace_id};
use super::super::upload::spans_of_file;
use super::fitting;
use super::write::trace_json;
use crate::collect::by_trace;
use crate::store::Store;
use crate::time::Timestamp;
use crate::view::Query;
use crate::view::query::parse_duration;

/// What every answer is wrapped in.
fn wrapped(data: Vec<Value>) -> Json<Value> {
    Json(json!({ "total": data.len(), "data": data, "limit": 0, "offset": 0, "errors": null }))
}

pub(super) async fn services(State(store): State<Store>) -> Result<Json<Value>, Problem> {
    let services = ask(store, Store::services).await?;
    Ok(wrapped(services.into_iter().map(|service| json!(service.name)).collect()))
}

pub(super) async fn operations_of(
    State(store): State<Store>,
    Path(service): Path<String>,
) -> Result<Json<Value>, Problem> {
    let operations = ask(store, move |store| store.operations(&service)).await?;
    let names: BTreeSet<String> = operations.into_iter().map(|(name, _)| name).collect();
    Ok(wrapped(names.into_iter().map(Value::from).collect()))
}

/// Whose operations are asked for, in either version.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OperationsOf {
    service: String,
    #[serde(alias = "span_kind")]
    span_kind: String,
}

impl OperationsOf {
    pub(super) async fn operations(self, store: Store) -> Result<Vec<Value>, Problem> {
        let operations = ask(store, move |store| store.operations(&self.service)).await?.into_iter();
        let fitting =
            operations.filter(|(_, kind)| self.span_kind.is_empty() || kind.as_str() == self.span_kind);
        Ok(fitting.map(|(name, kind)| json!({ "name": name, "spanKind": kind.as_str() })).collect())
    }
}

pub(super) async fn operations(
    State(store): State<Store>,
    Parameters(asked): Parameters<OperationsOf>,
) -> Result<Json<Value>, Problem> {
    Ok(wrapped(asked.operations(store).await?))
}

/// As Jaeger's and Grafana's pages send it; instants in microseconds.
pub(super) async fn traces(
    State(store): State<Store>,
    RawQuery(text): RawQuery,
) -> Result<Json<Value>, Problem> {
    let asked: Vec<(String, String)> = pairs(text.as_deref().unwrap_or_default());
    let ids: Vec<&str> =
        asked.iter().filter(|(key, _)| key == "traceID").map(|(_, id)| id.as_str()).collect();
    if !ids.is_empty() {
        let ids = ids.into_iter().map(trace_id).collect::<Result<Vec<_>, Problem>>()?;
        let known =
            move |store: &Store| ids.into_iter().filter_map(|id| store.trace(id).transpose()).collect();
        let known: Vec<Vec<ResourceSpans>> = ask(store, known).await?;
        return Ok(wrapped(known.iter().map(|spans| trace_json(spans)).collect()));
    }
    let found = fitting(store, query(&asked)?).await?;
    Ok(wrapped(found.iter().map(|spans| trace_json(spans)).collect()))
}

/// `a=b&c=d`, decoded.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn query(asked: &[(String, String)]) -> Result<Query, Problem> {
    let mut query = Query::default();
    for (key, value) in asked.iter().filter(|(_, value)| !value.is_empty()) {
        match key.as_str() {
            "service" => query.service = Some(value.clone()),
            // Jaeger's page sends `all` for any.
            "operation" if value != "all" => query.operation = Some(value.clone()),
            "start" => query.from = Some(micros(key, value)?),
            "end" => query.to = Some(micros(key, value)?),
            "minDuration" => query.min = Some(length(key, value)?),
            "maxDuration" => query.max = Some(length(key, value)?),
            "limit" => {
                query.limit =
                    value.parse().map_err(|_| bad(format_args!("limit is {value:?}, expected a number")))?
            }
            "tags" => query.attributes.extend(tags(value)?),
            "tag" => {
                query.attributes.extend(value.split_once(':').map(|(k, v)| (k.to_owned(), v.to_owned())))
            }
            _ => {}
        }
    }
    Ok(query)
}

/// `{"http.status_code":"200","error":true}`
pub(super) fn tags(json: &str) -> Result<Vec<(String, String)>, Problem> {
    let wrong = || {
        bad(format_args!("{json:?} are no attributes, expected a JSON object such as {{\"key\":\"value\"}}"))
    };
    let tags: serde_json::Map<String, Value> = serde_json::from_str(json).map_err(|_| wrong())?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(tags.into_iter().map(|(key, value)| (key, text(value))).collect())
}

fn micros(key: &str, value: &str) -> Result<Timestamp, Problem> {
    let wrong = |_| bad(format_args!("{key} is {value:?}, expected microseconds since 1970"));
    let micros: u64 = value.parse().map_err(wrong)?;
    Ok(Timestamp::from_unix_nanos(micros.saturating_mul(1_000)))
}

fn length(key: &str, value: &str) -> Result<Duration, Problem> {
    parse_duration(value)
        .ok_or_else(|| bad(format_args!("{key} is {value:?}, expected a length of time such as 1.2s")))
}

pub(super) async fn trace(
    State(store): State<Store>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(wrapped(vec![trace_json(&original(&store, &id).await?)]))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Window {
    /// Milliseconds since 1970.
    end_ts: String,
    /// Milliseconds.
    lookback: String,
}

pub(super) async fn dependencies(
    State(store): State<Store>,
    Parameters(window): Parameters<Window>,
) -> Result<Json<Value>, Problem> {
    let millis = |name: &str, text: &str| match text {
        "" => Ok(None),
        text => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| bad(format_args!("{name} is {text:?}, expected milliseconds"))),
    };
    let end = millis("endTs", &window.end_ts)?;
    let end = end.map_or_else(now, |end| Timestamp::from_unix_nanos(end.saturating_mul(1_000_000)));
    let from =
        millis("lookback", &window.lookback)?.map(|lookback| end.minus(Duration::from_millis(lookback)));
    let calls = ask(store, move |store| store.graph(from, Some(end))).await?.calls.into_iter();
    Ok(wrapped(
        calls.map(|call| json!({ "parent": call.from, "child": call.to, "callCount": call.count })).collect(),
    ))
}

/// Jaeger's page uploads OTLP JSON through this.
pub(super) async fn transform(body: Bytes) -> Result<Json<Value>, Problem> {
    let traces = by_trace(spans_of_file(&body).map_err(bad)?);
    Ok(wrapped(traces.values().map(|spans| trace_json(spans)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_of_jaegers_page_is_understood() {
        let text = "service=web&operation=all&start=1000&end=2000&minDuration=1.5ms&limit=7&tags=%7B%22error%22%3Atrue%2C%22a%22%3A%22b+c%22%7D&tag=x:y&lookback=1h";
        let query = query(&pairs(text)).unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut attributes = query.attributes.clone();
        attributes.sort();
        assert_eq!(attributes, [pair("a", "b c"), pair("error", "true"), pair("x", "y")]);
        assert_eq!((query.service.as_deref(), query.operation, query.limit), (Some("web"), None, 7));
        assert_eq!(query.from, Some(Timestamp::from_unix_nanos(1_000_000)));
        assert_eq!(query.min, Some(Duration::from_micros(1_500)));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, expected) in [
            ("start=soon", "start is \"soon\", expected microseconds since 1970"),
            ("limit=x", "limit is \"x\", expected a number"),
            ("tags=x", "\"x\" are no attributes"),
            ("minDuration=x", "minDuration is \"x\", expected a length"),
        ] {
            let (_, Json(body)) = query(&pairs(text)).unwrap_err();
            assert!(body["error"]["message"].as_str().unwrap_or_default().starts_with(expected), "{body}");
        }
    }
}
