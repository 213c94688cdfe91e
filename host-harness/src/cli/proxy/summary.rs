//! What a proxy has done, printed when it ends.

use meshspan::counted::counted;
use meshspan::proxy::ProxyStats;
use serde_json::{Value, json};

use crate::cli::{
    args::Output,
    error::CliError,
    output::{self, list},
};

/// One line for people, or JSON.
pub(crate) fn of(stats: &ProxyStats, output: Output) -> Result<String, CliError> {
    match output {
        Output::Table => Ok(table(stats)),
        Output::Json => output::json_text(&json(stats)),
    }
}

fn table(stats: &ProxyStats) -> String {
    let mut text = line(stats);
    text.push('\n');
    for (name, value) in stats.metrics.iter().filter(|(_, value)| **value > 0) {
        text.push_str(&format!("{name} {value}\n"));
    }
    text
}

/// What became of its requests, without an end of line.
pub(crate) fn line(stats: &ProxyStats) -> String {
    let mut text =
        format!("{} on {}", counted(stats.requests, "request"), counted(stats.connections, "connection"));
    let counts = [
        ("completed", stats.completed),
        ("answered by filter or proxy", stats.answered),
        ("upstream failures", stats.upstream_failures),
        ("left by the client", stats.abandoned),
        ("reset", stats.reset),
        ("without the filter", stats.unfiltered),
        ("recorded", stats.recorded),
        ("not recorded", stats.not_recorded),
        ("VMs lost", stats.plugin.lost),
    ];
    list(&mut text, counts);
    text
}

fn json(stats: &ProxyStats) -> Value {
    json!({
        "connections": stats.connections,
        "requests": stats.requests,
        "completed": stats.completed,
        "answered": stats.answered,
        "upstream_failures": stats.upstream_failures,
        "abandoned": stats.abandoned,
        "reset": stats.reset,
        "unfiltered": stats.unfiltered,
        "request_bytes": stats.request_bytes,
        "response_bytes": stats.response_bytes,
        "recorded": stats.recorded,
        "not_recorded": stats.not_recorded,
        "vms_lost": stats.plugin.lost,
        "metrics": stats.metrics,
    })
}
