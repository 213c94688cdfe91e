//! Drain, reload and recording under load: no request is lost.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use meshspan_tests::client::Request;
use meshspan_tests::sink::Sink;
use meshspan_tests::{tools, wait};

use super::{before_echo, file};

const CLIENTS: usize = 16;

#[test]
fn a_drain_ends_what_is_under_way_and_nothing_else() {
    let (proxy, echo) = before_echo(&[]);
    let port = proxy.port();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            thread::spawn(move || {
                let request = Request::get("/after/1500");
                if number % 2 == 0 { request.send_http1(port) } else { request.send_http2(port) }
            })
        })
        .collect();
    wait::until("all requests to be under way", || (echo.requests() == CLIENTS).then_some(()));
    let ending = thread::spawn(move || proxy.end());
    wait::until("the port to be closed", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
    for client in clients {
        assert_eq!(client.join().unwrap().status, 200);
    }
    let (code, output) = ending.join().unwrap();
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains(&format!("{CLIENTS} completed")), "{output}");
}

#[test]
fn a_drain_that_takes_too_long_cuts_off_and_says_so() {
    let (proxy, echo) = before_echo(&["--drain-timeout", "1"]);
    let port = proxy.port();
    let client = thread::spawn(move || Request::get("/after/60000").try_send_http1(port).map(|r| r.status));
    wait::until("the request to be under way", || (echo.requests() == 1).then_some(()));
    let (code, output) = proxy.end();
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("cut off after 1 s"), "{output}");
    assert!(client.join().unwrap().is_err());
}

#[test]
fn a_reload_under_load_drops_no_request() {
    let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
    let configuration = |ratio: &str| {
        format!(
            r#"{{"version":1,"start_traces":true,"sampling":{{"default":{ratio}}},"export":{{"max_delay_ms":100}}}}"#
        )
    };
    let config = file(&directory, "plugin.json", configuration(r#"{"ratio":0.0}"#));
    let collector = format!("http://127.0.0.1:{}", sink.port());
    let arguments = ["--config", config.to_str().unwrap(), "--otlp-endpoint", &collector];
    let (proxy, _echo) = before_echo(&arguments);
    let (port, stop, sent) = (proxy.port(), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(Request::get("/").send_http1(port).status, 200);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=4 {
            thread::sleep(Duration::from_millis(100));
            let ratio = if round == 3 { "\"nonsense\"" } else { r#"{"ratio":1.0}"# };
            std::fs::write(&config, configuration(ratio)).unwrap();
            proxy.signal("HUP");
            let reloads = || {
                proxy.output().matches("Reloaded").count() + proxy.output().matches("not reloaded").count()
            };
            wait::until("the reload", || (reloads() == round).then_some(()));
        }
        wait::until("spans by the new configuration", || (!sink.spans().is_empty()).then_some(()));
        stop.store(true, Ordering::Relaxed);
    });
    let (code, output) = proxy.end();
    assert_eq!(code, Some(0), "{output}");
    let completed = format!("{} completed", sent.load(Ordering::Relaxed));
    assert!(output.contains(&completed), "{completed}: {output}");
    assert_eq!(output.matches("not reloaded").count(), 1, "the nonsense: {output}");
    assert!(!output.contains("without the filter"), "{output}");
}

#[test]
fn a_watched_configuration_is_taken_up() {
    let directory = tempfile::tempdir().unwrap();
    let config = file(&directory, "plugin.json", r#"{"version":1}"#);
    let (proxy, _echo) = before_echo(&["--watch", "--config", config.to_str().unwrap()]);
    std::fs::write(&config, r#"{"version":1,"start_traces":true}"#).unwrap();
    wait::until("the reload", || proxy.output().contains("Reloaded").then_some(()));
    assert_eq!(Request::get("/").send_http1(proxy.port()).status, 200);
}

#[test]
fn what_is_recorded_replays() {
    let directory = tempfile::tempdir().unwrap();
    let recording = directory.path().join("traffic.jsonl");
    let recording = recording.to_str().unwrap();
    let names = ["--record-source", "client", "--record-destination", "web"];
    let arguments = [["--record", recording, "--record-bodies", "100"].as_slice(), &names].concat();
    let (proxy, _echo) = before_echo(&arguments);
    for _ in 0..5 {
        let request = Request::get("/list?x=1").header("traceparent", meshspan_tests::sidecar::SAMPLED);
        let request = request.header("authorization", "secret").header("x-odd", b"caf\xe9");
        assert_eq!(request.send_http1(proxy.port()).status, 200);
    }
    assert_eq!(Request::grpc("web", "/s/m").send_http2(proxy.port()).status, 200);
    let (code, output) = proxy.end();
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("6 recorded"), "{output}");
    let text = std::fs::read_to_string(recording).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let topology = file(
        &directory,
        "topology.json",
        r#"{"version":1,"name":"one","services":{
             "client":{"meshed":false,"address":"10.0.0.1:80","application":{"kind":"drops"}},
             "web":{"meshed":true,"address":"10.0.0.2:80","application":{"kind":"drops"}}}}"#,
    );
    let saved = directory.path().join("spans.jsonl");
    let mut command = Command::new(tools::meshspan());
    command.args(["replay", recording, "--topology"]).arg(topology).arg("--save").arg(&saved);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let spans = meshspan_tests::spans::of_json_lines(&std::fs::read_to_string(&saved).unwrap());
    assert_eq!(spans.iter().filter(|span| span.trace_id.starts_with("4bf92f")).count(), 10, "two a request");
}

#[test]
fn a_recording_goes_on_where_another_run_left_it() {
    let directory = tempfile::tempdir().unwrap();
    let recording = directory.path().join("traffic.jsonl");
    for _ in 0..3 {
        let (proxy, _echo) = before_echo(&["--record", recording.to_str().unwrap()]);
        for _ in 0..2 {
            assert_eq!(Request::get("/").send_http1(proxy.port()).status, 200);
        }
        assert!(proxy.end().1.contains("2 recorded"));
    }
    let mut replay = Command::new(tools::meshspan());
    replay.args(["replay", "--strict", "-o", "json"]).arg(recording);
    let output = replay.output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&summary["exchanges"], &summary["skipped"]),
        (&6.into(), &serde_json::json!({})),
        "{summary}"
    );
}
