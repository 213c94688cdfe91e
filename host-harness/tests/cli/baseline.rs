//! `meshspan replay --baseline`.

use serde_json::{Value, json};

use super::{recording, run, stdout};

/// Emojivoto's traffic: B3 over HTTP, `grpc-trace-bin` over gRPC.
fn arguments<'a>(files: &'a [String; 2], more: &[&'a str]) -> Vec<&'a str> {
    [&["replay", &files[0], "--topology", &files[1], "--seed", "1"], more].concat()
}

fn files() -> [String; 2] {
    ["emojivoto-b3.jsonl", "emojivoto-b3.topology.json"].map(recording)
}

/// The topology's own plugin configuration, with something changed.
fn configuration(folder: &tempfile::TempDir, change: impl FnOnce(&mut Value)) -> String {
    let topology: Value =
        serde_json::from_str(&std::fs::read_to_string(recording("emojivoto-b3.topology.json")).unwrap())
            .unwrap();
    let mut plugin = topology.get("plugin").unwrap().clone();
    change(&mut plugin);
    let path = folder.path().join("baseline.json");
    std::fs::write(&path, plugin.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn names(changes: &Value) -> Vec<(&str, &str)> {
    let changes = changes.as_array().unwrap().iter();
    changes.map(|row| (row["name"].as_str().unwrap(), row["change"].as_str().unwrap())).collect()
}

#[test]
fn the_same_filter_and_the_same_configuration_change_nothing() {
    let (folder, files) = (tempfile::tempdir().unwrap(), files());
    let wasm = folder.path().join("filter.wasm");
    let wasm = wasm.to_str().unwrap();
    stdout(&["filter", "--out", wasm]);
    let same = configuration(&folder, |_| {});
    for baseline in [wasm, &same] {
        let text = stdout(&arguments(&files, &["--baseline", baseline, "--fail-on-change"]));
        for section in
            ["request headers ", "response headers", "span fields", "attributes", "resources", "counters"]
        {
            let line = text.lines().find(|line| line.starts_with(section)).unwrap();
            assert!(line.ends_with(" unchanged"), "{text}");
        }
    }
    let alone = ["replay", &files[0], "--baseline", wasm, "--fail-on-change", "-o", "json"];
    let json: Value = serde_json::from_str(&stdout(&alone)).unwrap();
    assert_eq!((&json["changed"], &json["spans"]["by_name"]), (&json!(false), &json!([])));
    assert!(json["exchanges"].as_u64().unwrap() > 0 && json["spans"]["current"].as_u64().unwrap() > 0);
}

#[test]
fn another_configuration_is_told_in_headers() {
    let (folder, files) = (tempfile::tempdir().unwrap(), files());
    let baseline =
        configuration(&folder, |plugin| plugin["propagation"] = json!({"inject": ["tracecontext"]}));
    let more = ["--baseline", &baseline, "--fail-on-change", "-o", "json"];
    let output = run(&arguments(&files, &more));
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["changed"], true);
    let headers = names(&json["request_headers"]);
    assert!(headers.contains(&("traceparent", "removed")), "{json:#}");
    let rows = json["request_headers"].as_array().unwrap().iter();
    let row = rows.clone().find(|row| row["name"] == "traceparent" && row["change"] == "removed").unwrap();
    assert!(row["count"].as_u64().unwrap() > 0 && row["example"]["current"].is_null(), "{row:#}");
    let before = row["example"]["baseline"].as_str().unwrap();
    assert!(before.starts_with("00-<32 hex, ") && before.ends_with(" hex, new>-01"), "{before}");
    assert_eq!(json["response_headers"], json!([]));
}

#[test]
fn another_configuration_is_told_in_spans() {
    let (folder, files) = (tempfile::tempdir().unwrap(), files());
    let baseline = configuration(&folder, |plugin| {
        plugin["service"]["namespace"] = json!("before");
        plugin["spans"] =
            json!({"path_templates": ["/api/{call}"], "request_headers": ["host", "user-agent"]});
    });
    let text = stdout(&arguments(&files, &["--baseline", &baseline]));
    for found in ["request headers   unchanged", ": before → emojivoto\n", "  removed  http.route "] {
        assert!(text.contains(found), "{found}: {text}");
    }
    let json = stdout(&arguments(&files, &["--baseline", &baseline, "-o", "json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(names(&json["spans"]["resource_attributes"]), [("service.namespace", "changed")]);
    assert!(names(&json["spans"]["fields"]).contains(&("name", "changed")), "{json:#}");
    assert_eq!(json["spans"]["baseline"], json["spans"]["current"]);
    assert_eq!(json["spans"]["unpaired"], json!({"baseline": 0, "current": 0}));
    let names = json["spans"]["by_name"].as_array().unwrap();
    assert!(
        names.iter().any(|named| named["baseline"] == 0) && names.iter().any(|named| named["current"] == 0)
    );
}

/// Puts four bytes before each request's body when it is whole, and adds a trailer to each response that has some.
const CHANGES: &str = r#"(module
    (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "more")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
      (if (result i32) (local.get $end)
        (then (drop (call $set (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))) (i32.const 0))
        (else (i32.const 1))))
    (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
      (drop (call $add (i32.const 3) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4))) (i32.const 0)))"#;

#[test]
fn another_filter_is_told_in_bodies_and_trailers() {
    let (folder, files) = (tempfile::tempdir().unwrap(), files());
    let filter = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let nothing = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#;
    let (baseline, changes) = (filter("nothing.wasm", nothing), filter("changes.wasm", CHANGES));
    let json = stdout(&arguments(&files, &["--filter", &changes, "--baseline", &baseline, "-o", "json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(names(&json["request_bodies"]), [("content", "changed"), ("size", "changed")]);
    let size = &json["request_bodies"][1]["example"];
    let bytes = |side: &str| size[side].as_str().unwrap().trim_end_matches(" bytes").parse::<u64>().unwrap();
    assert_eq!(bytes("current"), bytes("baseline") + 4, "the first proxy's example comes first");
    assert_eq!(names(&json["response_trailers"]), [("more", "added")]);
    for unchanged in ["request_headers", "response_headers", "response_bodies", "request_trailers"] {
        assert_eq!(json[unchanged], json!([]), "{unchanged}");
    }
    assert_eq!(json["unpaired_messages"], json!({"baseline": 0, "current": 0}));
    let schema: Value = serde_json::from_str(&stdout(&["schema", "comparison"])).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&json), keys(&schema["properties"]));
    assert_eq!(keys(&json["spans"]), keys(&schema["$defs"]["SpanChanges"]["properties"]));
    let change = &json["request_bodies"][0];
    assert_eq!(keys(change), keys(&schema["$defs"]["Change"]["properties"]));
    assert_eq!(keys(&change["example"]), keys(&schema["$defs"]["Example"]["properties"]));
}

#[test]
fn what_is_neither_filter_nor_configuration_is_refused() {
    let files = files();
    let baseline = recording("README.md");
    let output = run(&arguments(&files, &["--baseline", &baseline]));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("README.md: ") && message.contains("help: a baseline is a filter"), "{message}");
    let output = run(&["replay", "-", "--baseline", &files[1]]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("--baseline reads the traffic twice"), "{message}");
    assert_eq!(run(&["replay", &files[0], "--fail-on-change"]).status.code(), Some(2));
}
