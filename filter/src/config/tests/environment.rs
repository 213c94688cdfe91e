#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

type Variables<'a> = &'a [(&'a str, &'a str)];

#[test]
fn json_beats_the_environment_and_that_the_default() {
    let env =
        [("OTEL_SERVICE_NAME", "env"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attribute,a=env,b=env")];
    let cases: [(&str, Variables<'_>, &str, Option<&str>, &str); 7] = [
        ("{}", &[], "unknown_service", None, "nothing"),
        ("{}", &env[1..], "attribute", Some("env"), "the resource's"),
        ("{}", &env, "env", Some("env"), "the name's own variable beats it"),
        (r#"{"resource": {"a": "json"}}"#, &env, "env", Some("json"), "attribute by attribute"),
        (r#"{"resource": {"service.name": "json"}}"#, &env, "json", Some("env"), "as an attribute"),
        (
            r#"{"service": {"name": "json"}, "resource": {"service.name": "x"}}"#,
            &env,
            "json",
            Some("env"),
            "by its key",
        ),
        (r#"{"service": {"name": ""}}"#, &env, "unknown_service", Some("env"), "empty is none"),
    ];
    for (json, env, name, a, reason) in cases {
        let (config, warnings) = parse_with(json, env).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{reason}");
        assert_eq!(resource(&config, "service.name").as_deref(), Some(name), "{reason}");
        assert_eq!(resource(&config, "a").as_deref(), a, "{reason}");
        assert_eq!(resource(&config, "b").is_some(), !env.is_empty(), "{reason}");
    }
}

#[test]
fn variables_are_filled_in() {
    let env = [("POD", "web-1"), ("EMPTY", "")];
    let cases = [
        ("${POD}", "web-1", None, "alone"),
        ("a-${POD}-${POD}", "a-web-1-web-1", None, "amid text, twice"),
        ("${MISSING}x", "x", Some("MISSING"), "not set"),
        ("${EMPTY}", "", Some("EMPTY"), "empty is as not set"),
        ("$POD ${POD", "$POD ${POD", None, "not of this form"),
    ];
    for (text, expected, missing, reason) in cases {
        let (config, warnings) = parse_with(&format!(r#"{{"resource": {{"k": "{text}"}}}}"#), &env).unwrap();
        assert_eq!(resource(&config, "k").as_deref(), Some(expected), "{reason}");
        let warning = missing.map(|name| {
            format!("resource.k names the environment variable {name}, which is not set: empty is used")
        });
        assert_eq!(warnings, Vec::from_iter(warning), "{reason}");
    }
    let json = r#"{"service": {"name": "${POD}"}, "export": {"headers": {"a": "Bearer ${POD}"}, "authority": "${POD}"}}"#;
    let (config, _) = parse_with(json, &env).unwrap();
    assert_eq!(resource(&config, "service.name").as_deref(), Some("web-1"));
    assert_eq!(config.export.headers, [("a".to_owned(), "Bearer web-1".to_owned())]);
    assert_eq!(config.export.authority, "web-1");
    let (config, _) = parse_with("{}", &[("OTEL_RESOURCE_ATTRIBUTES", "k=${POD}"), env[0]]).unwrap();
    assert_eq!(resource(&config, "k").as_deref(), Some("${POD}"), "the environment's own values are literal");
}

#[test]
fn resource_attributes_are_percent_decoded() {
    let list = " a = b%2Cc%3Dd ,empty=,x=1=2,,nothing";
    let (config, warnings) = parse_with("", &[("OTEL_RESOURCE_ATTRIBUTES", list)]).unwrap();
    assert_eq!(resource(&config, "a").as_deref(), Some("b,c=d"));
    assert_eq!(resource(&config, "empty").as_deref(), Some(""));
    assert_eq!(resource(&config, "x").as_deref(), Some("1=2"));
    assert_eq!(warnings, ["OTEL_RESOURCE_ATTRIBUTES has a member that is no key=value: it is ignored"]);
}

#[test]
fn propagators_are_a_list_of_formats() {
    use Format::{B3, B3Multi, TraceContext};
    let cases: [(&str, &[Format], usize, &str); 5] = [
        ("tracecontext,baggage", &[TraceContext], 0, "OpenTelemetry's default"),
        ("b3multi, b3, b3multi", &[B3Multi, B3], 0, "in order, once each"),
        ("xray,b3", &[B3], 1, "an unknown one is left out"),
        ("none", &[], 1, "none is none, which is warned of"),
        ("", &[TraceContext, Format::GrpcTraceBin, B3, B3Multi], 0, "empty is unset"),
    ];
    for (list, expected, warned, reason) in cases {
        let (config, warnings) = parse_with("", &[("OTEL_PROPAGATORS", list)]).unwrap();
        assert_eq!(config.propagator.extract, expected, "{reason}");
        assert_eq!(warnings.len(), warned, "{reason}: {warnings:?}");
    }
}

#[test]
fn rule_23_samplers_are_parent_based_whatever_they_are_called() {
    let ratio = |ratio| Decision::Ratio(Threshold::from_ratio(ratio));
    let cases = [
        ("parentbased_always_on", "", Decision::Always, 0, "the default"),
        ("parentbased_always_off", "", Decision::Drop, 0, "no roots"),
        ("parentbased_traceidratio", "0.25", ratio(0.25), 0, "some roots"),
        ("parentbased_traceidratio", "", ratio(1.0), 0, "all by default"),
        ("parentbased_traceidratio", "2", ratio(1.0), 1, "out of range"),
        ("parentbased_traceidratio", "NaN", ratio(1.0), 1, "not a number"),
        ("always_on", "", Decision::Always, 1, "would override the caller"),
        ("always_off", "", Decision::Drop, 1, "would override the caller"),
        ("traceidratio", "0.5", ratio(0.5), 1, "would override the caller"),
        ("jaeger_remote", "", Decision::Parent, 1, "not supported"),
    ];
    for (sampler, argument, expected, warned, reason) in cases {
        let env = [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        let (config, warnings) = parse_with("", &env).unwrap();
        assert_eq!(config.sampler.default, expected, "{sampler} {argument}: {reason}");
        assert_eq!(warnings.len(), warned, "{reason}: {warnings:?}");
    }
}

#[test]
fn endpoints_give_authority_and_path() {
    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let cases: [(Variables<'_>, &str, &str, &str); 6] = [
        (&[], "otel_collector", "/v1/traces", "default"),
        (&[(BASE, "http://c:4318")], "c:4318", "/v1/traces", "the signal's path is appended"),
        (&[(BASE, "https://c/base/")], "c", "/base/v1/traces", "to a base, too"),
        (&[(TRACES, "http://t:1/custom/")], "t:1", "/custom/", "the traces form is used as it is"),
        (&[(TRACES, "http://t:1")], "t:1", "/", "even without a path"),
        (&[(TRACES, "http://t:1/x"), (BASE, "http://c")], "t:1", "/x", "the traces form wins"),
    ];
    for (env, authority, path, reason) in cases {
        let (config, warnings) = parse_with("", env).unwrap();
        assert_eq!(
            (config.export.authority.as_str(), config.export.path.as_str()),
            (authority, path),
            "{reason}"
        );
        assert_eq!(warnings, Vec::<String>::new());
    }
}

#[test]
fn istios_clusters_give_their_hosts_as_authority() {
    for (cluster, authority, reason) in [
        ("outbound|4317||otel.tracing.svc.cluster.local", "otel.tracing.svc.cluster.local", "Istio's name"),
        ("outbound|4317|v1|otel.example.com", "otel.example.com", "with a subset"),
        ("otel_collector", "otel_collector", "any other name"),
        ("127.0.0.1:4318", "127.0.0.1:4318", "nginx's address"),
        ("outbound|4317||", "outbound|4317||", "no host in it"),
    ] {
        let json = format!(r#"{{"export": {{"cluster": "{cluster}"}}}}"#);
        let (config, warnings) = parse_with(&json, &[]).unwrap();
        assert_eq!((config.export.cluster.as_str(), warnings.len()), (cluster, 0), "{reason}");
        assert_eq!(config.export.authority, authority, "{reason}");
    }
}

#[test]
fn exporter_and_batch_variables_count_within_their_ranges() {
    let env = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=a%20b"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "6"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "70"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "60"),
    ];
    let (config, warnings) = parse_with(r#"{"export": {"max_batch_spans": 61}}"#, &env).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let export = config.export;
    assert_eq!(export.protocol, ExportProtocol::Http);
    assert_eq!(export.headers, [("api-key".to_owned(), "a b".to_owned())]);
    assert_eq!(export.timeout, Duration::from_millis(6), "the traces form wins");
    assert_eq!(export.max_delay, Duration::from_millis(50));
    assert_eq!((export.max_queue_spans, export.max_batch_spans), (70, 61), "JSON wins");
}

#[test]
fn what_is_wrong_in_the_environment_is_a_warning() {
    let cases = [
        (
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            "OTEL_BSP_MAX_QUEUE_SIZE is 0, expected a whole number in 1..=1000000: 8192 is used",
        ),
        (
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            "OTEL_EXPORTER_OTLP_TIMEOUT is 10s, expected a whole number in 1..=600000: 10000 is used",
        ),
        (
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is http/json, expected grpc or http/protobuf: it is ignored",
        ),
        (("OTEL_CONFIG_FILE", "/x"), "OTEL_CONFIG_FILE is not supported: the plugin has no files"),
    ];
    for (variable, expected) in cases {
        assert_eq!(parse_with("", &[variable]).unwrap().1, [expected]);
    }
}

#[test]
fn a_disabled_sdk_traces_nothing() {
    let json = r#"{"start_traces": true}"#;
    for (value, disabled) in [("true", true), ("TRUE", true), ("false", false), ("1", false), ("", false)] {
        let (config, _) = parse_with(json, &[("OTEL_SDK_DISABLED", value)]).unwrap();
        assert_eq!(!config.start_traces && config.propagator.extract.is_empty(), disabled, "{value}");
    }
}
