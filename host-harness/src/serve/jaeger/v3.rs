//! Version 3: OTLP in JSON, and summaries for the list of results.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query as Parameters, RawQuery, State};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use serde_json::{Value, json};

use super::super::answers::{Problem, ask, bad, instant, original};
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
    let query = query(text.as_deref().unwrap_or_default())?;
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
    let query = query(text.as_deref().unwrap_or_default())?;
    Ok(result(fitting(store, query).await?.into_iter().flatten().collect()))
}

pub(super) async fn trace(
    State(store): State<Store>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(result(original(&store, &id).await?))
}

fn result(resource_spans: Vec<ResourceSpans>) -> Json<Value> {
    Json(json!({ "result": TracesData { resource_spans } }))
}

/// `query.serviceName=…`, or with underscores, as the gateway takes both.
fn query(text: &str) -> Result<Query, Problem> {
    let mut query = Query::default();
    for (key, value) in pairs(text).into_iter().filter(|(_, value)| !value.is_empty()) {
        match key.strip_prefix("query.").unwrap_or(&key) {
            "serviceName" | "service_name" => query.service = Some(value),
            "operationName" | "operation_name" => query.operation = Some(value),
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
        let asked = query(text).unwrap();
        assert_eq!(asked.from, Some(Timestamp::from_unix_nanos(1_795_323_600_000_000_000)));
        assert_eq!((asked.min, asked.limit), (Some(Duration::from_millis(500)), 9));
        assert_eq!(asked.attributes, [("a".to_owned(), "b".to_owned())]);
        let underscored = query("query.service_name=web&query.num_traces=9").unwrap();
        assert_eq!((underscored.service.as_deref(), underscored.limit), (Some("web"), 9));
        let (_, Json(problem)) = query("query.startTimeMin=soon").unwrap_err();
        assert_eq!(problem["error"]["httpCode"], 400);
    }
}
