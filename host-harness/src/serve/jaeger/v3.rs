//! Version 3: OTLP in JSON, and summaries for the list of results.
//! Source: <https://github.com/jaegertracing/jaeger-idl/blob/main/proto/api_v3/query_service.proto>

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query as Parameters, RawQuery, State};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::answers::{Problem, ask, bad, instant, original};
use super::canonical::traces_json;
use super::fitting;
use super::v1::{OperationsOf, pairs, tags};
use crate::store::Store;
use crate::view::Query;
use crate::view::library::Found;
use crate::view::query::parse_duration;

pub(super) async fn services(State(store): State<Store>) -> Result<Json<Value>, Problem> {
    let services = ask(store, Store::services).await?;
    let names: Vec<String> = services.into_iter().map(|service| service.name).collect();
    Ok(Json(json!({ "services": names })))
}

pub(super) async fn operations(
    State(store): State<Store>,
    Parameters(asked): Parameters<OperationsOf>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "operations": asked.operations(store).await? })))
}

pub(super) async fn summaries(
    State(store): State<Store>,
    RawQuery(text): RawQuery,
) -> Result<Json<Value>, Problem> {
    summarised(store, query(pairs(text.as_deref().unwrap_or_default()))?).await
}

/// The same question in a body.
pub(super) async fn summaries_of(State(store): State<Store>, body: Bytes) -> Result<Json<Value>, Problem> {
    summarised(store, query(Asked::read(&body)?.pairs())?).await
}

async fn summarised(store: Store, query: Query) -> Result<Json<Value>, Problem> {
    let found = ask(store, move |store| store.search(&query)).await?;
    let summaries: Vec<Value> = found.traces.iter().map(summary).collect();
    Ok(Json(json!({ "summaries": summaries })))
}

fn summary(found: &Found) -> Value {
    // Both are numbers of ours.
    let end = found.start_unix_nano.parse::<u64>().unwrap_or(0).saturating_add(found.duration_ns);
    let services: Vec<Value> = found
        .services
        .iter()
        .map(|own| json!({ "name": own.name, "spanCount": own.spans, "errorSpanCount": own.errors }))
        .collect();
    json!({
        "traceId": found.trace_id,
        "rootServiceName": found.service,
        "rootOperationName": found.name,
        "minStartTimeUnixNano": found.start_unix_nano,
        "maxEndTimeUnixNano": end.to_string(),
        "spanCount": found.spans,
        "errorSpanCount": found.errors,
        "orphanSpanCount": found.orphans,
        "services": services,
    })
}

pub(super) async fn traces(
    State(store): State<Store>,
    RawQuery(text): RawQuery,
) -> Result<Json<Value>, Problem> {
    let query = query(pairs(text.as_deref().unwrap_or_default()))?;
    Ok(result(fitting(store, query).await?.into_iter().flatten().collect()))
}

/// The same question in a body.
pub(super) async fn traces_of(State(store): State<Store>, body: Bytes) -> Result<Json<Value>, Problem> {
    Ok(result(fitting(store, query(Asked::read(&body)?.pairs())?).await?.into_iter().flatten().collect()))
}

pub(super) async fn trace(
    State(store): State<Store>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(result(original(&store, &id).await?))
}

fn result(resource_spans: Vec<ResourceSpans>) -> Json<Value> {
    Json(json!({ "result": traces_json(resource_spans) }))
}

/// When the calls were made; both are RFC 3339, as the gateway takes them.
#[derive(Debug, Deserialize)]
pub(super) struct Window {
    #[serde(rename = "startTime", alias = "start_time")]
    start: String,
    #[serde(rename = "endTime", alias = "end_time")]
    end: String,
}

pub(super) async fn dependencies(
    State(store): State<Store>,
    Parameters(window): Parameters<Window>,
) -> Result<Json<Value>, Problem> {
    let (from, to) = (instant("startTime", &window.start)?, instant("endTime", &window.end)?);
    let calls = ask(store, move |store| store.graph(Some(from), Some(to))).await?.calls.into_iter();
    let calls = calls.map(|call| {
        // 64 bits are text in protobuf's JSON.
        json!({ "parent": call.from, "child": call.to, "callCount": call.count.to_string() })
    });
    Ok(Json(json!({ "dependencies": calls.collect::<Vec<_>>() })))
}

/// What a search can do here: any service, and all conditions on one span. No filters as trees, no pages.
pub(super) async fn capabilities() -> Json<Value> {
    Json(json!({ "search": { "withoutServiceName": true, "sameSpanConjunction": true } }))
}

/// A question as the body of a POST: `{"query": {"serviceName": "web", "attributes": {"error": "true"}}}`
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    query: Map<String, Value>,
}

impl Asked {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|error| {
            bad(format_args!(
                "the body is no question: {error}; expected {{\"query\":{{\"serviceName\":\"web\"}}}}"
            ))
        })
    }

    /// As they would be in an address.
    fn pairs(self) -> Vec<(String, String)> {
        let text = |value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        self.query.into_iter().map(|(key, value)| (key, text(value))).collect()
    }
}

/// `query.serviceName=…`, or with underscores, as the gateway takes both.
fn query(asked: Vec<(String, String)>) -> Result<Query, Problem> {
    let mut query = Query::default();
    for (key, value) in asked.into_iter().filter(|(_, value)| !value.is_empty()) {
        match key.strip_prefix("query.").unwrap_or(&key) {
            "serviceName" | "service_name" => query.service = Some(value),
            // The page of 2.17 and 2.18 has its own word for it.
            "operationName" | "operation_name" | "span_name" => query.operation = Some(value),
            // To leave a condition out would give more than was asked for.
            "filter" => {
                return Err(bad("query.filter is given, expected none: /api/v3/capabilities has no filter"));
            }
            "attributes" => query.attributes = tags(&value)?,
            "startTimeMin" | "start_time_min" => query.from = Some(instant(&key, &value)?),
            "startTimeMax" | "start_time_max" => query.to = Some(instant(&key, &value)?),
            "durationMin" | "duration_min" => query.min = Some(length(&key, &value)?),
            "durationMax" | "duration_max" => query.max = Some(length(&key, &value)?),
            "searchDepth" | "search_depth" | "numTraces" | "num_traces" => {
                query.limit =
                    value.parse().map_err(|_| bad(format_args!("{key} is {value:?}, expected a number")))?;
            }
            _ => {}
        }
    }
    Ok(query)
}

fn length(key: &str, value: &str) -> Result<Duration, Problem> {
    parse_duration(value)
        .ok_or_else(|| bad(format_args!("{key} is {value:?}, expected a length of time such as 1.2s")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_search_of_jaegers_page_is_understood() {
        let text = "query.serviceName=web&query.startTimeMin=2026-11-22T05%3A00%3A00.000Z&query.durationMin=0.5s&query.searchDepth=9&query.attributes=%7B%22a%22%3A%22b%22%7D";
        let query = |text: &str| query(pairs(text));
        let asked = query(text).unwrap();
        assert_eq!(asked.from, Some(Timestamp::from_unix_nanos(1_795_323_600_000_000_000)));
        assert_eq!((asked.min, asked.limit), (Some(Duration::from_millis(500)), 9));
        assert_eq!(asked.attributes, [("a".to_owned(), "b".to_owned())]);
        let underscored = query("query.service_name=web&query.num_traces=9").unwrap();
        assert_eq!((underscored.service.as_deref(), underscored.limit), (Some("web"), 9));
        assert_eq!(query("query.span_name=GET").unwrap().operation.as_deref(), Some("GET"));
        for refused in ["query.startTimeMin=soon", "query.filter=%7B%7D"] {
            let (_, Json(problem)) = query(refused).unwrap_err();
            assert_eq!(problem["error"]["httpCode"], 400, "{refused}");
        }
    }

    #[test]
    fn a_body_asks_the_same() {
        let body = json!({ "query": { "serviceName": "web", "search_depth": 9, "rawTraces": null,
            "attributes": { "a": "b" }, "durationMin": "0.5s" } });
        let asked = Asked::read(body.to_string().as_bytes()).unwrap();
        let asked = query(asked.pairs()).unwrap();
        assert_eq!((asked.service.as_deref(), asked.limit), (Some("web"), 9));
        assert_eq!(
            (asked.attributes, asked.min),
            (vec![("a".to_owned(), "b".to_owned())], Some(Duration::from_millis(500)))
        );
    }
}
