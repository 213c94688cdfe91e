//! `meshspan replay --what-if` with a sampling policy.

use serde_json::{Value, json};

use super::{recording, run, stdout};

const POLICY: &str = r#"{"default":"drop","rules":[{"match":{"path_prefix":"/emojivoto."},"decision":"parent"},{"match":{"path_prefix":"/api/list"},"decision":{"ratio":0.5},"override":true}]}"#;

fn replayed(more: &[&str]) -> Value {
    let files = ["emojivoto-b3.jsonl", "emojivoto-b3.topology.json"].map(recording);
    let arguments = ["replay", &files[0], "--topology", &files[1], "--seed", "1", "-o", "json"];
    serde_json::from_str(&stdout(&[&arguments[..], more].concat())).unwrap()
}

/// The topology's own plugin configuration with the policy in it.
fn configuration(folder: &tempfile::TempDir) -> String {
    let topology = std::fs::read(recording("emojivoto-b3.topology.json")).unwrap();
    let topology: Value = serde_json::from_slice(&topology).unwrap();
    let mut plugin = topology.get("plugin").unwrap().as_object().unwrap().clone();
    plugin.insert("sampling".to_owned(), serde_json::from_str(POLICY).unwrap());
    let path = folder.path().join("plugin.json");
    std::fs::write(&path, Value::Object(plugin).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_policy_keeps_what_a_replay_with_it_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(&folder);
    let saved = folder.path().join("spans.jsonl");
    let now = replayed(&[]);
    let tried = replayed(&["--what-if", POLICY, "--what-if", &file, "--save", saved.to_str().unwrap()]);
    let real = replayed(&["--config", &file]);
    let [first, second] = tried["policies"].as_array().unwrap().as_slice() else { panic!("{tried}") };
    assert_eq!(first, second, "a configuration has its policy in it");
    assert_eq!(first["policy"], serde_json::from_str::<Value>(POLICY).unwrap());
    for figure in ["recorded_passes", "traces"] {
        assert_eq!(first[figure], real[figure], "{figure}");
    }
    assert_eq!(first["spans"]["by_kind"], real["spans"]["by_kind"]);
    assert_eq!(first["volume"]["bytes"], real["volume"]["bytes"]);
    for (name, service) in real["spans"]["by_service"].as_object().unwrap() {
        for figure in ["proxy", "application", "bytes"] {
            assert_eq!(first["spans"]["by_service"][name][figure], service[figure], "{name}, {figure}");
        }
    }
    let total = |summary: &Value| summary["spans"]["total"].as_u64().unwrap();
    assert!(0 < total(first) && total(first) < total(&now), "{first}");
    assert_eq!((&tried["spans"], &now["policies"]), (&now["spans"], &json!([])), "what is kept now stays");
    assert_eq!(first["volume"]["seconds"], tried["volume"]["seconds"], "rates by the same time");
    let text = std::fs::read_to_string(saved).unwrap();
    let saved: usize = meshspan::collect::from_json_lines(&text).unwrap().iter().map(span_count).sum();
    assert_eq!(saved as u64, total(&now), "and nothing of the trial is saved");
}

fn span_count(resource: &opentelemetry_proto::tonic::trace::v1::ResourceSpans) -> usize {
    resource.scope_spans.iter().map(|scope| scope.spans.len()).sum()
}

#[test]
fn a_policy_is_shown_beside_what_is_kept_now() {
    let file = recording("emojivoto-w3c.jsonl");
    let policy =
        r#"{"default":"parent","rules":[{"decision":"drop","match":{"method":"GET"},"override":true}]}"#;
    let text = stdout(&["replay", &file, "--seed", "1", "--what-if", policy]);
    let rows: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("what if")).take(4).collect();
    assert_eq!(rows[0], format!("what if          {policy}"));
    assert!(rows[1].starts_with("  recorded ") && rows[1].contains("%) passes, "), "{text}");
    assert!(rows[2].starts_with("  spans ") && rows[2].ends_with(" a day"), "{text}");
    assert!(rows[3].starts_with("  by service ") && rows[3].contains(" spans/s "), "{text}");
}

#[test]
fn what_is_neither_ratio_nor_policy_is_told() {
    let file = recording("emojivoto-w3c.jsonl");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("topology.json");
    std::fs::write(&other, r#"{"services":{}}"#).unwrap();
    let other = other.to_str().unwrap();
    for (what_if, exit, message) in [
        ("1.5", 2, "expected a ratio from 0 to 1"),
        (r#"{"default""#, 2, "EOF while parsing"),
        ("nowhere.json", 1, "cannot read nowhere.json"),
        (r#"{"default":{"ratio":7}}"#, 3, "sampling.default.ratio is 7"),
        (r#"{"defualt":"parent"}"#, 3, "sampling.defualt"),
        (other, 3, "sampling.services"),
        ("[]", 3, "sampling is"),
    ] {
        let output = run(&["replay", &file, "--what-if", what_if]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{what_if}: {text}");
        assert!(text.contains(message) && text.contains("or a file with one"), "{what_if}: {text}");
        assert!(output.stdout.is_empty(), "{what_if}");
    }
    let output = run(&["replay", "-", "--what-if", "{}"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("standard input comes once"), "{text}");
}
