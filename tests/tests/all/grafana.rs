//! What Grafana's Jaeger data source asks of a viewer, and whether it can read the answers.
//! The types are those of <https://github.com/grafana/grafana/tree/main/pkg/tsdb/jaeger>.

use std::collections::HashMap;

use meshspan_tests::browser::{Viewer, demo_traces};
use meshspan_tests::client::Request;
use meshspan_tests::wait;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A vote of the demo with 18 spans.
const TRACE: &str = "ce18bd162e4526d50cfc881cb5dbcb3b";

#[derive(Deserialize)]
struct Answer<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    #[serde(rename = "traceID")]
    trace_id: String,
    spans: Vec<Span>,
    processes: HashMap<String, Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(rename = "processID")]
    process_id: String,
    operation_name: String,
    start_time: i64,
    duration: i64,
    logs: Vec<Log>,
    references: Vec<Reference>,
    tags: Vec<Tag>,
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Log {
    timestamp: i64,
    fields: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    parent: String,
    child: String,
    call_count: i64,
}

#[derive(Deserialize)]
struct Result3 {
    result: TracesData,
}

/// The answer to a GET, read as Grafana reads it.
fn ask<T: DeserializeOwned>(viewer: &Viewer, path: &str) -> T {
    let port = viewer.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let answer =
        Request::new("GET", viewer.address(), path).header("accept", "application/json").send_http1(port);
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

#[test]
fn version_1_search_trace_and_dependencies() {
    let viewer = Viewer::start::<&str>(&[demo_traces()], &[]);
    let services: Answer<String> = ask(&viewer, "/api/services");
    assert_eq!(services.data, ["browser", "emoji", "vote-bot", "voting", "web"]);
    let operations: Answer<String> = ask(&viewer, "/api/services/browser/operations");
    assert_eq!(operations.data, ["GET"]);

    let now = wait::unix_nanos() / 1_000;
    let hour = 3_600_000_000;
    let (start, end) = (now - hour, now + hour);
    let times = format!("start={start}&end={end}&limit=30");
    let tags = "%7B%22error%22%3A%22true%22%7D";
    for (query, expected) in [
        (format!("service=voting&{times}&lookback=custom"), 30),
        (format!("service=voting&{times}&tags={tags}"), 10),
        (format!("service=voting&operation=emojivoto.v1.VotingService%2FResults&{times}"), 11),
        (format!("service=voting&{times}&minDuration=20ms&maxDuration=1s"), 10),
        (format!("service=voting&start={}&end={}&limit=30", start - hour, now - hour), 0),
        (format!("service=voting&start={start}&end={end}&limit=2"), 2),
    ] {
        let found: Answer<Trace> = ask(&viewer, &format!("/api/traces?{query}"));
        assert_eq!(found.data.len(), expected, "{query}");
    }

    let found: Answer<Trace> = ask(&viewer, &format!("/api/traces/{TRACE}?start={start}&end={end}"));
    let [trace] = found.data.try_into().ok().unwrap();
    assert_eq!((trace.trace_id.as_str(), trace.spans.len()), (TRACE, 18));
    let ids: Vec<&str> = trace.spans.iter().map(|span| span.span_id.as_str()).collect();
    for span in &trace.spans {
        assert!(trace.processes.contains_key(&span.process_id), "{}", span.operation_name);
        assert!(span.start_time > start as i64 && span.duration > 0 && span.warnings.is_none());
        assert!(
            span.references
                .iter()
                .all(|above| above.ref_type == "CHILD_OF" && ids.contains(&above.span_id.as_str()))
        );
        assert!(span.logs.iter().all(|log| log.timestamp >= span.start_time && log.fields[0].key == "event"));
        let kind = span.tags.iter().find(|tag| tag.key == "span.kind").unwrap();
        assert!(kind.kind == "string" && kind.value.is_string());
    }
    assert!(
        trace.processes.values().all(|process| !process.service_name.is_empty() && !process.tags.is_empty())
    );

    let millis = (end / 1_000, 2 * hour / 1_000);
    let calls: Answer<Dependency> =
        ask(&viewer, &format!("/api/dependencies?endTs={}&lookback={}", millis.0, millis.1));
    let calls: Vec<_> =
        calls.data.iter().map(|c| (c.parent.as_str(), c.child.as_str(), c.call_count)).collect();
    let expected =
        [("browser", "web", 22), ("vote-bot", "web", 128), ("web", "emoji", 228), ("web", "voting", 75)];
    assert_eq!(calls, expected);
}

#[derive(Deserialize)]
struct Services {
    services: Vec<String>,
}

#[derive(Deserialize)]
struct Operations {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    name: String,
    span_kind: String,
}

#[test]
fn version_3_services_operations_and_a_trace() {
    let viewer = Viewer::start::<&str>(&[demo_traces()], &[]);
    assert_eq!(ask::<Services>(&viewer, "/api/v3/services").services.len(), 5);
    let found: Operations = ask(&viewer, "/api/v3/operations?service=browser");
    let mut operations: Vec<_> =
        found.operations.iter().map(|o| (o.name.as_str(), o.span_kind.as_str())).collect();
    operations.sort_unstable();
    assert_eq!(operations, [("GET", "client"), ("GET", "server")]);

    let spans = |path: &str| {
        let found: Result3 = ask(&viewer, path);
        let scopes = found.result.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.map(|scope| scope.spans.len()).sum::<usize>()
    };
    assert_eq!(spans(&format!("/api/v3/traces/{TRACE}")), 18);
    let times = "query.start_time_min=2001-01-01T00:00:00Z&query.start_time_max=2100-01-01T00:00:00Z";
    let search = format!("/api/v3/traces?query.service_name=vote-bot&{times}&query.num_traces=3");
    assert!((3 * 12..=3 * 18).contains(&spans(&search)), "three traces of a vote bot");
}
