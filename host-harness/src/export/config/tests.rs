use super::*;

fn resolve(flags: &ExportFlags, variables: &[(&str, &str)]) -> Result<Option<ExporterConfig>, ConfigError> {
    let env = |name: &str| {
        let found = variables.iter().find(|(suffix, _)| format!("OTEL_EXPORTER_OTLP_{suffix}") == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    ExporterConfig::resolve(flags, &env, || SystemTime::UNIX_EPOCH)
}

fn flag(endpoint: &str) -> ExportFlags {
    ExportFlags { endpoint: Some(endpoint.to_owned()), ..ExportFlags::default() }
}

fn found(flags: &ExportFlags, variables: &[(&str, &str)], reason: &str) -> ExporterConfig {
    resolve(flags, variables).expect(reason).expect(reason)
}

#[test]
fn without_an_endpoint_there_is_no_export() {
    let none = ExportFlags::default();
    assert!(resolve(&none, &[]).unwrap().is_none());
    assert!(
        resolve(&none, &[("ENDPOINT", ""), ("TRACES_ENDPOINT", " ")]).unwrap().is_none(),
        "empty is unset"
    );
    assert!(resolve(&none, &[("PROTOCOL", "grpc"), ("TIMEOUT", "1")]).unwrap().is_none());
}

#[test]
fn the_flag_beats_the_traces_form_beats_the_general_form() {
    let general = ("ENDPOINT", "http://general:4318");
    let traces = ("TRACES_ENDPOINT", "http://traces:4318/x");
    for (flags, variables, expected, reason) in [
        (flag("http://flag:4318"), vec![general, traces], "http://flag:4318/v1/traces", "the flag"),
        (ExportFlags::default(), vec![general, traces], "http://traces:4318/x", "the traces form"),
        (ExportFlags::default(), vec![general], "http://general:4318/v1/traces", "the general form"),
        (
            ExportFlags::default(),
            vec![general, ("TRACES_ENDPOINT", "")],
            "http://general:4318/v1/traces",
            "empty",
        ),
    ] {
        assert_eq!(found(&flags, &variables, reason).endpoint.to_string(), expected, "{reason}");
    }
    let both = [
        general,
        ("PROTOCOL", "http/protobuf"),
        ("TRACES_PROTOCOL", "grpc"),
        ("TIMEOUT", "1"),
        ("TRACES_TIMEOUT", "2"),
    ];
    let config = found(&ExportFlags::default(), &both, "mixed");
    assert_eq!((config.protocol, config.timeout.as_millis()), (Protocol::Grpc, 2));
    let flags = ExportFlags { protocol: Some(Protocol::HttpProtobuf), ..ExportFlags::default() };
    assert_eq!(
        found(&flags, &both, "flag").protocol,
        Protocol::HttpProtobuf,
        "a flag for the protocol alone"
    );
}

#[test]
fn rule_42_the_path_is_appended_to_all_but_the_traces_form() {
    for (value, general, traces) in [
        ("http://c:4318", "http://c:4318/v1/traces", "http://c:4318/"),
        ("http://c:4318/", "http://c:4318/v1/traces", "http://c:4318/"),
        ("http://c/base", "http://c/base/v1/traces", "http://c/base"),
        ("http://c/base/", "http://c/base/v1/traces", "http://c/base/"),
        ("http://c/base?k=v", "http://c/base/v1/traces?k=v", "http://c/base?k=v"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces", "http://[::1]:4318/"),
    ] {
        let none = ExportFlags::default();
        assert_eq!(found(&none, &[("ENDPOINT", value)], value).endpoint.to_string(), general);
        assert_eq!(
            found(&flag(value), &[], value).endpoint.to_string(),
            general,
            "the flag is as the general form"
        );
        assert_eq!(found(&none, &[("TRACES_ENDPOINT", value)], value).endpoint.to_string(), traces);
    }
}

#[test]
fn the_protocol_is_http_unless_named_or_on_the_port_of_grpc() {
    for (endpoint, variables, expected) in [
        ("http://c:4318", vec![], Protocol::HttpProtobuf),
        ("http://c", vec![], Protocol::HttpProtobuf),
        ("http://c:4317", vec![], Protocol::Grpc),
        ("http://c:4317", vec![("PROTOCOL", "http/protobuf")], Protocol::HttpProtobuf),
        ("http://c:4318", vec![("PROTOCOL", "grpc")], Protocol::Grpc),
        ("http://c:4318", vec![("PROTOCOL", "HTTP/JSON")], Protocol::HttpJson),
        ("https://c:4317", vec![], Protocol::Grpc),
    ] {
        assert_eq!(
            found(&flag(endpoint), &variables, endpoint).protocol,
            expected,
            "{endpoint} {variables:?}"
        );
    }
    assert_eq!(
        found(&flag("http://c:4317/x"), &[], "").endpoint.to_string(),
        "http://c:4317/",
        "gRPC has no path"
    );
}

#[test]
fn plain_text_is_sent_where_it_was_asked_for_or_stays_here() {
    let grpc = ("PROTOCOL", "grpc");
    for (endpoint, variables, expected, reason) in [
        ("http://c:4317", vec![], "http://c:4317/", "asked for by the scheme"),
        ("http://c:4317", vec![("INSECURE", "false")], "http://c:4317/", "a scheme beats the variable"),
        ("https://c:4317", vec![("INSECURE", "true")], "https://c:4317/", "and the other way round"),
        ("c:4317", vec![("INSECURE", "TRUE")], "http://c:4317/", "asked for by the variable"),
        ("c:4317", vec![], "https://c:4317/", "without a scheme gRPC means TLS"),
        ("localhost:4317", vec![], "http://localhost:4317/", "it stays here"),
        ("127.0.0.2:99", vec![grpc], "http://127.0.0.2:99/", "it stays here"),
        ("[::1]:4317", vec![], "http://[::1]:4317/", "it stays here"),
        ("localhost:4317", vec![("INSECURE", "false")], "https://localhost:4317/", "unless told otherwise"),
        ("https://c:4318", vec![], "https://c:4318/v1/traces", "HTTP"),
    ] {
        let config = found(&flag(endpoint), &variables, reason);
        assert_eq!(config.endpoint.to_string(), expected, "{reason}");
        assert_eq!(config.tls.is_some(), expected.starts_with("https"), "{reason}");
    }
    let error = resolve(&flag("c:4318"), &[("INSECURE", "true")]).unwrap_err().to_string();
    assert!(error.contains("expected a URL as http://localhost:4318"), "HTTP has a scheme: {error}");
}

#[test]
fn certificates_come_from_flags_and_variables() {
    let variables = [
        ("CERTIFICATE", "ca.pem"),
        ("TRACES_CERTIFICATE", "traces-ca.pem"),
        ("CLIENT_CERTIFICATE", "own.pem"),
        ("CLIENT_KEY", "own.key"),
    ];
    let files = found(&flag("https://c:4318"), &variables, "variables").tls.unwrap();
    assert_eq!(files.roots, Some("traces-ca.pem".into()));
    assert_eq!(files.certificate, Some(("own.pem".into(), "own.key".into())));
    assert_eq!(files.identity, None);

    let flags = ExportFlags {
        certificate: Some("flag-ca.pem".into()),
        client_key: Some("flag.key".into()),
        identity: Some("spiffe://a/b".parse().unwrap()),
        ..flag("https://c:4318")
    };
    let files = found(&flags, &variables, "flags").tls.unwrap();
    assert_eq!(files.roots, Some("flag-ca.pem".into()));
    assert_eq!(files.certificate, Some(("own.pem".into(), "flag.key".into())), "each for itself");
    assert_eq!(files.identity.unwrap().to_string(), "spiffe://a/b");

    let plain = ExportFlags { identity: None, ..flags.clone() };
    let plain = ExportFlags { endpoint: flag("http://c:4318").endpoint, ..plain };
    assert_eq!(found(&plain, &variables, "plain text").tls, None, "certificates are for TLS");
    for (flags, variables, expected) in [
        (
            ExportFlags { endpoint: plain.endpoint, ..flags.clone() },
            &[][..],
            "--otlp-endpoint is \"http://c:4318\": an identity can be checked with TLS only; use https://",
        ),
        (
            flag("https://c"),
            &[("TRACES_CLIENT_KEY", "x")],
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY is set and OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is not",
        ),
        (
            ExportFlags { client_certificate: Some("x".into()), ..flag("https://c") },
            &[],
            "--otlp-cert is set and --otlp-key is not: mutual TLS needs both",
        ),
    ] {
        let error = resolve(&flags, variables).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
}

#[test]
fn what_cannot_be_used_is_named_with_what_is_allowed() {
    let endpoint = ("ENDPOINT", "http://c:4318");
    for (variables, expected) in [
        (vec![("ENDPOINT", "/v1/traces")], "OTEL_EXPORTER_OTLP_ENDPOINT is \"/v1/traces\", expected a URL"),
        (
            vec![("TRACES_ENDPOINT", "http://")],
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is \"http://\", expected a URL",
        ),
        (vec![("ENDPOINT", "unix:///x")], "expected a URL"),
        (
            vec![endpoint, ("PROTOCOL", "http/xml")],
            "is \"http/xml\", expected grpc, http/protobuf or http/json",
        ),
        (vec![endpoint, ("TIMEOUT", "10s")], "OTEL_EXPORTER_OTLP_TIMEOUT is \"10s\", expected milliseconds"),
        (vec![endpoint, ("TIMEOUT", "0")], "expected milliseconds, 1 or more"),
        (vec![endpoint, ("COMPRESSION", "zstd")], "expected gzip or none"),
        (vec![endpoint, ("INSECURE", "1")], "expected true or false"),
        (vec![endpoint, ("HEADERS", "a=1,secret")], "HEADERS: entry 2 has no '='"),
        (vec![endpoint, ("HEADERS", "a b=secret")], "entry 1 has no header's name"),
        (vec![endpoint, ("HEADERS", "a=secret%0a")], "entry 1 has no header's value"),
        (vec![("ENDPOINT", "http://u:secret@c:4318")], "ENDPOINT holds credentials"),
    ] {
        let error = resolve(&ExportFlags::default(), &variables).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn rule_44_headers_timeout_and_compression_are_read() {
    let variables = [
        ("HEADERS", "Authorization=Bearer%20x%3Dy, a = 1 ,,b=="),
        ("TIMEOUT", "2500"),
        ("COMPRESSION", "gzip"),
    ];
    let config = found(&flag("http://c:4318"), &variables, "all");
    assert_eq!(config.headers["authorization"], "Bearer x=y");
    assert_eq!(config.headers["a"], "1");
    assert_eq!(config.headers["b"], "=");
    assert!(!format!("{config:?}").contains("Bearer"), "headers are not shown");
    assert_eq!(config.timeout, Duration::from_millis(2_500));
    assert_eq!(config.compression, Compression::Gzip);

    let config = found(&flag("http://c:4318"), &[], "defaults");
    assert_eq!((config.timeout, config.compression), (DEFAULT_TIMEOUT, Compression::None));
}
