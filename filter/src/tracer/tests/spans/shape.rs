//! What spans say where operators ask for more than the conventions, or for Linkerd's.

use super::*;

/// A pass of `request` under `spans`, the section of that name, answered with `head`; both spans.
fn pass(spans: &str, request: &[(&str, &str)], head: &[(&str, &str)]) -> [Span; 2] {
    let json = format!(r#"{{"start_traces": true, "spans": {spans}}}"#);
    let mut pass = start(&json, request).0.pass.unwrap();
    if !head.is_empty() {
        response(head, &[], &mut pass);
        pass.record_response_headers(&HeaderList::new(head).headers());
    }
    pass.record_properties(|path| match path {
        "xds\0node\0locality\0zone" => Some(b"eu-1a".to_vec()),
        "request\0size" => Some(12_i64.to_le_bytes().to_vec()),
        "request\0path" => Some(b"http://u:p@h/x?sig=s3cret&a=1".to_vec()),
        "request\0query" => Some(b"sig=s3cret&a=1".to_vec()),
        "request\0host" => Some(b"u:p@h:80".to_vec()),
        _ => None,
    });
    decode(&pass.end(&END))
}

const REQUEST: [(&str, &str); 6] = [
    (":method", "GET"),
    (":path", "/a?token=secret&sig=b"),
    ("x-tenant", "blue"),
    ("x-many", "1"),
    ("x-many", "2"),
    ("baggage", "user.id=alice"),
];

#[test]
fn both_spans_have_the_attributes_that_are_asked_for() {
    let spans = r#"{"attributes": {
        "tenant.id": {"request_header": "x-tenant"}, "many": {"request_header": "x-many"},
        "region": {"request_header": "x-region", "default": "none"}, "deployment": "blue",
        "user": {"baggage": "user.id"}, "zone": {"property": "xds.node.locality.zone"},
        "http.request.body.size": {"property": "request.size"},
        "missing": {"property": "no.such"}, "size": {"property": "no.such", "default": "0"},
        "cache": {"response_header": "x-cache"}, "age": {"response_header": "age", "default": "new"}
    }}"#;
    let expected = [
        ("age", "new"),
        ("cache", "hit"),
        ("deployment", "blue"),
        ("http.request.body.size", "#12"),
        ("many", "1,2"),
        ("region", "none"),
        ("size", "0"),
        ("tenant.id", "blue"),
        ("user", "alice"),
        ("zone", "eu-1a"),
    ];
    for (head, cache) in [(&[(":status", "200"), ("x-cache", "hit")][..], true), (&[], false)] {
        let plain = pass("{}", &REQUEST, head);
        for (span, plain) in pass(spans, &REQUEST, head).iter().zip(&plain) {
            let (mut found, plain) = (attributes(span), attributes(plain));
            found.retain(|key, _| !plain.contains_key(key));
            let mut expected = expect(&expected);
            expected.retain(|key, _| cache || *key != "cache");
            assert_eq!(found, expected, "without a response the defaults hold");
        }
    }
}

#[test]
fn rule_34_headers_are_shown_only_if_asked_for() {
    let head = [(":status", "200"), ("x-cache", "hit")];
    let spans =
        r#"{"request_headers": ["X-Many", "x-missing"], "response_headers": ["x-cache", "x-missing"]}"#;
    for span in pass(spans, &REQUEST, &head) {
        let attributes = attributes(&span);
        assert_eq!(attributes["http.request.header.x-many"], r#"["1", "2"]"#);
        assert_eq!(attributes["http.response.header.x-cache"], r#"["hit"]"#);
        assert_eq!(attributes.keys().filter(|key| key.contains(".header.")).count(), 2);
    }
    for span in pass("{}", &REQUEST, &head) {
        assert!(attributes(&span).keys().all(|key| !key.contains(".header.")), "{span:?}");
    }
}

#[test]
fn rule_33_the_parameters_that_are_hidden_are_configurable() {
    for (spans, expected) in [
        ("{}", "token=secret&sig=REDACTED"),
        (r#"{"redact": ["token"]}"#, "token=REDACTED&sig=b"),
        (r#"{"redact": [], "query": "redact"}"#, "token=secret&sig=b"),
    ] {
        let [server, client] = pass(spans, &REQUEST, &[]);
        assert_eq!(attributes(&server)["url.query"], expected);
        assert!(attributes(&client)["url.full"].ends_with(expected), "{client:?}");
    }
}

#[test]
fn rule_33_urls_are_redacted_wherever_they_are_asked_for() {
    const URL: &str = "http://u:p@h/x?sig=s3cret&a=1";
    let request = [(":path", "/"), ("referer", URL), ("origin", "http://u:p@h"), ("x-note", "u:p@h?sig=1")];
    let head = [(":status", "302"), ("location", URL), ("location", URL)];
    for (query, shown) in [("redact", "?sig=REDACTED&a=1"), ("keep", "?sig=s3cret&a=1"), ("drop", "")] {
        let spans = format!(
            r#"{{"query": "{query}", "attributes": {{
                "from": {{"request_header": "Referer"}}, "note": {{"request_header": "x-note"}},
                "to": {{"response_header": "location"}}, "path": {{"property": "request.path"}},
                "host": {{"property": "request.host"}}, "query": {{"property": "request.query", "default": "-"}}
            }}, "request_headers": ["referer", "origin"], "response_headers": ["location"]}}"#
        );
        let url = format!("http://REDACTED:REDACTED@h/x{shown}");
        let query = shown.strip_prefix('?').unwrap_or("-");
        for span in pass(&spans, &request, &head) {
            let attributes = attributes(&span);
            for key in ["from", "path"] {
                assert_eq!(attributes[key], url, "{key}");
            }
            assert_eq!(attributes["to"], format!("{url},{url}"), "each of them");
            assert_eq!(attributes["http.request.header.referer"], format!("{:?}", [&url]));
            assert_eq!(attributes["http.response.header.location"], format!("{:?}", [&url, &url]));
            assert_eq!(attributes["http.request.header.origin"], r#"["http://REDACTED:REDACTED@h"]"#);
            assert_eq!(
                (attributes["host"].as_str(), &*attributes["query"]),
                ("REDACTED:REDACTED@h:80", query)
            );
            assert_eq!(attributes["note"], "u:p@h?sig=1", "nobody knows that this is one");
        }
    }
}

#[test]
fn attributes_beyond_the_limit_are_dropped_and_counted() {
    let head = [(":status", "200")];
    let [server, client] = pass("{}", &REQUEST, &head);
    let count = server.attributes.len();
    assert_eq!((server.dropped_attributes_count, client.dropped_attributes_count), (0, 0));
    let custom = r#""attributes": {"a": "1", "b": "2", "c": "3"}"#;
    for (limit, kept, dropped) in
        [(count + 3, 3, 0), (count + 2, 2, 1), (count + 1, 1, 2), (count, 0, 3), (1, 0, count + 2)]
    {
        let [server, _] = pass(&format!(r#"{{{custom}, "max_attributes": {limit}}}"#), &REQUEST, &head);
        assert_eq!(server.dropped_attributes_count, u32::try_from(dropped).unwrap(), "{limit}");
        let found = ["a", "b", "c"].iter().filter(|key| attributes(&server).contains_key(**key)).count();
        assert_eq!(found, kept, "the configured ones go first");
    }
}

#[test]
fn long_texts_are_cut_off_at_whole_characters() {
    let request = [(":method", "GET"), (":path", "/abcdefgh"), ("x-long", "aéïouy"), ("x-long", "123456")];
    let spans = r#"{"max_attribute_length": 5, "attributes": {"long": {"request_header": "x-long"}},
                    "request_headers": ["x-long"]}"#;
    let [server, _] = pass(spans, &request, &[(":status", "200")]);
    let attributes = attributes(&server);
    assert_eq!(attributes["url.path"], "/abcd");
    assert_eq!(attributes["long"], "aéïou");
    assert_eq!(attributes["http.request.header.x-long"], r#"["aéïou", "12345"]"#);
    assert_eq!(attributes["http.response.status_code"], "#200");
    assert_eq!(server.dropped_attributes_count, 0, "cut is not dropped");
}

/// linkerd2-proxy's own test of its labels, `trace_labels`.
#[test]
fn linkerds_attributes_are_its_own_to_the_letter() {
    let request = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "http://example.com:80/foo?bar=baz"),
        ("user-agent", "tokio-test"),
        ("content-length", "0"),
        ("content-type", "text/plain"),
        ("l5d-orig-proto", "HTTP/1.1"),
    ];
    let expected = [
        ("http.request.header.content-length", "0"),
        ("http.request.header.content-type", "text/plain"),
        ("http.request.header.l5d-orig-proto", "HTTP/1.1"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("network.transport", "tcp"),
        ("url.full", "http://example.com:80/foo?bar=baz"),
        ("url.path", "/foo"),
        ("url.query", "bar=baz"),
        ("url.scheme", "http"),
        ("user_agent.original", "tokio-test"),
    ];
    let mut pass =
        start(r#"{"start_traces": true, "spans": {"names": "linkerd"}}"#, &request).0.pass.unwrap();
    response(&[(":status", "200")], &[], &mut pass);
    for span in decode(&pass.end(&StreamEnd { direction: None, ..END })) {
        assert_eq!(span.name, "/foo");
        assert_eq!(attributes(&span), expect(&expected));
    }
}

#[test]
fn linkerds_spans_have_no_status_and_all_values_are_strings() {
    let linkerd = r#"{"names": "linkerd"}"#;
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: [Row<'_>; 3] = [
        (&[(":path", "/a"), (":authority", "web:80")], "/a", "an error of the server's"),
        (
            &[(":path", "/pkg.Svc/Method"), ("content-type", "application/grpc"), (":authority", "web:80")],
            "/pkg.Svc/Method",
            "gRPC is nothing special",
        ),
        (&[(":path", "/a"), (":authority", "x"), ("x-forwarded-host", "web:80")], "/a", "forwarded"),
    ];
    for (request, name, reason) in cases {
        for span in pass(linkerd, request, &[(":status", "503"), ("grpc-status", "2")]) {
            assert_eq!((span.name.as_str(), span.status.is_none()), (name, true), "{reason}");
            let attributes = attributes(&span);
            assert_eq!(attributes["http.response.status_code"], "503", "{reason}");
            assert_eq!(attributes["direction"], "outbound", "{reason}");
            assert_eq!(
                (attributes["server.address"].as_str(), attributes["server.port"].as_str()),
                ("web", "80")
            );
            assert!(attributes.values().all(|value| !value.starts_with('#')), "{attributes:?}");
            assert!(
                attributes.keys().all(|key| !key.starts_with("rpc.") && key != &"error.type"),
                "{reason}"
            );
        }
    }
    let shown = r#"{"names": "linkerd", "request_headers": ["content-type", "x-tenant"]}"#;
    for span in pass(shown, &[("content-type", "a/b"), ("x-tenant", "blue")], &[(":status", "200")]) {
        assert_eq!(attributes(&span)["http.request.header.content-type"], "a/b", "as Linkerd shows it");
        assert_eq!(attributes(&span)["http.request.header.x-tenant"], r#"["blue"]"#);
    }
}
