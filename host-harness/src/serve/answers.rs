//! What the page asks, in JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query as Parameters, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::trace_page;
use super::upload::{spans_of_document, spans_of_file, unpacked};
use crate::collect::{by_trace, records};
use crate::store::{Store, StoreError};
use crate::time::Timestamp;
use crate::view::document::Document;
use crate::view::graph::Graph;
use crate::view::library::SearchResult;
use crate::view::query::{parse_age, parse_attributes};
use crate::view::side_by_side::SideBySide;
use crate::view::{Query, Trace, traces};

/// The most traces that one search gives, as Jaeger's.
const MAX_LIMIT: usize = 1_500;

/// Why a question has no answer.
pub(super) type Problem = (StatusCode, Json<Value>);

/// A problem as Jaeger words it: its own page shows the message, too.
pub(super) fn problem(status: StatusCode, message: &str) -> Problem {
    (status, Json(json!({ "error": { "httpCode": status.as_u16(), "message": message } })))
}

pub(super) fn bad(message: impl std::fmt::Display) -> Problem {
    problem(StatusCode::BAD_REQUEST, &message.to_string())
}

/// Asks the store, which may have to wait for the disk, beside the threads that answer.
pub(super) async fn ask<T: Send + 'static>(
    store: Store,
    question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let failed =
        |error: &dyn std::fmt::Display| problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
    let answer = tokio::task::spawn_blocking(move || question(&store)).await;
    answer.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

pub(super) async fn services(State(store): State<Store>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "services": ask(store, Store::services).await? })))
}

/// The search form's fields, as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    service: String,
    operation: String,
    attributes: String,
    lookback: String,
    from: String,
    to: String,
    min: String,
    max: String,
    errors: String,
    orphans: String,
    limit: String,
}

pub(super) async fn search(
    State(store): State<Store>,
    Parameters(search): Parameters<Search>,
) -> Result<Json<SearchResult>, Problem> {
    let query = search.query(now())?;
    Ok(Json(ask(store, move |store| store.search(&query)).await?))
}

impl Search {
    fn query(&self, now: Timestamp) -> Result<Query, Problem> {
        let at = |name, text: &str| (!text.is_empty()).then(|| instant(name, text)).transpose();
        let wanted = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let limit = match self.limit.as_str() {
            "" => Query::default().limit,
            text => number(text).filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                bad(format_args!("limit is {text:?}, expected a number from 1 to {MAX_LIMIT}"))
            })?,
        };
        Ok(Query {
            service: wanted(&self.service),
            operation: wanted(&self.operation),
            attributes: parse_attributes(&self.attributes).map_err(bad)?,
            from: match at("from", &self.from)? {
                None => length("lookback", &self.lookback)?.map(|lookback| now.minus(lookback)),
                from => from,
            },
            to: at("to", &self.to)?,
            min: length("min", &self.min)?,
            max: length("max", &self.max)?,
            errors: self.errors == "1",
            orphans: self.orphans == "1",
            limit,
        })
    }
}

/// An instant of RFC 3339.
pub(super) fn instant(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let read = text.parse::<jiff::Timestamp>().ok();
    let nanos = read.and_then(|instant| u64::try_from(instant.as_nanosecond()).ok());
    nanos.map(Timestamp::from_unix_nanos).ok_or_else(|| {
        bad(format_args!("{name} is {text:?}, expected an instant since 1970 such as 2026-11-22T05:00:00Z"))
    })
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok()
}

fn length(name: &str, text: &str) -> Result<Option<Duration>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    // The page offers a week.
    parse_age(text).map(Some).ok_or_else(|| {
        bad(format_args!("{name} is {text:?}, expected a length of time such as 250us, 100ms or 1.5s"))
    })
}

#[expect(clippy::disallowed_methods, reason = "a search counts back from the real now")]
pub(super) fn now() -> Timestamp {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Timestamp::from_unix_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

pub(super) async fn trace(
    State(store): State<Store>,
    Path(id): Path<String>,
) -> Result<Json<Document>, Problem> {
    Ok(Json(Document::from(&find(&store, &id).await?)))
}

/// The trace as one HTML file: the one of `carried`, which is OTLP JSON, if there is any, else the store's.
pub(super) async fn exported(
    State(store): State<Store>,
    Path(id): Path<String>,
    carried: Bytes,
) -> Result<Response, Problem> {
    let carried = (!carried.is_empty()).then(|| spans_of_file(&carried)).transpose().map_err(bad)?;
    let trace = carried_or_stored(&store, &id, carried).await?;
    let file = format!("attachment; filename=\"trace-{}.html\"", hex::encode(trace.trace_id));
    let page = Html(trace_page(&Document::from(&trace)));
    Ok(([(header::CONTENT_DISPOSITION, file)], page).into_response())
}

pub(super) async fn graph(State(store): State<Store>) -> Result<Json<Graph>, Problem> {
    Ok(Json(ask(store, |store| store.graph(None, None)).await?))
}

/// The two traces to compare.
#[derive(Debug, Deserialize)]
pub(super) struct Pair {
    a: String,
    b: String,
}

/// Those of the two that the page has, in OTLP JSON.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CarriedPair {
    a: Option<Value>,
    b: Option<Value>,
}

/// Two traces side by side, each the one that is `carried` in its place, else the store's.
pub(super) async fn compare(
    State(store): State<Store>,
    Parameters(Pair { a, b }): Parameters<Pair>,
    carried: Bytes,
) -> Result<Json<SideBySide>, Problem> {
    let carried: CarriedPair = match carried.is_empty() {
        true => CarriedPair::default(),
        false => serde_json::from_slice(&carried)
            .map_err(|error| bad(format_args!("{error}; expected a and b in OTLP JSON, each or none")))?,
    };
    let spans = |carried: Option<Value>| carried.map(spans_of_document).transpose().map_err(bad);
    let (first, second) = (spans(carried.a)?, spans(carried.b)?);
    let (first, second) =
        (carried_or_stored(&store, &a, first).await?, carried_or_stored(&store, &b, second).await?);
    Ok(Json(SideBySide::of(&first, &second)))
}

/// The traces of a file, which are shown and not kept: each as it is drawn, and in OTLP for questions about it.
pub(super) async fn upload(body: Bytes) -> Result<Json<Value>, Problem> {
    let spans = unpacked(&body).and_then(|file| spans_of_file(&file)).map_err(bad)?;
    let found = traces(records(&spans));
    let mut original = by_trace(spans);
    let found: Vec<Value> = found
        .iter()
        .map(|trace| {
            let spans = original.remove(trace.trace_id.as_slice()).unwrap_or_default();
            json!({ "trace": Document::from(trace), "resourceSpans": spans })
        })
        .collect();
    Ok(Json(json!({ "traces": found })))
}

/// The trace with that id: of the spans that came with the question, if any did, else of the store.
async fn carried_or_stored(
    store: &Store,
    id: &str,
    carried: Option<Vec<ResourceSpans>>,
) -> Result<Trace, Problem> {
    let Some(spans) = carried else { return find(store, id).await };
    let wanted = trace_id(id)?;
    traces(records(&spans)).into_iter().find(|trace| trace.trace_id == wanted).ok_or_else(|| missing(id))
}

/// The trace with that id, which may lack leading zeros, as Jaeger's ids do.
async fn find(store: &Store, id: &str) -> Result<Trace, Problem> {
    let spans = original(store, id).await?;
    traces(records(&spans)).into_iter().next().ok_or_else(|| missing(id))
}

/// Its spans, as they came.
pub(super) async fn original(store: &Store, id: &str) -> Result<Vec<ResourceSpans>, Problem> {
    let wanted = trace_id(id)?;
    ask(store.clone(), move |store| store.trace(wanted)).await?.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Problem {
    problem(StatusCode::NOT_FOUND, &format!("trace {id:0>32} is not here"))
}

pub(super) fn trace_id(text: &str) -> Result<[u8; 16], Problem> {
    let wrong = || bad(format_args!("{text:?} is no trace id, expected up to 32 hexadecimal digits"));
    if text.is_empty() || text.len() > 32 || !text.is_ascii() {
        return Err(wrong());
    }
    let mut id = [0; 16];
    hex::decode_to_slice(format!("{text:0>32}"), &mut id).map_err(|_| wrong())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_read_as_typed_or_refused_by_name() {
        let now = Timestamp::from_unix_nanos(10_000_000_000_000_000);
        let search = Search {
            service: "web".to_owned(),
            attributes: "a=1".to_owned(),
            lookback: "1h".to_owned(),
            min: "1ms".to_owned(),
            errors: "1".to_owned(),
            ..Search::default()
        };
        let query = search.query(now).unwrap();
        assert_eq!(query.from, Some(now.minus(Duration::from_hours(1))));
        assert_eq!((query.min, query.errors, query.limit), (Some(Duration::from_millis(1)), true, 20));
        let week = Search { lookback: "7d".to_owned(), ..Search::default() };
        assert_eq!(week.query(now).unwrap().from, Some(now.minus(Duration::from_hours(7 * 24))));

        let between =
            Search { from: "2026-11-22T05:00:00Z".to_owned(), to: "2026-11-22T05:00:01Z".to_owned(), ..week };
        let query = between.query(now).unwrap();
        let at = |seconds: u64| Some(Timestamp::from_unix_nanos(seconds * 1_000_000_000));
        assert_eq!((query.from, query.to), (at(1_795_323_600), at(1_795_323_601)));

        let with = |change: fn(&mut Search)| {
            let mut search = Search::default();
            change(&mut search);
            search.query(now).unwrap_err().1.0["error"]["message"].as_str().unwrap_or_default().to_owned()
        };
        assert!(
            with(|s| s.min = "soon".to_owned()).starts_with("min is \"soon\", expected a length of time")
        );
        assert!(with(|s| s.to = "noon".to_owned()).starts_with("to is \"noon\", expected an instant"));
        assert!(
            with(|s| s.limit = "0".to_owned())
                .starts_with("limit is \"0\", expected a number from 1 to 1500")
        );
        assert!(
            with(|s| s.attributes = "a".to_owned()).starts_with("\"a\" is no attribute, expected key=value")
        );
    }

    #[test]
    fn an_id_may_lack_leading_zeros() {
        let mut id = [0; 16];
        id[15] = 0xAB;
        assert_eq!(trace_id("ab").ok(), Some(id));
        assert_eq!(trace_id("00000000000000000000000000000000AB").ok(), None, "34 digits");
        for wrong in ["", "xyz", "é"] {
            assert!(trace_id(wrong).is_err(), "{wrong:?}");
        }
    }
}
