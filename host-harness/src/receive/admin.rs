//! How a receiver is, for those who watch it: `/metrics` for Prometheus, `/healthz` and `/readyz` for probes.

use std::future::Future;
use std::io;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Receiver, exposition};
use crate::prometheus;
use crate::store::Store;

/// The port on which OpenTelemetry's and Jaeger's collectors tell their metrics.
pub const METRICS_PORT: u16 = 8888;

/// Answers on `listener` until `until` ends.
///
/// # Errors
/// If the listener fails.
pub async fn watch(
    receiver: Receiver,
    store: Store,
    listener: TcpListener,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state((receiver, store));
    axum::serve(listener, router).with_graceful_shutdown(until).await
}

async fn metrics(State((receiver, store)): State<(Receiver, Store)>) -> Response {
    let stats = tokio::task::spawn_blocking(move || store.stats()).await;
    match stats {
        Ok(Ok(stats)) => {
            let text = exposition(&receiver, &stats);
            ([(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)], text).into_response()
        }
        Ok(Err(error)) => unavailable(&error),
        Err(error) => unavailable(&error),
    }
}

/// Ready is who takes spans and has a store that can be written and asked.
async fn ready(State((receiver, store)): State<(Receiver, Store)>) -> Response {
    if !receiver.is_ready() {
        return unavailable(&"draining");
    }
    match tokio::task::spawn_blocking(move || store.check().and_then(|()| store.stats())).await {
        Ok(Ok(_)) => "ok\n".into_response(),
        Ok(Err(error)) => unavailable(&error),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(problem: &dyn std::fmt::Display) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response()
}
