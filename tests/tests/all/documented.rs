//! Tables of the README that are made from the filter's own ones.

use std::collections::BTreeSet;

use meshspan::vm::MetricValue;
use meshspan_filter::attributes::custom::known;
use meshspan_filter::attributes::url::UrlPart;
use meshspan_tests::client::Request;
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::rig::{Protocol, Rig, plugin};
use meshspan_tests::sidecar::Sidecar;
use meshspan_tests::tools::repository;
use meshspan_tests::wait;

/// What is redacted where.
pub(crate) fn urls() -> String {
    let rows = [
        (
            "URL, or its path with query",
            UrlPart::Whole,
            "without userinfo and fragment, the query as `query` says",
        ),
        ("authority", UrlPart::Authority, "without userinfo"),
        ("query", UrlPart::Query, "as `query` says; with `\"drop\"` its `default`"),
    ];
    let mut out = String::from("| what it is | headers | properties | shown |\n|---|---|---|---|\n");
    for (what, part, shown) in rows {
        let [headers, properties] = known::names(part)
            .map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        out.push_str(&format!("| {what} | {headers} | {properties} | {shown} |\n"));
    }
    out
}

/// A metric of the filter.
struct Metric {
    name: String,
    kind: &'static str,
    meaning: String,
}

/// The metrics with what is written of them in the filter's source.
fn metrics() -> Vec<Metric> {
    let source = std::fs::read_to_string(repository().join("filter/src/plugin/metrics.rs")).unwrap();
    let (mut metrics, mut meaning) = (Vec::new(), Vec::new());
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            meaning.push(text);
            continue;
        }
        let declared = line.strip_suffix(',').map(|line| line.split_once(": ").unwrap_or((line, "Counter")));
        let kind = match declared {
            Some((_, "Counter")) => "counter",
            Some((_, "Gauge")) => "gauge",
            Some((_, "Metric")) => "histogram",
            _ => "",
        };
        if let Some((name, _)) = declared.filter(|_| !meaning.is_empty() && !kind.is_empty()) {
            metrics.push(Metric { name: format!("meshspan_{name}"), kind, meaning: meaning.join(" ") });
        }
        meaning.clear();
    }
    metrics.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    metrics
}

/// The filter's metrics.
pub(crate) fn metrics_table() -> String {
    let mut out = String::from("| name | kind | meaning |\n|---|---|---|\n");
    for Metric { name, kind, meaning } in metrics() {
        out.push_str(&format!("| `{name}` | {kind} | {meaning} |\n"));
    }
    out
}

#[test]
fn the_metrics_are_those_that_the_wasm_defines() {
    let defined = Sidecar::start("{}").vm.metrics();
    let kind = |value: &MetricValue| match value {
        MetricValue::Counter(_) => "counter",
        MetricValue::Gauge(_) => "gauge",
        MetricValue::Histogram(_) => "histogram",
    };
    let defined: BTreeSet<_> = defined.iter().map(|(name, value)| (name.clone(), kind(value))).collect();
    let listed = metrics().into_iter().map(|metric| (metric.name, metric.kind)).collect();
    assert_eq!(defined, listed, "left the wasm, right the table");
}

#[test]
fn envoy_shows_the_metrics_as_the_readme_says() {
    let rig = Rig::start(plugin("web", Protocol::Grpc, r#","max_delay_ms":100"#), Behaviour::Accept);
    rig.compare(5);
    rig.settled(10);
    let read = |path: &str| {
        let answer = Request::get(path).send_http1(rig.envoy.admin_port());
        String::from_utf8(answer.body).unwrap()
    };
    wait::until("the histogram to be merged", || {
        read("/stats").contains("wasmcustom.meshspan_export_latency_ms: P0").then_some(())
    });
    let (stats, prometheus) = (read("/stats"), read("/stats/prometheus"));
    for Metric { name, kind, .. } in metrics() {
        assert!(stats.contains(&format!("\nwasmcustom.{name}: ")), "{name}: {stats}");
        assert!(prometheus.contains(&format!("# TYPE {name} {kind}\n")), "{name}: {prometheus}");
    }
    assert!(prometheus.contains("\nmeshspan_spans_exported{} 10\n"), "{prometheus}");
}
