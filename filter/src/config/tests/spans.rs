#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::attributes::custom::{HeaderAttribute, Limits, Names, Source};

#[test]
fn the_default_is_the_conventions_alone() {
    let shape = parse("").unwrap().0.shape;
    let limits = Limits { count: 128, length: 65_536 };
    assert_eq!(shape, SpanShape { limits, ..SpanShape::default() });
}

#[test]
fn attributes_have_a_source_each() {
    let text = str::to_owned;
    let env = [("POD_NAME", "web-1")];
    let cases = [
        (r#""blue""#, Some(Source::Literal(text("blue"))), None, "a text"),
        (r#""${POD_NAME}!""#, Some(Source::Literal(text("web-1!"))), None, "with a variable"),
        (r#"{"environment": "POD_NAME"}"#, Some(Source::Literal(text("web-1"))), None, "a variable"),
        (
            r#"{"environment": "X", "default": "d"}"#,
            Some(Source::Literal(text("d"))),
            Some("d"),
            "its default",
        ),
        (
            r#"{"request_header": "X-Tenant"}"#,
            Some(Source::RequestHeader(text("x-tenant"))),
            None,
            "a header",
        ),
        (
            r#"{"response_header": "x-cache", "default": "${POD_NAME}"}"#,
            Some(Source::ResponseHeader(text("x-cache"))),
            Some("web-1"),
            "a default is a text, too",
        ),
        (r#"{"baggage": "user.id"}"#, Some(Source::Baggage(text("user.id"))), None, "baggage"),
        (
            r#"{"property": "xds.node.locality.zone"}"#,
            Some(Source::Property(text("xds\0node\0locality\0zone"))),
            None,
            "a property",
        ),
        (
            r#"{"property": ["metadata", "filter_metadata", "envoy.lb"]}"#,
            Some(Source::Property(text("metadata\0filter_metadata\0envoy.lb"))),
            None,
            "a property with dots",
        ),
    ];
    for (json, source, default, reason) in cases {
        let json = format!(r#"{{"spans": {{"attributes": {{"k": {json}}}}}}}"#);
        let (config, warnings) = parse_with(&json, &env).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{reason}");
        let attribute = config.shape.attributes.first();
        assert_eq!(attribute.map(|attribute| attribute.source.clone()), source, "{reason}");
        assert_eq!(attribute.and_then(|attribute| attribute.default.as_deref()), default, "{reason}");
    }
    let (config, warnings) = parse(r#"{"spans": {"attributes": {"k": {"environment": "X"}}}}"#).unwrap();
    assert_eq!(config.shape.attributes, []);
    assert_eq!(
        warnings,
        ["spans.attributes.k names the environment variable X, which is not set: it is left out"]
    );
}

#[test]
fn rule_34_headers_are_shown_by_name() {
    let json = r#"{"spans": {"request_headers": ["X-Tenant", "x-tenant"], "response_headers": ["Server"]}}"#;
    let shape = parse(json).unwrap().0.shape;
    let keys =
        |headers: &[HeaderAttribute]| headers.iter().map(|header| header.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&shape.request_headers), ["http.request.header.x-tenant"], "named twice counts once");
    assert_eq!(keys(&shape.response_headers), ["http.response.header.server"]);
}

#[test]
fn credentials_are_refused_wherever_they_are_asked_for() {
    for header in ["authorization", "Proxy-Authorization", "COOKIE", "set-cookie"] {
        let property = format!("request.headers.{header}");
        let places = [
            ("request_headers[0]", header, format!(r#""request_headers": ["{header}"]"#)),
            ("response_headers[1]", header, format!(r#""response_headers": ["a", "{header}"]"#)),
            (
                "attributes.k.request_header",
                header,
                format!(r#""attributes": {{"k": {{"request_header": "{header}"}}}}"#),
            ),
            (
                "attributes.k.response_header",
                header,
                format!(r#""attributes": {{"k": {{"response_header": "{header}"}}}}"#),
            ),
            (
                "attributes.k.property",
                &property,
                format!(r#""attributes": {{"k": {{"property": "{property}"}}}}"#),
            ),
        ];
        for (key, found, json) in places {
            let error = parse(&format!(r#"{{"spans": {{{json}}}}}"#)).unwrap_err();
            let expected = format!(
                "spans.{key} is \"{found}\", expected another header: authorization, proxy-authorization, \
                 cookie, set-cookie are credentials and never in spans"
            );
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn attributes_that_cannot_be_are_refused() {
    let cases = [
        (
            r#""http.route": "x""#,
            r#"spans.attributes is "http.route", expected keys that the filter does not set itself"#,
        ),
        (r#""": "x""#, r#"spans.attributes is "", expected keys that the filter does not set itself"#),
        (
            r#""http.request.header.x-shown": "x""#,
            r#"spans.attributes is "http.request.header.x-shown", expected keys that the filter does not set itself"#,
        ),
        (
            r#""k": 1"#,
            r#"spans.attributes.k is 1, expected a text or an object such as {"request_header": "x-tenant"}"#,
        ),
        (
            r#""k": {}"#,
            r#"spans.attributes.k is "0 sources", expected exactly one of request_header, response_header, baggage, property, environment"#,
        ),
        (
            r#""k": {"baggage": "a", "property": "b"}"#,
            r#"spans.attributes.k is "2 sources", expected exactly one of request_header, response_header, baggage, property, environment"#,
        ),
        (r#""k": {"baggage": 1}"#, "spans.attributes.k.baggage is 1, expected a string"),
        (r#""k": {"baggage": ""}"#, r#"spans.attributes.k is "", expected a name that is not empty"#),
        (
            r#""k": {"property": "a..b"}"#,
            r#"spans.attributes.k is "a..b", expected a name that is not empty"#,
        ),
        (r#""k": {"property": []}"#, r#"spans.attributes.k is "", expected a name that is not empty"#),
        (r#""k": {"property": ["a", 1]}"#, "spans.attributes.k.property[1] is 1, expected a string"),
        (
            r#""k": {"request_header": "a b"}"#,
            r#"spans.attributes.k.request_header is "a b", expected a header's name"#,
        ),
    ];
    for (attributes, expected) in cases {
        let json =
            format!(r#"{{"spans": {{"request_headers": ["x-shown"], "attributes": {{{attributes}}}}}}}"#);
        assert_eq!(parse(&json).map(|_| ()), Err(expected.to_owned()), "{attributes}");
    }
    assert_eq!(
        parse(r#"{"spans": {"attributes": []}}"#).unwrap_err(),
        "spans.attributes is [], expected an object of attributes"
    );
    assert_eq!(
        parse(r#"{"spans": {"request_headers": [":path"]}}"#).unwrap_err(),
        r#"spans.request_headers[0] is ":path", expected a header's name"#
    );
}

#[test]
fn limits_and_names_are_configured() {
    let json = r#"{"spans": {"names": "linkerd", "max_attributes": 20, "max_attribute_length": 30}}"#;
    let shape = parse(json).unwrap().0.shape;
    assert_eq!((shape.names, shape.limits), (Names::Linkerd, Limits { count: 20, length: 30 }));
    let general = [("OTEL_ATTRIBUTE_COUNT_LIMIT", "10"), ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "11")];
    let shape = parse_with("", &general).unwrap().0.shape;
    assert_eq!(shape.limits, Limits { count: 10, length: 11 });
    let of_spans =
        [("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "12"), ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "13")];
    let env = [general, of_spans].concat();
    assert_eq!(parse_with("", &env).unwrap().0.shape.limits, Limits { count: 12, length: 13 });
    assert_eq!(parse_with(json, &env).unwrap().0.shape.limits, Limits { count: 20, length: 30 });
}
