mod trust;

use super::*;

const MESH: &str = r#"{"version": 1, "entry": "web", "plugin": {"start_traces": true, "export": {"a": 1, "b": 2}},
  "services": {
    "web": {"command": ["./web", "-v"], "directory": "bin", "environment": {"MODE": "dev"},
            "calls": {"emoji": {"variable": "EMOJI_ADDR"}}, "plugin": {"export": {"b": 3}}},
    "emoji": {"address": "http://127.0.0.1:9000", "protocol": "h2", "calls": {"web": {"port": 9001}}}}}"#;

fn plan(json: &str) -> Result<Plan, FileError> {
    Plan::from_json(json.as_bytes(), Path::new("/mesh"))
}

#[test]
fn a_file_becomes_a_plan() {
    let plan = plan(MESH).unwrap();
    let web = &plan.workloads["web"];
    let Application::Program(program) = &web.application else { panic!("{web:?}") };
    assert_eq!(
        (program.path.as_path(), program.directory.as_path()),
        ("/mesh/bin/./web".as_ref(), "/mesh/bin".as_ref())
    );
    assert_eq!(
        (program.port_variable.as_str(), program.arguments.as_slice()),
        ("PORT", &["-v".to_owned()][..])
    );
    assert_eq!(web.calls["emoji"].variable.as_deref(), Some("EMOJI_ADDR"));
    let expected = serde_json::json!({"version": 1, "start_traces": true, "service": {"name": "web"},
        "export": {"a": 1, "b": 3}});
    assert_eq!(serde_json::Value::Object(web.plugin.clone()), expected, "the service's own counts");
    let emoji = &plan.workloads["emoji"];
    assert!(matches!(&emoji.application, Application::Running(endpoint) if endpoint.port == 9000));
    assert_eq!((emoji.protocol, emoji.calls["web"].port), (Http::H2, Some(9001)));
}

#[test]
fn a_bad_file_names_the_place_what_was_found_and_what_is_allowed() {
    let rows = [
        (r#""version": 1"#, r#""version": 2"#, "version is 2, expected 1"),
        (
            r#""entry": "web""#,
            r#""entry": "wbe""#,
            r#"entry: service "wbe" is not in the file, which has emoji, web"#,
        ),
        (r#""calls": {"emoji""#, r#""calls": {"emo""#, r#"services.web.calls: service "emo" is not in"#),
        (
            r#""address": "http"#,
            r#""address": "ftp"#,
            "its scheme is neither http nor https, expected http://HOST:PORT",
        ),
        (
            r#""protocol": "h2""#,
            r#""protocol": "h3""#,
            "unknown variant `h3`, expected one of `same`, `h1`, `h2`",
        ),
        (r#""entry": "#, r#""entyr": "#, "unknown field `entyr`, expected one of `version`, `entry`"),
        (r#"["./web", "-v"]"#, "[]", "services.web.command is empty, expected a program and its arguments"),
        (
            r#""command""#,
            r#""address": "a:1", "command""#,
            "services.web is a command and an address, expected either",
        ),
        (
            r#""address": "http://127.0.0.1:9000", "#,
            "",
            "services.emoji is neither a command nor an address, expected either",
        ),
        (r#"{"port": 9001}"#, "{}", "services.emoji.calls.web.port is missing, expected a port"),
        (
            r#"{"port": 9001}"#,
            r#"{"variable": "A"}"#,
            "services.emoji.calls.web.variable is given, expected none",
        ),
        (
            r#""protocol""#,
            r#""directory": "x", "protocol""#,
            "services.emoji.directory is given, expected none",
        ),
        (
            r#"{"variable": "EMOJI_ADDR"}"#,
            "{}",
            "services.web.calls.emoji.variable is missing, expected the variable",
        ),
        ("EMOJI_ADDR", "PORT", r#"services.web.calls.emoji.variable is "PORT" again"#),
        ("EMOJI_ADDR", "A=B", r#"services.web.calls.emoji.variable is "A=B", expected the name"#),
        (r#"{"b": 3}"#, "3", "services.web.plugin.export is 3, expected an object"),
    ];
    for (written, instead, expected) in rows {
        let json = MESH.replacen(written, instead, 1);
        assert_ne!(json, MESH, "{written}");
        let error = plan(&json).unwrap_err().to_string();
        assert!(error.contains(expected), "{instead}: {error}");
    }
}
