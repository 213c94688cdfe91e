//! The command as people and scripts run it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "cli/baseline.rs"]
mod baseline;
#[path = "cli/cache.rs"]
mod cache;
#[path = "cli/convert.rs"]
mod convert;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/save.rs"]
mod save;
#[path = "cli/view.rs"]
mod view;
#[path = "cli/what_if.rs"]
mod what_if;

use std::{
    fs::File,
    io::Read,
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, SystemTime},
};

use meshspan::{
    collect::{from_json_lines, latest_end_unix_nano, records, span_count},
    topology::Emojivoto,
    traffic::jsonl::JsonLines,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// With an environment of its own: no variable of the caller's decides a test.
fn meshspan(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshspan"));
    command.env_clear().env("COLUMNS", "120").args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    meshspan(arguments).output().unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}: all is well, so nothing is said");
    String::from_utf8(output.stdout).unwrap()
}

fn recording(name: &str) -> String {
    format!("{}/recordings/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The exchanges and traces of the demo's recording.
fn demo_exchanges() -> (u64, u64) {
    let exchanges = JsonLines::new(Emojivoto::B3.recording()).map(Result::unwrap);
    exchanges.fold((0, 0), |(all, roots), one| (all + 1, roots + u64::from(one.parent.is_none())))
}

/// Each exchange has one span of either application, and two of either proxy.
fn demo_spans() -> u64 {
    demo_exchanges().0 * 6
}

#[test]
fn demo_shows_a_summary_and_a_vote() {
    let (exchanges, traces) = demo_exchanges();
    for recording in ["b3", "w3c"] {
        let text = stdout(&["demo", "--no-serve", "--recording", recording]);
        for line in [
            &format!("exchanges        {exchanges}"),
            &format!("proxy passes     {}", exchanges * 2),
            &format!("traces           {traces}"),
            &format!(
                "spans            {} ({} from proxies, {} from applications)",
                exchanges * 6,
                exchanges * 4,
                exchanges * 2
            ),
            "orphans          0",
            "lost context     0",
            "dropped          0",
        ] {
            assert!(text.lines().any(|found| found == line), "{recording}: {text} lacks {line}");
        }
        assert!(text.contains(" · 18 spans · 4 services · "), "{text}");
        assert!(text.contains("└emojivoto.v1.VotingService/Vote"), "{text}");
        assert!(text.contains(" in 6 passes · "), "{text}");
        assert!(!text.contains('\u{1b}'), "no colours in a pipe");
    }
}

/// The filter adapts to nginx: nothing is lost, nothing hangs in the air, nothing is said.
#[test]
fn demo_in_nginx_gives_the_same_spans() {
    let json: Value =
        serde_json::from_str(&stdout(&["demo", "-o", "json", "--host-profile", "nginx"])).unwrap();
    assert_eq!(json["spans"]["total"], demo_spans());
    assert_eq!(json["dropped"], serde_json::json!({}));
    let help = stdout(&["replay", "--help"]);
    assert!(help.contains("--host-profile <PROXY>") && help.contains("nginx with ngx_wasm_module"), "{help}");
}

#[test]
fn demo_as_json_is_the_same() {
    let json: Value = serde_json::from_str(&stdout(&["demo", "-o", "json"])).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["spans"]["total"], demo_spans());
    assert_eq!(json["export"], Value::Null);
    let spans = json["trace"]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 18);
    assert_eq!(spans.iter().filter(|span| span["proxy_overhead_ns"].is_u64()).count(), 6);
}

#[test]
fn colours_are_as_asked_for() {
    for (arguments, variable, expected) in [
        (&["demo", "--color", "always"][..], None, true),
        (&["--color", "always", "demo"], Some(("NO_COLOR", "1")), true),
        (&["demo"], Some(("CLICOLOR_FORCE", "1")), true),
        (&["demo", "--color", "never"], Some(("CLICOLOR_FORCE", "1")), false),
        (&["demo"], None, false),
    ] {
        let output = meshspan(arguments).envs(variable).output().unwrap();
        assert_eq!(output.stdout.contains(&0x1b), expected, "{arguments:?} {variable:?}");
    }
}

#[test]
fn saved_spans_end_now_unless_times_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let arguments = [&["demo", "--seed", "7", "--save", path.to_str().unwrap()], more].concat();
        stdout(&arguments);
        std::fs::read_to_string(path).unwrap()
    };
    let spans = from_json_lines(&save("now.jsonl", &[])).unwrap();
    assert_eq!(span_count(&spans), demo_spans());
    assert_eq!(records(&spans).len() as u64, demo_spans(), "every id is well formed");
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let age = now - Duration::from_nanos(latest_end_unix_nano(&spans).unwrap());
    assert!(age < Duration::from_secs(60), "{age:?}");

    let kept = save("kept.jsonl", &["--keep-times"]);
    assert_eq!(kept, save("again.jsonl", &["--keep-times"]), "the same seed gives the same bytes");
    assert_ne!(kept, save("w3c.jsonl", &["--keep-times", "--recording", "w3c"]));
}

#[test]
fn replay_takes_files() {
    let (files, topology) = (recording("emojivoto-b3.jsonl"), recording("emojivoto-b3.topology.json"));
    let folder = tempfile::tempdir().unwrap();
    let wasm = folder.path().join("filter.wasm");
    let wasm = wasm.to_str().unwrap();
    stdout(&["filter", "--out", wasm]);
    for more in [&[][..], &["--filter", wasm]] {
        let json = stdout(&[&["replay", &files, "--topology", &topology, "-o", "json"], more].concat());
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["spans"]["total"], demo_spans());
        assert_eq!(json["trace"], Value::Null);
    }
}

/// The Job's own command line, run once for each of its indices, with what only a cluster has replaced.
#[test]
fn the_jobs_pods_replay_the_whole_recording_between_them() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config/kubernetes/replay-job.yaml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let job: serde_yaml_ng::Value = serde_yaml_ng::from_str(&manifest).unwrap();
    assert_eq!(
        (job["kind"].as_str(), job["spec"]["completionMode"].as_str()),
        (Some("Job"), Some("Indexed"))
    );
    let pods = job["spec"]["completions"].as_u64().unwrap();
    assert_eq!(job["spec"]["parallelism"].as_u64(), Some(pods));
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"][0].as_str(), Some("meshspan"));
    let arguments = container["args"].as_sequence().unwrap();
    let (files, topology) = (recording("emojivoto-b3.jsonl"), recording("emojivoto-b3.topology.json"));
    let mut exchanges = Vec::new();
    for index in 0..pods {
        let argument = |text: &str| match text {
            "/recording/traffic.jsonl" => files.clone(),
            "/recording/topology.json" => topology.clone(),
            text => text.replace("$(JOB_COMPLETION_INDEX)", &index.to_string()),
        };
        let arguments: Vec<String> = arguments.iter().map(|text| argument(text.as_str().unwrap())).collect();
        let endpoint = arguments.iter().position(|text| text == "--otlp-endpoint").unwrap();
        let (before, after) = (&arguments[..endpoint], &arguments[endpoint + 2..]);
        let here: Vec<&str> = before.iter().chain(after).map(String::as_str).collect();
        let json: Value = serde_json::from_str(&stdout(&here)).unwrap();
        assert_eq!(json["orphans"], 0, "whole traces");
        exchanges.push(json["exchanges"].as_u64().unwrap());
    }
    assert_eq!(exchanges.iter().sum::<u64>(), demo_exchanges().0, "{exchanges:?}");
    assert!(exchanges.iter().all(|some| *some > 0), "{exchanges:?}");
}

#[test]
fn replay_needs_no_topology_and_reads_standard_input() {
    let file = File::open(recording("emojivoto-w3c.jsonl")).unwrap();
    let arguments =
        ["replay", "-", "--format", "jsonl", "-o", "json", "--what-if", "0.5", "--show", "largest"];
    let output = meshspan(&arguments).stdin(file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let passes = json["proxy_passes"].as_u64().unwrap();
    assert_eq!(json["exchanges"], passes, "one proxy");
    let half = json["what_if"][0]["spans"].as_u64().unwrap();
    assert!(0 < half && half < json["spans"]["total"].as_u64().unwrap());
    assert!(!json["trace"]["spans"].as_array().unwrap().is_empty(), "the largest is shown");
}

#[test]
fn ctrl_c_ends_a_paced_replay_with_what_was_done() {
    let (files, topology) = (recording("emojivoto-b3.jsonl"), recording("emojivoto-b3.topology.json"));
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("spans.jsonl");
    let arguments = [
        "replay",
        &files,
        "--topology",
        &topology,
        "--speed",
        "1",
        "--save",
        saved.to_str().unwrap(),
        "-o",
        "json",
    ];
    let child = meshspan(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let started = now();
    sleep(Duration::from_secs(5));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(now() - started < Duration::from_secs(40), "the recording takes a minute");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let exchanges = json["exchanges"].as_u64().unwrap();
    assert!(0 < exchanges && exchanges < demo_exchanges().0, "{exchanges}");
    assert_eq!(json["orphans"], 0, "what was under way came to its end");
    let spans = from_json_lines(&std::fs::read_to_string(saved).unwrap()).unwrap();
    assert_eq!(span_count(&spans), 6 * exchanges, "and was saved");
}

#[test]
fn explain_shows_every_hostcall_of_each_request() {
    let (files, topology) = (recording("emojivoto-b3.jsonl"), recording("emojivoto-b3.topology.json"));
    let arguments = ["replay", &files, "--topology", &topology, "--seed", "1"];
    let text = stdout(&[&arguments[..], &["--explain"]].concat());
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("exchange ") && first.ends_with(" · passed"), "{first}");
    assert!(text.contains("\n  proxy_on_request_headers("), "callbacks");
    assert!(
        text.contains("\n    proxy_get_header_map_pairs(map: request headers) → OK, value: {:method: "),
        "hostcalls"
    );

    let json = stdout(&[&arguments[..], &["--explain", "-o", "json"]].concat());
    let passes: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(passes.len() as u64, 2 * demo_exchanges().0);
    let hostcall = &passes[0]["stream"][1]["hostcalls"][0];
    assert!(hostcall["name"].as_str().unwrap().starts_with("proxy_"), "{hostcall}");
    assert!(passes.iter().all(|pass| pass["outcome"] == "passed"));

    let failures = stdout(&[&arguments[..], &["--explain-only-failures"]].concat());
    assert!(
        failures.contains("→ NotFound\n") && failures.contains("\n      see https://"),
        "{failures:.400}"
    );
    assert!(!failures.contains("→ OK"), "{failures:.400}");
}

#[test]
fn check_asks_the_filter_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.json");
    let path = file.to_str().unwrap();
    let check = |json: &str, more: &[&str]| {
        std::fs::write(&file, json).unwrap();
        let output = run(&[&["check", path], more].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let accepted = format!("{path}: accepted\n");
    assert_eq!(check(r#"{"service":{"name":"web"}}"#, &[]), (Some(0), accepted.clone(), String::new()));
    let (code, stdout, _) = check(r#"{"smapling":{}}"#, &[]);
    assert!(code == Some(0) && stdout.contains("smapling") && stdout.ends_with(&accepted), "{stdout}");
    let (code, stdout, stderr) = check(r#"{"sampling":{"default":{"ratio":1.5}}}"#, &[]);
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    assert!(stderr.contains("ratio") && stderr.contains("help: `meshspan schema config`"), "{stderr}");
    let named = r#"{"service":{"name":"${NAME}"}}"#;
    assert_eq!(check(named, &["--env", "NAME=web"]), (Some(0), accepted, String::new()));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("replay") && script.contains("what-if"), "{shell}: {script}");
    }
}

#[test]
fn filter_writes_the_wasm_and_prints_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filter.wasm");
    let text = stdout(&["filter", "--out", path.to_str().unwrap()]);
    let wasm = std::fs::read(&path).unwrap();
    assert!(wasm.starts_with(b"\0asm"));
    assert_eq!(text, format!("{}  {}\n", hex::encode(Sha256::digest(&wasm)), path.display()));
}

#[test]
fn schema_prints_the_committed_schemas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, path) in [
        ("config", "../filter/config.schema.json"),
        ("exchange", "schemas/exchange.schema.json"),
        ("topology", "schemas/topology.schema.json"),
        ("mesh", "schemas/mesh.schema.json"),
        ("summary", "schemas/summary.schema.json"),
        ("comparison", "schemas/comparison.schema.json"),
    ] {
        assert_eq!(stdout(&["schema", name]), std::fs::read_to_string(root.join(path)).unwrap(), "{name}");
    }
}

#[test]
fn the_exit_code_says_what_went_wrong() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{closed}");
    let (files, topology) = (recording("emojivoto-b3.jsonl"), recording("emojivoto-b3.topology.json"));
    for (arguments, code, error, help) in [
        (vec![], 2, "Usage: meshspan", ""),
        (vec!["demo", "--otlp-protocol", "http/xml"], 2, "expected grpc, http/protobuf or http/json", ""),
        (
            vec!["demo", "--otlp-endpoint", "http://c:4318", "--otlp-identity", "a.b"],
            3,
            "error: --otlp-endpoint is \"http://c:4318\": an identity can be checked with TLS only",
            "",
        ),
        (
            vec!["demo", "--otlp-endpoint", &closed],
            5,
            " spans were not exported, 0",
            "help: check that a collector",
        ),
        (vec!["demo", "--save", "/nowhere/x"], 1, "error: cannot write /nowhere/x: ", ""),
        (vec!["replay", "/nowhere", "--topology", &topology], 1, "error: cannot read /nowhere: ", ""),
        (
            vec!["replay", &topology, "--topology", &topology],
            3,
            "emojivoto-b3.topology.json: the format is not known, expected one of jsonl",
            "",
        ),
        (
            vec!["replay", &topology, "--format", "jsonl"],
            3,
            "nothing could be replayed: ",
            "help: `meshspan schema exchange`",
        ),
        (
            vec!["replay", &files, "--topology", &files],
            3,
            "emojivoto-b3.jsonl: ",
            "help: `meshspan schema topology`",
        ),
        (vec!["mesh", &files], 3, "emojivoto-b3.jsonl: unknown field `", "help: `meshspan schema mesh`"),
        (
            vec!["replay", &files, "--topology", &topology, "--filter", &files],
            3,
            "emojivoto-b3.jsonl: the filter cannot be loaded: the filter is not a valid WebAssembly module: it begins with \"{",
            "",
        ),
    ] {
        let output = run(&arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        for part in [error, help] {
            assert!(stderr.contains(part), "{arguments:?}: {stderr} lacks {part}");
        }
    }
}

#[test]
fn the_environment_names_the_collector_too() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml"),
    ];
    let output = meshspan(&["demo"]).envs(variables).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: OTEL_EXPORTER_OTLP_PROTOCOL is \"http/xml\", expected"), "{stderr}");
}

/// A collector that takes connections and never answers; the program, once it has connected.
fn stuck(timeout_ms: &str) -> (TcpListener, std::process::Child) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut command = meshspan(&["demo", "--otlp-endpoint", &endpoint]);
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", timeout_ms).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let (mut stream, _) = silent.accept().unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0, "the request has begun");
    std::mem::forget(stream);
    (silent, child)
}

fn interrupt(child: &std::process::Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn ctrl_c_flushes_and_says_what_was_done() {
    let (_silent, child) = stuck("1500");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let (text, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("interrupted: flushing; once more to end at once"), "{stderr}");
    assert!(text.contains("exported         0"), "{text}");
    assert!(text.contains("interrupted)") || text.contains("timed out)"), "{text}");
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let (_silent, mut child) = stuck("600000");
    interrupt(&child);
    sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it flushes");
    interrupt(&child);
    for _ in 0..100 {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(130));
            return;
        }
        sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    panic!("it goes on");
}
