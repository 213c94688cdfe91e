//! `meshspan doctor` before a real Envoy whose spans end somewhere: it names the place.

use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::Duration;

use meshspan_tests::client::Request;
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::live::LiveProxy;
use meshspan_tests::rig::{Protocol, Rig, plugin};
use meshspan_tests::tools;
use meshspan_tests::upstream::Upstream;
use serde_json::Value;

/// One attempt, quickly.
const QUICK: &str = r#","max_delay_ms":100,"timeout_ms":300,"max_attempts":1"#;

static MESHSPAN: LazyLock<std::path::PathBuf> = LazyLock::new(tools::meshspan);

fn doctor(arguments: &[&str]) -> Output {
    let mut command = Command::new(&*MESHSPAN);
    command.arg("doctor").args(arguments).env_remove("RUST_LOG").output().expect("meshspan runs")
}

/// The stations and their states, and what was seen at the last.
fn stations(output: &Output) -> (Vec<(String, String)>, String) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let diagnosis: Value = serde_json::from_str(&stdout)
        .unwrap_or_else(|error| panic!("{error}: {stdout}{}", String::from_utf8_lossy(&output.stderr)));
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = diagnosis["steps"].as_array().expect("steps");
    let seen = steps.last().map(|step| text(step, "seen")).unwrap_or_default();
    (steps.iter().map(|step| (text(step, "stage"), text(step, "state"))).collect(), seen)
}

/// Asserts that the diagnosis ends at a break at this station, with these words.
fn assert_broken(output: &Output, stage: &str, words: &str) {
    let (stations, seen) = stations(output);
    assert_eq!(stations.last(), Some(&(stage.to_owned(), "broken".to_owned())), "{words}: {seen}");
    assert!(seen.contains(words), "expected {words:?}: {seen}");
    assert!(stations.iter().rev().skip(1).all(|(_, state)| state == "whole"), "{words}: {stations:?}");
    assert_eq!(output.status.code(), Some(4), "{words}");
}

/// Follows a request of the doctor's own through the rig's proxy.
fn follow(rig: &Rig, cluster: &str) -> Output {
    let proxy = format!("http://127.0.0.1:{}", rig.envoy.admin_port());
    let send = format!("http://127.0.0.1:{}/status/200", rig.port());
    doctor(&["--proxy", &proxy, "--send", &send, "--cluster", cluster, "--wait", "5", "-o", "json"])
}

#[test]
fn where_spans_arrive_everything_is_whole() {
    let rig = Rig::start(plugin("web", Protocol::Grpc, QUICK), Behaviour::Accept);
    let output = follow(&rig, "otel_grpc");
    let (stations, _) = stations(&output);
    let states: Vec<&str> = stations.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(states, ["whole", "whole", "whole", "whole", "whole", "whole", "unknown"], "{stations:?}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn each_fault_of_a_collector_is_told_from_the_others() {
    let slow = Behaviour::Slow(Duration::from_secs(2));
    for (protocol, behaviour, words) in [
        (Protocol::Grpc, Behaviour::Down, "connections to the collector could not be made"),
        (Protocol::Grpc, Behaviour::NotHttp, "connections spoke something else than HTTP"),
        (Protocol::Http, Behaviour::HttpStatus(403, None), "export requests were answered with an error"),
        (Protocol::Http, slow, "export requests got no answer in time"),
        (Protocol::Grpc, Behaviour::GrpcStatus(7), "of 1 export request, 1 failed; given up: 2 spans"),
        (Protocol::Grpc, Behaviour::RejectSome(1), "the collector rejected 1 span in"),
    ] {
        let rig = Rig::start(plugin("web", protocol, QUICK), behaviour);
        let cluster = if protocol == Protocol::Grpc { "otel_grpc" } else { "otel_http" };
        assert_broken(&follow(&rig, cluster), "accepted", words);
    }
}

#[test]
fn a_cluster_that_is_not_there_is_named() {
    let configuration = plugin("web", Protocol::Grpc, QUICK).replace("otel_grpc", "otel");
    let rig = Rig::start(configuration, Behaviour::Accept);
    assert_broken(&follow(&rig, "otel"), "accepted", "the proxy has no cluster \"otel\"");
}

#[test]
fn a_rule_that_drops_all_is_found_at_its_station() {
    let rule = r#"{"sampling":{"rules":[{"match":{"path_prefix":"/"},"decision":"drop"}]},"#;
    let configuration = plugin("web", Protocol::Grpc, QUICK).replacen('{', rule, 1);
    let rig = Rig::start(configuration, Behaviour::Accept);
    assert_broken(&follow(&rig, "otel_grpc"), "sampled", "sampled out: all of ");
}

#[test]
fn a_live_proxy_tells_its_numbers_as_envoy_does() {
    let upstream = Upstream::start();
    let live = LiveProxy::before(
        upstream.port(),
        &["--admin", "127.0.0.1:0", "--otlp-endpoint", "http://127.0.0.1:1"],
    );
    let send = format!("http://127.0.0.1:{}/status/200", live.port());
    let arguments = ["--proxy", &live.admin(), "--send", &send, "--wait", "3", "-o", "json"];
    assert_broken(&doctor(&arguments), "accepted", " failed; given up: ");
}

#[test]
fn requests_without_context_and_a_proxy_without_filter_are_told_apart() {
    let rig = Rig::start(plugin("web", Protocol::Grpc, QUICK), Behaviour::Accept);
    let proxy = format!("http://127.0.0.1:{}", rig.envoy.admin_port());
    let answer = Request::get("/status/200").send_http1(rig.port());
    assert_eq!(answer.status, 200);
    assert_broken(
        &doctor(&["--proxy", &proxy, "-o", "json"]),
        "header",
        "no request has carried a trace context",
    );

    let without = Rig::start_with(Vec::new(), Behaviour::Accept);
    let proxy = format!("http://127.0.0.1:{}", without.envoy.admin_port());
    assert_broken(&doctor(&["--proxy", &proxy, "-o", "json"]), "header", "no meshspan_* counters");
}

#[test]
fn a_recording_is_examined_without_any_proxy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("recording.jsonl");
    let exchange = |header: &str, value: &str| {
        format!(
            r#"{{"id":"1","source":"a","destination":"b","start":"2026-01-01T00:00:00Z","request":{{"method":"GET","scheme":"http","authority":"b","path":"/","headers":[["{header}","{value}"]]}},"response":{{"status":200}},"timing_us":{{"request_end":0,"response_start":1,"response_end":2}}}}"#
        )
    };
    for (header, value, stage, words) in [
        ("uber-trace-id", "1:2:0:1", "header", "other formats only: 1 uber-trace-id (Jaeger's own format)"),
        ("traceparent", "00-0-0-01", "header", "invalid: all of 1 trace context"),
        ("accept", "*/*", "header", "none of 1 request carries a trace context"),
        ("x-b3-sampled", "0", "sampled", "sampled out: all of 2 spans"),
        (
            "b3",
            "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0",
            "sampled",
            "sampled out: all of 2 spans",
        ),
    ] {
        std::fs::write(&file, exchange(header, value)).expect("a writable file");
        let path = file.to_str().expect("a temporary path is text");
        assert_broken(&doctor(&[path, "-o", "json"]), stage, words);
    }
}

#[test]
fn what_cannot_be_asked_is_said_with_what_helps() {
    let output = doctor(&["--proxy", "http://127.0.0.1:1"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("http://127.0.0.1:1/stats/prometheus cannot be reached"), "{stderr}");
    assert!(stderr.contains("--proxy takes Envoy's admin address"), "{stderr}");
}
