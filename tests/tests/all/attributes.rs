//! What spans say through the wasm in the harness's host: the operators' attributes, headers, Linkerd's names.

use std::collections::BTreeMap;
use std::time::Duration;

use meshspan::vm::{HeaderMap, LogLevel, PropertyValue};
use meshspan_tests::sidecar::{LIFECYCLES, SAMPLED, Sidecar, options, spans};
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;

fn text(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => format!("#{number}"),
        Value::ArrayValue(list) => format!("{:?}", list.values.iter().map(text).collect::<Vec<_>>()),
        other => panic!("{other:?}"),
    }
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    span.attributes.iter().map(|pair| (pair.key.as_str(), text(pair.value.as_ref().unwrap()))).collect()
}

/// One request with tenant, baggage and a cookie, answered from a cache; its two spans.
fn exchange(sidecar: &mut Sidecar) -> Vec<Span> {
    let vm = &mut sidecar.vm;
    let stream = vm.open_stream().unwrap();
    vm.set_property(stream, &["request", "size"], PropertyValue::Int(12));
    let request = HeaderMap::from_pairs([
        (":method", "GET"),
        (":path", "/api/list?token=secret"),
        (":authority", "web:80"),
        (":scheme", "http"),
        ("traceparent", SAMPLED),
        ("x-tenant", "blue"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("baggage", "user.id=alice%20b;p=1"),
        ("cookie", "s3cret"),
    ]);
    vm.request_headers(stream, request, true).unwrap();
    let head = [(":status", "503"), ("x-cache", "hit"), ("set-cookie", "s3cret")];
    vm.response_headers(stream, HeaderMap::from_pairs(head), true).unwrap();
    vm.close_stream(stream).unwrap();
    sidecar.pass(Duration::from_secs(2));
    let spans = spans(&sidecar.export());
    assert_eq!(spans.len(), 2);
    assert!(!format!("{spans:?}").contains("s3cret"), "{spans:#?}");
    spans
}

#[test]
fn attributes_come_from_wherever_they_are_asked_for() {
    let configuration = r#"{"spans": {
        "attributes": {
            "tenant.id": {"request_header": "x-tenant", "default": "none"},
            "user": {"baggage": "user.id"},
            "cache": {"response_header": "x-cache"},
            "zone": {"property": "xds.node.locality.zone"},
            "http.request.body.size": {"property": ["request", "size"]},
            "pod": "${POD_NAME}",
            "missing": {"property": "no.such"},
            "plan": {"baggage": "plan", "default": "free"}
        },
        "request_headers": ["x-many"], "response_headers": ["x-cache"], "redact": ["token"]
    }}"#;
    let zone = ["xds", "node", "locality", "zone"].map(str::to_owned).to_vec();
    for lifecycle in LIFECYCLES {
        let mut options = meshspan::vm::PluginOptions { lifecycle, ..options(configuration) };
        options.properties.push((zone.clone(), PropertyValue::Bytes(b"eu-1a".to_vec())));
        options.environment.push(("POD_NAME".to_owned(), "web-0".to_owned()));
        let mut sidecar = Sidecar::start_with(options).unwrap();
        for span in exchange(&mut sidecar) {
            let attributes = attributes(&span);
            let expected = [
                ("tenant.id", "blue"),
                ("user", "alice b"),
                ("cache", "hit"),
                ("zone", "eu-1a"),
                ("http.request.body.size", "#12"),
                ("pod", "web-0"),
                ("plan", "free"),
                ("http.request.header.x-many", r#"["1", "2"]"#),
                ("http.response.header.x-cache", r#"["hit"]"#),
            ];
            for (key, value) in expected {
                assert_eq!(attributes.get(key).map(String::as_str), Some(value), "{key}, {lifecycle:?}");
            }
            assert_eq!(attributes.get("missing"), None);
            let url = attributes.get("url.query").or(attributes.get("url.full")).unwrap();
            assert!(url.ends_with("token=REDACTED"), "{url}");
        }
    }
}

#[test]
fn rule_33_no_url_shows_its_credentials() {
    const URL: &str = "http://u:pw@web/x?sig=pw&a=1";
    for (query, shown) in [("redact", "?sig=REDACTED&a=1"), ("drop", "")] {
        let configuration = format!(
            r#"{{"spans": {{"query": "{query}", "request_headers": ["referer"], "response_headers": ["location"],
                "attributes": {{"path": {{"property": "request.path"}}, "host": {{"property": "request.host"}},
                "query": {{"property": "request.query"}}, "referer": {{"property": "request.referer"}},
                "to": {{"property": "response.headers.location"}}, "from": {{"request_header": "referer"}}}}}}}}"#
        );
        let mut sidecar = Sidecar::start(&configuration);
        let vm = &mut sidecar.vm;
        let stream = vm.open_stream().unwrap();
        let authority = "u:pw@web";
        let head = [(":method", "GET"), (":path", URL), (":authority", authority), ("traceparent", SAMPLED)];
        let mut head = HeaderMap::from_pairs(head);
        head.add("referer", URL);
        vm.request_headers(stream, head, true).unwrap();
        let head = HeaderMap::from_pairs([(":status", "302"), ("location", URL)]);
        vm.response_headers(stream, head, true).unwrap();
        vm.close_stream(stream).unwrap();
        sidecar.pass(Duration::from_secs(2));
        for span in spans(&sidecar.export()) {
            assert!(!format!("{span:?}").contains("pw"), "{span:#?}");
            let attributes = attributes(&span);
            let url = format!("http://REDACTED:REDACTED@web/x{shown}");
            let urls = ["path", "referer", "to", "from"].map(|key| attributes[key].as_str());
            assert_eq!(urls, [url.as_str(); 4]);
            assert_eq!(attributes["host"], "REDACTED:REDACTED@web");
            assert_eq!(attributes.get("query").map(String::as_str), shown.strip_prefix('?'));
            for key in ["http.request.header.referer", "http.response.header.location"] {
                assert_eq!(attributes[key], format!("{:?}", [&url]), "{key}");
            }
        }
    }
}

#[test]
fn rule_34_nothing_of_headers_is_shown_unasked() {
    for span in exchange(&mut Sidecar::start("{}")) {
        assert!(attributes(&span).keys().all(|key| !key.contains("header")), "{span:#?}");
        assert_eq!(span.dropped_attributes_count, 0);
    }
}

#[test]
fn limits_hold_through_the_wasm() {
    let configuration = r#"{"spans": {"max_attributes": 4, "max_attribute_length": 3}}"#;
    for span in exchange(&mut Sidecar::start(configuration)) {
        assert_eq!(span.attributes.len(), 4);
        assert!(span.dropped_attributes_count > 0);
        assert_eq!(attributes(&span)["server.address"], "web");
    }
}

#[test]
fn linkerds_names_are_paths_and_strings() {
    for span in exchange(&mut Sidecar::start(r#"{"spans": {"names": "linkerd"}}"#)) {
        assert_eq!((span.name.as_str(), span.status.is_none()), ("/api/list", true));
        let expected = [
            ("direction", "inbound"),
            ("http.request.method", "GET"),
            ("http.response.status_code", "503"),
            ("network.transport", "tcp"),
            ("server.address", "web"),
            ("server.port", "80"),
            ("url.full", "http://web:80/api/list?token=secret"),
            ("url.path", "/api/list"),
            ("url.query", "token=secret"),
            ("url.scheme", "http"),
        ];
        assert_eq!(attributes(&span), expected.map(|(key, value)| (key, value.to_owned())).into());
    }
}

#[test]
fn credentials_are_refused_with_the_reason() {
    let configuration = r#"{"spans": {"request_headers": ["Cookie"]}}"#;
    assert!(Sidecar::start_with(options(configuration)).is_err());
}

#[test]
fn the_node_is_read_once_for_the_resource() {
    let mut options = options("{}");
    let node = |path: &[&str]| ["xds", "node"].iter().chain(path).map(|part| (*part).to_owned()).collect();
    let labels = HeaderMap::from_pairs([("app.kubernetes.io/instance", "web")]);
    options.properties.push((node(&["id"]), PropertyValue::Bytes(b"sidecar~web-0".to_vec())));
    options.properties.push((node(&["metadata", "LABELS"]), PropertyValue::Map(labels)));
    let mut sidecar = Sidecar::start_with(options).unwrap();
    sidecar.sampled_get();
    sidecar.pass(Duration::from_secs(2));
    let export = meshspan::collect::decode_call(&sidecar.export()).unwrap().unwrap();
    let resource = export.resource_spans[0].resource.as_ref().unwrap();
    let find = |key: &str| {
        let pair = resource.attributes.iter().find(|pair| pair.key == key);
        pair.map(|pair| text(pair.value.as_ref().unwrap()))
    };
    assert_eq!(find("service.name").as_deref(), Some("web"));
    assert_eq!(find("service.instance.id").as_deref(), Some("sidecar~web-0"));
    assert!(sidecar.logs().iter().all(|line| line.level < LogLevel::Warn), "nothing to warn of");
}
