//! Jaeger's query API, so that Jaeger's own page and Grafana's data source work against our traces.
//!
//! Version 1 is what Grafana and Jaeger's page before 2.15 ask; since then it searches by version 3, in OTLP, and
//! is to load traces by it, too.
//! Source: <https://www.jaegertracing.io/docs/latest/architecture/apis/>

mod canonical;
mod read;
mod ui;
mod v1;
mod v3;
mod write;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::{any, get, post};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::answers::{Problem, ask, problem};
use crate::store::{Store, StoreError};
use crate::view::Query;

pub(super) use read::from_v1;
pub use ui::{JaegerUi, JaegerUiError};

pub(super) fn router() -> Router<Store> {
    Router::new()
        .route("/api/services", get(v1::services))
        .route("/api/services/{service}/operations", get(v1::operations_of))
        .route("/api/operations", get(v1::operations))
        .route("/api/traces", get(v1::traces))
        .route("/api/traces/{id}", get(v1::trace))
        .route("/api/dependencies", get(v1::dependencies))
        .route("/api/transform", post(v1::transform))
        .route("/api/archive/{id}", any(not_here))
        .route("/api/metrics/{*rest}", any(not_here))
        .route("/api/quality-metrics", any(not_here))
        .route("/api/v3/services", get(v3::services))
        .route("/api/v3/operations", get(v3::operations))
        .route("/api/v3/trace-summaries", get(v3::summaries).post(v3::summaries_of))
        .route("/api/v3/traces", get(v3::traces).post(v3::traces_of))
        .route("/api/v3/traces/{id}", get(v3::trace))
        .route("/api/v3/dependencies", get(v3::dependencies))
        .route("/api/v3/capabilities", get(v3::capabilities))
        .route("/api/{*rest}", any(unknown))
}

async fn not_here() -> Problem {
    problem(StatusCode::NOT_IMPLEMENTED, "meshspan has no archive and no metrics of spans")
}

async fn unknown(uri: Uri) -> Problem {
    problem(StatusCode::NOT_FOUND, &format!("there is no {} in Jaeger's query API", uri.path()))
}

/// The spans of the traces that fit, the newest trace first, each as they came.
async fn fitting(store: Store, query: Query) -> Result<Vec<Vec<ResourceSpans>>, Problem> {
    let found = move |store: &Store| -> Result<Vec<Vec<ResourceSpans>>, StoreError> {
        let traces = store.search(&query)?.traces.into_iter();
        // One that went meanwhile is left out.
        let spans = traces.filter_map(|found| store.trace(found.id()).transpose());
        spans.collect()
    };
    ask(store, found).await
}
