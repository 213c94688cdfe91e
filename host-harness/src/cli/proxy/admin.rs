//! How a running proxy is: its numbers for Prometheus, and whether it lives.
//! Spec: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//! `GET /stats/prometheus` → `meshspan_proxy_requests 12`, `meshspan_spans_started 24`

use std::{fmt::Write, net::SocketAddr};

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use meshspan::proxy::{ProxyStats, ProxyWatch};

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
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, text(&proxy.stats())).into_response()
}

fn text(stats: &ProxyStats) -> String {
    let own = [
        ("connections", stats.connections),
        ("requests", stats.requests),
        ("completed", stats.completed),
        ("answered", stats.answered),
        ("upstream_failures", stats.upstream_failures),
        ("abandoned", stats.abandoned),
        ("reset", stats.reset),
        ("unfiltered", stats.unfiltered),
        ("request_bytes", stats.request_bytes),
        ("response_bytes", stats.response_bytes),
        ("recorded", stats.recorded),
        ("not_recorded", stats.not_recorded),
        ("vms_lost", stats.plugin.lost),
    ];
    let mut text = String::new();
    for (name, value) in own {
        family(&mut text, &format!("meshspan_proxy_{name}"), "counter", value);
    }
    stats.metrics.iter().for_each(|(name, value)| family(&mut text, &metric_name(name), "counter", *value));
    stats.gauges.iter().for_each(|(name, value)| family(&mut text, &metric_name(name), "gauge", *value));
    text
}

fn family(text: &mut String, name: &str, kind: &str, value: u64) {
    // Writing into a String cannot fail.
    let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
}

/// A filter may call a metric what it likes; Prometheus has letters, digits, `_` and `:`.
fn metric_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_prometheus_allows() {
        for (name, expected) in [("a_b:c9", "a_b:c9"), ("a.b-c é", "a_b_c__"), ("9a", "_9a")] {
            assert_eq!(metric_name(name), expected);
        }
    }

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
            text.contains("# TYPE meshspan_proxy_requests counter\nmeshspan_proxy_requests 3\n"),
            "{text}"
        );
        assert!(text.ends_with(concat!(
            "# TYPE meshspan_spans_started counter\nmeshspan_spans_started 6\n",
            "# TYPE meshspan_queue_spans gauge\nmeshspan_queue_spans 2\n",
        )));
    }
}
