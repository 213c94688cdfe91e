//! Lines as Envoy's, Istio's and Envoy Gateway's formats give them, and lines that are none. That a real
//! Envoy writes our own format so is shown in `tests/`.

use std::io::Cursor;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::traffic::{Entry, Exchange, Format, Options, read};

fn entry(line: &str, fields: &str) -> Entry {
    let options = Options {
        format: Some(Format::AccessLog),
        access_log_fields: fields.parse().unwrap(),
        ..Options::default()
    };
    read(Cursor::new(line.as_bytes().to_vec()), "t.log", &options).unwrap().next().unwrap().unwrap()
}

fn exchange(line: &Value, fields: &str) -> Exchange {
    match entry(&line.to_string(), fields) {
        Entry::Exchange { exchange, .. } => *exchange,
        Entry::Skipped(skip) => panic!("{skip}"),
    }
}

/// Istio's default with `accessLogEncoding: JSON`.
fn istio() -> Value {
    json!({
        "authority": "reviews:9080", "bytes_received": 0, "bytes_sent": 295, "connection_termination_details": null,
        "downstream_local_address": "10.96.1.1:9080", "downstream_remote_address": "10.244.0.9:5", "duration": 28,
        "method": "GET", "path": "/reviews/0", "protocol": "HTTP/1.1", "request_id": "d2e8", "requested_server_name": null,
        "response_code": 200, "response_code_details": "via_upstream", "response_flags": "-", "route_name": "default",
        "start_time": "2026-11-22T05:00:00.120Z", "upstream_cluster": "outbound|9080||reviews.default.svc.cluster.local;",
        "upstream_host": "10.244.0.7:9080", "upstream_service_time": "27", "user_agent": "curl/8", "x_forwarded_for": null
    })
}

#[test]
fn istios_line_becomes_an_exchange() {
    let expected: Exchange = serde_json::from_value(json!({
        "id": "1", "source": "client", "destination": "reviews", "start": "2026-11-22T05:00:00.120Z",
        "request": {"method": "GET", "scheme": "http", "authority": "reviews:9080", "path": "/reviews/0",
                    "headers": [["user-agent", "curl/8"], ["x-request-id", "d2e8"]]},
        "response": {"status": 200, "body_bytes": 295},
        "timing_us": {"request_end": 0, "response_start": 28_000, "response_end": 28_000}
    }))
    .unwrap();
    assert_eq!(exchange(&istio(), ""), expected);
}

#[test]
fn envoy_gateways_line_has_keys_of_its_own() {
    let line = json!({"start_time": "2026-11-22T05:00:00Z", "method": "POST", "x-envoy-origin-path": "/p", ":authority": "www.example.com",
                      "response_code": 503, "duration": 3, "bytes_received": 12, "user-agent": "a", "x-request-id": "b", "x-forwarded-for": "c"});
    let found = exchange(&line, "");
    assert_eq!(
        (found.request.path.as_str(), found.destination.as_str(), found.response.status),
        ("/p", "www.example.com", 503)
    );
    assert_eq!((found.request.body_bytes, found.request.headers.len()), (12, 3));
}

#[test]
fn a_field_is_where_the_user_says() {
    let mut line = istio();
    line["http"] = json!({"verb": "PUT"});
    line["at"] = json!("1795323600.5");
    line["tenant"] = json!("t1");
    line["rsp"] = json!({"content-type": "text/plain", "x-absent": null, "x-none": "-"});
    let fields = "method=http.verb, start=at,destination=upstream_cluster,request.header.X-Tenant=tenant,response_headers=rsp";
    let found = exchange(&line, fields);
    assert_eq!(
        (found.request.method.as_str(), found.destination.as_str()),
        ("PUT", "reviews.default.svc.cluster.local")
    );
    assert_eq!(found.start.to_string(), "2026-11-22T05:00:00.5Z");
    assert_eq!(found.request.headers[0], ("x-tenant".to_owned(), "t1".into()));
    assert_eq!(found.response.headers, [("content-type".to_owned(), "text/plain".into())]);
}

#[test]
fn instants_may_be_numbers() {
    for number in [
        json!(1_795_323_600),
        json!("1795323600"),
        json!(1_795_323_600_000_i64),
        json!(1.7953236e15),
        json!("1795323600000000000"),
    ] {
        assert_eq!(instant(&number).unwrap().to_string(), "2026-11-22T05:00:00Z", "{number}");
    }
}

#[test]
fn lines_that_are_no_exchange_are_skipped_and_named() {
    let with = |key: &str, value: Value| {
        let mut line = istio();
        line[key] = value;
        line.to_string()
    };
    for (line, expected) in [
        (
            "[2026-11-22 05:00:00][warning] envoy says".to_owned(),
            "t.log: line 1: unreadable: expected `,` or `]`",
        ),
        (with("response_code", json!(0)), "t.log: line 1: has no response: its status is 0 or missing"),
        (
            with("response_code", json!(0)).replace("\"-\"", "\"DC\""),
            "t.log: line 1: has no response: Envoy's flags are DC",
        ),
        (with("method", json!("-")), "t.log: line 1: has no method"),
        (with("path", Value::Null), "t.log: line 1: has no path"),
        (with("response_code", json!(101)), "t.log: line 1: is no HTTP exchange: an upgrade"),
        (
            with("duration", json!(1e12)),
            "t.log: line 1: timing_us.response_end is 1000000000000000, expected at most",
        ),
    ] {
        let Entry::Skipped(skip) = entry(&line, "") else { panic!("{line}") };
        assert!(skip.to_string().starts_with(expected), "{skip}");
    }
}

#[test]
fn a_map_that_cannot_be_understood_is_refused() {
    for (map, expected) in [
        ("method", "\"method\" is no field=key, such as \"method=verb\""),
        ("=a", "\"=a\" is no field=key"),
        ("verb=a", "field is \"verb\", expected one of start, method, scheme,"),
    ] {
        let error = map.parse::<FieldMap>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!("".parse(), Ok(FieldMap::default()));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes, &FieldMap::default());
    }

    #[test]
    fn no_value_of_any_key_makes_it_panic(key in 0_usize..22, value in ".{0,12}", number: f64) {
        for value in [json!(value), json!(number), json!([]), json!({"a": {}})] {
            let mut line = istio();
            let key = line.as_object().unwrap().keys().nth(key).cloned();
            if let Some(key) = key {
                line[key] = value;
            }
            entry(&line.to_string(), "");
        }
    }
}
