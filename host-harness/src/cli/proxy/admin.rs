//! How a running proxy is: its numbers for Prometheus, and whether it lives.
//! `GET /stats/prometheus` → `meshspan_proxy_requests 12`, `meshspan_spans_started 24`

use std::net::SocketAddr;

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use meshspan::{
    prometheus::{CONTENT_TYPE, Text, metric_name},
    proxy::{ProxyStats, ProxyWatch},
};

use crate::cli::error::CliError;

/// Answers at `address` for as long as the program runs; where it listens.
///
/// # Errors
/// The address cannot be had.
pub(super) fn serve(address: SocketAddr, proxy: ProxyWatch) -> Result<SocketAddr, CliError> {
    let refused = |error: std::io::Error| {
        CliError::runtime(format!("cannot listen on {address}: {error}"))
            .help("--admin 127.0.0.1:0 takes any free port")
    };
    let socket = std::net::TcpListener::bind(address).map_err(refused)?;
    socket.set_nonblocking(true).map_err(refused)?;
    let bound = socket.local_addr().map_err(refused)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
    let router = Router::new()
        .route("/stats/prometheus", get(async move || numbers(&proxy)))
        .route("/healthz", get(async || "ok\n"));
    let serving = move || {
        let served =
            runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(socket)?, router).await });
        if let Err(error) = served {
            tracing::error!("nobody can ask for the proxy's numbers any more: {error}");
        }
    };
    std::thread::Builder::new().name("meshspan-admin".to_owned()).spawn(serving).map_err(refused)?;
    Ok(bound)
}

fn numbers(proxy: &ProxyWatch) -> Response {
    let kind = [(header::CONTENT_TYPE, CONTENT_TYPE)];
    (kind, text(&proxy.stats())).into_response()
}

fn text(stats: &ProxyStats) -> String {
    let own = [
        ("connections", stats.connections, "Connections accepted."),
        ("requests", stats.requests, "Requests received."),
        ("completed", stats.completed, "Exchanges that came to the end of their response."),
        ("answered", stats.answered, "Responses by the filter or the proxy in the upstream's place."),
        (
            "upstream_failures",
            stats.upstream_failures,
            "Requests that no response came to from the upstream.",
        ),
        ("abandoned", stats.abandoned, "Exchanges that the client left."),
        ("reset", stats.reset, "Exchanges ended in the middle by the filter, the upstream or the proxy."),
        ("unfiltered", stats.unfiltered, "Exchanges that passed without the filter, which had failed."),
        ("request_bytes", stats.request_bytes, "Bytes of requests' bodies received."),
        ("response_bytes", stats.response_bytes, "Bytes of responses' bodies received."),
        ("recorded", stats.recorded, "Exchanges written to the recording."),
        ("not_recorded", stats.not_recorded, "Exchanges that could not be written to the recording."),
        ("vms_lost", stats.plugin.lost, "The filter's VMs that failed."),
    ];
    let mut text = Text::default();
    for (name, value, help) in own {
        text.family(&format!("meshspan_proxy_{name}"), "counter", help);
        text.value(&[], value);
    }
    for (kind, metrics) in [("counter", &stats.metrics), ("gauge", &stats.gauges)] {
        for (name, value) in metrics {
            text.family(&metric_name(name), kind, "");
            text.value(&[], value);
        }
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_numbers_stand_below_the_proxys() {
        let stats = ProxyStats {
            requests: 3,
            metrics: [("meshspan_spans_started".to_owned(), 6)].into(),
            gauges: [("meshspan_queue_spans".to_owned(), 2)].into(),
            ..ProxyStats::default()
        };
        let text = text(&stats);
        assert!(
            text.contains(concat!(
                "# HELP meshspan_proxy_requests Requests received.\n",
                "# TYPE meshspan_proxy_requests counter\nmeshspan_proxy_requests 3\n"
            )),
            "{text}"
        );
        assert!(text.ends_with(concat!(
            "# TYPE meshspan_spans_started counter\nmeshspan_spans_started 6\n",
            "# TYPE meshspan_queue_spans gauge\nmeshspan_queue_spans 2\n",
        )));
    }
}
