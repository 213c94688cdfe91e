#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::attributes::url::QueryPolicy;
use crate::context::Format;
use crate::propagation::{Inject, LosingHeaders};
use crate::sampler::{Decision, Keep, Threshold};

mod environment;
mod node;
mod sampling;
#[cfg(not(target_arch = "wasm32"))]
mod schema;
mod spans;
#[cfg(not(target_arch = "wasm32"))]
mod variables;

/// Parses without environment; warnings as text.
fn parse(json: &str) -> Result<(Config, Vec<String>), String> {
    parse_with(json, &[])
}

fn parse_with(json: &str, env: &[(&str, &str)]) -> Result<(Config, Vec<String>), String> {
    let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (config, warnings) = Config::parse(json.as_bytes(), &env).map_err(|error| error.to_string())?;
    Ok((config, warnings.iter().map(Warning::to_string).collect()))
}

fn resource(config: &Config, key: &str) -> Option<String> {
    config.resource.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
}

#[test]
fn nothing_configured_gives_the_designs_defaults() {
    for json in ["", "  \n", "{}", r#"{"version": 1}"#, r#"{"service": {}, "export": {"authority": null}}"#] {
        let (config, warnings) = parse(json).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{json}");
        assert!(!config.start_traces);
        assert_eq!(config.direction, None);
        assert_eq!((config.role, config.phases), (Role::Both, true));
        assert_eq!(
            config.propagator.extract,
            [Format::TraceContext, Format::GrpcTraceBin, Format::B3, Format::B3Multi]
        );
        assert_eq!(config.propagator.inject, Inject::Same);
        assert_eq!(config.propagator.losing_headers, LosingHeaders::RemoveOtherTrace);
        assert_eq!(
            config.sampler,
            Sampler { rules: Vec::new(), default: Decision::Parent, keep: Keep::default() }
        );
        assert_eq!(config.shape.query, QueryPolicy::default());
        let export = ExportConfig {
            cluster: "otel_collector".to_owned(),
            protocol: ExportProtocol::Grpc,
            path: "/v1/traces".to_owned(),
            authority: "otel_collector".to_owned(),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            max_batch_spans: 512,
            max_delay: Duration::from_secs(1),
            max_queue_spans: 8192,
            max_queue_bytes: 4_194_304,
            max_attempts: 5,
        };
        assert_eq!(config.export, export);
    }
}

#[test]
fn every_key_has_its_effect() {
    let json = r#"{
        "version": 1, "start_traces": true, "direction": "outbound", "role": "server",
        "service": {"name": "web", "namespace": "emojivoto"}, "resource": {"k8s.pod.name": "web-1"},
        "propagation": {"extract": ["b3", "tracecontext", "b3"], "inject": ["b3multi"], "losing_headers": "leave"},
        "sampling": {"default": {"ratio": 0.25}}, "spans": {"query": "drop", "path_templates": ["/users/{id}"], "phases": false},
        "export": {"cluster": "c", "protocol": "http", "path": "/p", "authority": "a", "headers": {"X-Token": "t"},
                   "timeout_ms": 1, "max_batch_spans": 2, "max_delay_ms": 30, "max_queue_spans": 4,
                   "max_queue_bytes": 5000, "max_attempts": 6}
    }"#;
    let (config, warnings) = parse(json).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert!(config.start_traces);
    assert_eq!(config.direction, Some(Direction::Outbound));
    assert_eq!((config.role, config.phases), (Role::Server, false));
    assert_eq!(config.propagator.extract, [Format::B3, Format::TraceContext], "named twice counts once");
    assert_eq!(config.propagator.inject, Inject::Formats(vec![Format::B3Multi]));
    assert_eq!(config.propagator.losing_headers, LosingHeaders::Leave);
    assert_eq!(config.sampler.default, Decision::Ratio(Threshold::from_ratio(0.25)));
    assert_eq!(config.shape.query, QueryPolicy::Drop);
    let templates: Vec<_> = config.path_templates.iter().map(PathTemplate::as_str).collect();
    assert_eq!(templates, ["/users/{id}"]);
    let export = ExportConfig {
        cluster: "c".to_owned(),
        protocol: ExportProtocol::Http,
        path: "/p".to_owned(),
        authority: "a".to_owned(),
        headers: vec![("x-token".to_owned(), "t".to_owned())],
        timeout: Duration::from_millis(1),
        max_batch_spans: 2,
        max_delay: Duration::from_millis(30),
        max_queue_spans: 4,
        max_queue_bytes: 5000,
        max_attempts: 6,
    };
    assert_eq!(config.export, export);
}

#[test]
fn rule_47_the_resource_names_service_and_filter() {
    let (config, _) =
        parse(r#"{"service": {"name": "web"}, "resource": {"a": "1", "telemetry.sdk.name": "x"}}"#).unwrap();
    let expected = [
        ("a", "1"),
        ("service.name", "web"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "meshspan"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let resource: Vec<_> = config.resource.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(resource, expected);
}

#[test]
fn values_that_cannot_be_are_refused_with_key_value_and_range() {
    let cases = [
        (r#"{"version": 2}"#, "version is 2, expected a whole number in 1..=1"),
        (r#"{"start_traces": "true"}"#, r#"start_traces is "true", expected true or false, without quotes"#),
        (r#"{"direction": "up"}"#, r#"direction is "up", expected one of "auto", "inbound", "outbound""#),
        (
            r#"{"propagation": {"extract": ["tracecontext", "b4"]}}"#,
            r#"propagation.extract[1] is "b4", expected one of "tracecontext", "grpc-trace-bin", "b3", "b3multi""#,
        ),
        (
            r#"{"spans": {"path_templates": ["/a", "/users/{id"]}}"#,
            r#"spans.path_templates[1] is "/users/{id", expected a path such as "/users/{id}"; it has a brace that is not around a whole segment such as {id}"#,
        ),
        (
            r#"{"spans": {"path_templates": ["/a", 1]}}"#,
            "spans.path_templates[1] is 1, expected a path such as /users/{id}",
        ),
        (
            r#"{"propagation": {"extract": "b3"}}"#,
            r#"propagation.extract is "b3", expected a list of formats"#,
        ),
        (
            r#"{"propagation": {"extract": [1]}}"#,
            "propagation.extract[0] is 1, expected the name of a format",
        ),
        (
            r#"{"propagation": {"inject": "b3"}}"#,
            r#"propagation.inject is "b3", expected "same" or a list of formats"#,
        ),
        (r#"{"export": []}"#, "export is [], expected an object"),
        (r#"{"export": {"cluster": 7}}"#, "export.cluster is 7, expected a string"),
        (r#"{"export": {"timeout_ms": 0}}"#, "export.timeout_ms is 0, expected a whole number in 1..=600000"),
        (
            r#"{"export": {"timeout_ms": -1}}"#,
            "export.timeout_ms is -1, expected a whole number in 1..=600000",
        ),
        (
            r#"{"export": {"timeout_ms": 1.5}}"#,
            "export.timeout_ms is 1.5, expected a whole number in 1..=600000",
        ),
        (r#"{"export": {"path": "v1"}}"#, r#"export.path is "v1", expected a path that begins with /"#),
        (
            r#"{"export": {"headers": {"te": "x"}}}"#,
            r#"export.headers.te is "te", expected a header name that is not the exporter's own"#,
        ),
        (
            r#"{"export": {"headers": {":path": "x"}}}"#,
            r#"export.headers.:path is ":path", expected a header name that is not the exporter's own"#,
        ),
        (r#"{"resource": {"a": 1}}"#, r#"resource.a is "a number", expected a string"#),
        (r#"{"resource": {"": "1"}}"#, r#"resource is "", expected keys that are not empty"#),
        ("[1]", r#"configuration is [1], expected an object such as {"version": 1}"#),
    ];
    for (json, expected) in cases {
        assert_eq!(parse(json).map(|_| ()), Err(expected.to_owned()), "{json}");
    }
}

#[test]
fn long_values_are_shortened_in_errors() {
    let error = parse(&format!(r#"{{"direction": "{}"}}"#, "ü".repeat(500))).unwrap_err();
    assert!(error.contains("ü…, expected one of"), "{error}");
    assert!(error.chars().count() < 150, "{error}");
    let error = parse(&format!(r#"{{"resource": {{"a": "{}"}}}}"#, "x".repeat(50_000))).unwrap_err();
    assert!(error.ends_with("expected at most 49152 bytes of keys and values"), "{error}");
}

#[test]
fn foreign_keys_stay_on_one_line() {
    let key = format!("a\\nb{}", "x".repeat(700));
    let (_, warnings) = parse(&format!(r#"{{"{key}": 1}}"#)).unwrap();
    assert!(warnings[0].starts_with("unknown key a bxxx"), "{warnings:?}");
    assert!(warnings[0].ends_with('…') && warnings[0].chars().count() == 501, "{warnings:?}");
    let error = parse(&format!(r#"{{"resource": {{"{key}": 1}}}}"#)).unwrap_err();
    assert!(error.starts_with("resource.a bxxx") && error.chars().count() < 300, "{error}");
}

#[test]
fn secrets_are_never_in_errors() {
    for json in [
        r#"{"export": {"headers": {"authorization": ["s3cret"]}}}"#,
        r#"{"export": {"headers": "authorization=s3cret"}}"#,
        r#"{"export": {"headers": {"authorization": "s3cret\n"}}}"#,
        r#"{"resource": {"a": ["s3cret"]}}"#,
    ] {
        let error = parse(json).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let cases: [(&[u8], &str); 3] = [
        (b"{\n  \"version\": }", "configuration is not valid JSON at line 2, column 14: expected value"),
        (
            b"\n{ \"version\": 1 ",
            "configuration is not valid JSON at line 2, column 16: EOF while parsing an object",
        ),
        (
            b"{\"a\": \"\xff\"}",
            "configuration is not valid JSON at line 1, column 8: invalid unicode code point",
        ),
    ];
    for (json, expected) in cases {
        let error = Config::parse(json, &[]).unwrap_err().to_string();
        assert_eq!(error, expected, "{:?}", String::from_utf8_lossy(json));
    }
}

#[test]
fn unknown_keys_are_warnings_with_the_nearest_known_one() {
    let cases = [
        (r#"{"start_trace": true}"#, "unknown key start_trace is ignored, did you mean start_traces?"),
        (
            r#"{"export": {"max_queue_byte": 1}}"#,
            "unknown key export.max_queue_byte is ignored, did you mean export.max_queue_bytes?",
        ),
        (
            r#"{"service": {"title": "x"}}"#,
            "unknown key service.title is ignored, known here: name, namespace, instance",
        ),
        (
            r#"{"spans": {"attributes": {"a": {"baggage": "b", "defualt": "c"}}}}"#,
            "unknown key spans.attributes.a.defualt is ignored, did you mean spans.attributes.a.default?",
        ),
    ];
    for (json, expected) in cases {
        let (_, warnings) = parse(json).unwrap();
        assert_eq!(warnings, [expected], "{json}");
    }
}

#[test]
fn values_that_work_only_in_part_are_warnings() {
    let cases = [
        (r#"{"export": {"cluster": ""}}"#, "export.cluster is empty: spans go to the cluster otel_collector"),
        (
            r#"{"export": {"max_queue_spans": 100}}"#,
            "export.max_batch_spans is 512, more than export.max_queue_spans: 100 is used",
        ),
        (
            r#"{"propagation": {"extract": []}}"#,
            "propagation.extract is empty: no context is read, all requests are untraced or roots",
        ),
    ];
    for (json, expected) in cases {
        let (config, warnings) = parse(json).unwrap();
        assert_eq!(warnings, [expected], "{json}");
        assert_eq!(config.export.cluster, "otel_collector");
        assert!(config.export.max_batch_spans <= config.export.max_queue_spans);
    }
}

#[test]
fn listener_directions_are_envoys() {
    for (number, direction) in [(0, None), (1, Some("inbound")), (2, Some("outbound")), (3, None)] {
        assert_eq!(Direction::from_listener(number).map(Direction::as_str), direction);
    }
}
