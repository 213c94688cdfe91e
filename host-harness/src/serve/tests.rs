//! Over a real socket, as a browser asks.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde_json::Value;

use super::*;
use crate::collect::from_json_lines;
use crate::store::StoreOptions;

const SPANS: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"scopeSpans":[{"scope":{"name":"meshspan"},"spans":[{"traceId":"000000000000000000000000000000ab","spanId":"0000000000000001","name":"GET /","kind":2,"startTimeUnixNano":"1000000","endTimeUnixNano":"3000000"},{"traceId":"000000000000000000000000000000ab","spanId":"0000000000000002","parentSpanId":"0000000000000001","name":"GET /","kind":3,"startTimeUnixNano":"1500000","endTimeUnixNano":"2500000","attributes":[{"key":"http.response.status_code","value":{"intValue":"500"}}],"status":{"code":2}}]}]}]}
{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"emoji"}}]},"scopeSpans":[{"scope":{"name":"meshspan"},"spans":[{"traceId":"000000000000000000000000000000ab","spanId":"0000000000000003","parentSpanId":"0000000000000002","name":"Vote","kind":2,"startTimeUnixNano":"1600000","endTimeUnixNano":"2400000"}]}]}]}"#;

fn spans() -> Vec<ResourceSpans> {
    from_json_lines(SPANS).unwrap()
}

async fn start() -> SocketAddr {
    start_below("/").await
}

async fn start_below(base_path: &str) -> SocketAddr {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let store = tokio::task::spawn_blocking(move || store.keep(spans()).map(|()| store)).await.unwrap();
    let server = Server::bind(([127, 0, 0, 1], 0).into(), store.unwrap()).await.unwrap();
    let server = server.with_base_path(base_path.parse().unwrap());
    let address = server.address().unwrap();
    tokio::spawn(server.run(std::future::pending()));
    address
}

async fn ask(address: SocketAddr, method: &str, path: &str, host: &str, body: &str) -> (StatusCode, String) {
    let request =
        Request::builder().method(method).uri(format!("http://{address}{path}")).header("host", host);
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn json(address: SocketAddr, path: &str) -> Value {
    let (status, body) = ask(address, "GET", path, "localhost", "").await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_page_and_what_it_asks() {
    let address = start().await;
    for path in [
        "/search",
        "/trace/ab",
        "/trace/ab/",
        "/trace/AB?uiFind=web",
        "/trace/1:ab",
        "/trace/ab...cd",
        "/trace/ab...",
        "/dependencies",
        "/compare/",
        "/upload",
    ] {
        let (status, body) = ask(address, "GET", path, "localhost", "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(body.contains("<script type=\"module\" src=\"/page.js\">"), "{path}");
    }
    assert_eq!(ask(address, "GET", "/", "localhost", "").await.0, StatusCode::SEE_OTHER);
    let services = json(address, "/view/services").await;
    assert_eq!(services["services"][0]["name"], "emoji");
    let found =
        json(address, "/view/search?service=web&attributes=http.response.status_code%3D500&errors=1").await;
    assert_eq!((&found["total"], &found["traces"][0]["spans"]), (&Value::from(1), &Value::from(3)));
    assert_eq!(json(address, "/view/search?min=3ms").await["total"], 0);
    let document = json(address, "/view/traces/ab").await;
    assert_eq!(document["hops"][1]["to"], "emoji");
    assert_eq!(json(address, "/view/graph").await["calls"][0]["count"], 1);
    assert_eq!(json(address, "/view/compare?a=ab&b=ab").await["rows"][2]["second"], 1);
    let (_, page) = ask(address, "GET", "/view/traces/ab/page", "localhost", "").await;
    assert!(page.contains("\"traceId\":\"000000000000000000000000000000ab\""));
    let (status, body) = ask(address, "POST", "/view/upload", "localhost", SPANS).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains("\"spanId\":\"0000000000000003\""));
}

#[tokio::test]
async fn an_unknown_address_is_the_page_that_says_so() {
    for (base, path) in [
        ("/", "/nothing"),
        ("/ops", "/ops/nothing"),
        ("/", "/search/further"),
        ("/", "/trace/zz"),
        ("/", "/trace/zz/"),
        ("/", "/trace/x:ab"),
        ("/", "/trace/%ff"),
        ("/ops", "/ops/trace/000000000000000000000000000000000"),
    ] {
        let (status, body) = ask(start_below(base).await, "GET", path, "localhost", "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(body.contains("/page.js\">"), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_question_may_carry_the_trace_that_it_is_about() {
    let address = start().await;
    let carried = SPANS.replace("000000ab", "000000cd").replace("\"Vote\"", "\"Unvote\"");
    let otlp = |text: &str| crate::collect::to_json_line(&from_json_lines(text).unwrap());
    let (other, same_id) = (otlp(&carried), otlp(&SPANS.replace("\"Vote\"", "\"Unvote\"")));
    for (reason, path, body) in [
        ("another trace", "/view/compare?a=ab&b=cd", format!(r#"{{"b":{other}}}"#)),
        ("one with the id of a stored one", "/view/compare?a=ab&b=ab", format!(r#"{{"b":{same_id}}}"#)),
        ("two with one id", "/view/compare?a=ab&b=ab", format!(r#"{{"a":{},"b":{same_id}}}"#, otlp(SPANS))),
    ] {
        let (status, body) = ask(address, "POST", path, "localhost", &body).await;
        assert_eq!(status, StatusCode::OK, "{reason}: {body}");
        let rows: Value = serde_json::from_str(&body).unwrap();
        let count = |row: &Value, side: &str| row[side].as_u64().unwrap();
        let rows: Vec<_> = rows["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["name"].as_str().unwrap(), count(row, "first"), count(row, "second")))
            .collect();
        let expected = [("GET /", 1, 1), ("GET /", 1, 1), ("Vote", 1, 0), ("Unvote", 0, 1)];
        assert_eq!(rows, expected, "{reason}");
    }
    let (status, page) = ask(address, "POST", "/view/traces/cd/page", "localhost", &carried).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("\"name\":\"Unvote\""));
    let (status, body) = ask(address, "GET", "/view/traces/cd/page", "localhost", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "nothing of it is kept: {body}");
    for (body, expected) in [
        ("{", StatusCode::BAD_REQUEST),
        (r#"{"c":{}}"#, StatusCode::BAD_REQUEST),
        (r#"{"b":{}}"#, StatusCode::BAD_REQUEST),
        ("{}", StatusCode::NOT_FOUND),
        (r#"{"b":{"resourceSpans":[]}}"#, StatusCode::NOT_FOUND),
    ] {
        let (status, answer) = ask(address, "POST", "/view/compare?a=ab&b=cd", "localhost", body).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
}

#[tokio::test]
async fn everything_is_below_the_base_path() {
    let address = start_below("/ops/traces").await;
    for (path, expected) in [
        ("/", StatusCode::SEE_OTHER),
        ("/ops/traces", StatusCode::SEE_OTHER),
        ("/ops/traces/", StatusCode::SEE_OTHER),
        ("/ops/traces/search", StatusCode::OK),
        ("/ops/traces/trace/ab?span=1", StatusCode::OK),
        ("/ops/traces/view/services", StatusCode::OK),
        ("/ops/traces/api/services/web/operations", StatusCode::OK),
        ("/ops/traces/api/v3/traces/ab", StatusCode::OK),
        ("/search", StatusCode::NOT_FOUND),
        ("/api/services", StatusCode::NOT_FOUND),
        ("/ops/tracessearch", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(ask(address, "GET", path, "localhost", "").await.0, expected, "{path}");
    }
    let (_, page) = ask(address, "GET", "/ops/traces/search", "localhost", "").await;
    for part in
        ["src=\"/ops/traces/page.js\"", "href=\"/ops/traces/style.css\"", "href=\"/ops/traces/upload\""]
    {
        assert!(page.contains(part), "{part}");
    }
    let (status, _) = ask(address, "GET", "/ops/traces/search", "evil.example", "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn jaegers_page_and_grafana_get_what_they_ask() {
    let address = start().await;
    assert_eq!(json(address, "/api/services").await["data"], serde_json::json!(["emoji", "web"]));
    assert_eq!(json(address, "/api/services/web/operations").await["data"], serde_json::json!(["GET /"]));
    let kinds = json(address, "/api/operations?service=web&spanKind=client").await;
    assert_eq!(kinds["data"], serde_json::json!([{ "name": "GET /", "spanKind": "client" }]));
    let found = json(address, "/api/traces?service=web&limit=20&lookback=1h").await;
    assert_eq!(found["data"][0]["spans"].as_array().map(Vec::len), Some(3));
    let trace = json(address, "/api/traces/ab").await;
    let tags = trace["data"][0]["spans"][1]["tags"].as_array().unwrap();
    assert!(
        tags.contains(
            &serde_json::json!({ "key": "http.response.status_code", "type": "int64", "value": 500 })
        )
    );
    assert!(tags.contains(&serde_json::json!({ "key": "error", "type": "bool", "value": true })));
    let calls = json(address, "/api/dependencies?endTs=1000&lookback=1000").await;
    assert_eq!(calls["data"], serde_json::json!([{ "parent": "web", "child": "emoji", "callCount": 1 }]));
    assert_eq!(json(address, "/api/v3/services").await["services"][1], "web");
    assert_eq!(
        json(address, "/api/v3/operations?service=emoji").await["operations"][0]["spanKind"],
        "server"
    );
    let summaries = json(address, "/api/v3/trace-summaries?query.serviceName=emoji").await;
    assert_eq!(summaries["summaries"][0]["maxEndTimeUnixNano"], "3000000");
    let otlp = json(address, "/api/v3/traces/ab").await;
    assert_eq!(otlp["result"]["resourceSpans"].as_array().map(Vec::len), Some(2), "as it came");
    let calls =
        json(address, "/api/v3/dependencies?startTime=1970-01-01T00:00:00Z&end_time=1970-01-02T00:00:00Z")
            .await;
    assert_eq!(
        calls["dependencies"],
        serde_json::json!([{ "parent": "web", "child": "emoji", "callCount": "1" }])
    );
    assert_eq!(json(address, "/api/v3/capabilities").await["search"]["withoutServiceName"], true);
    let answer = Client::builder(TokioExecutor::new()).build_http().request(
        Request::post(format!("http://{address}/api/v3/trace-summaries"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(r#"{"query":{"serviceName":"emoji"}}"#)))
            .unwrap(),
    );
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    let (status, transformed) = ask(address, "POST", "/api/transform", "localhost", SPANS).await;
    assert_eq!(status, StatusCode::OK, "{transformed}");
    assert!(transformed.contains("\"operationName\":\"Vote\""));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_protocols_way() {
    let address = start().await;
    let (summaries, traces) = ("/api/v3/trace-summaries", "/api/v3/traces");
    for (method, path, host, body, expected, message) in [
        ("GET", "/view/traces/ff", "localhost", "", 404, "is not here"),
        ("GET", "/api/traces/zz", "localhost", "", 400, "is no trace id"),
        ("GET", "/view/search?limit=x", "localhost", "", 400, "expected a number from 1 to 1500"),
        ("GET", "/api/v3/dependencies?startTime=x&endTime=y", "localhost", "", 400, "expected an instant"),
        ("GET", "/api/v3/dependencies", "localhost", "", 400, "missing field `startTime`"),
        ("GET", "/api/v3/operations?service=a&service=b", "localhost", "", 400, "duplicate field `service`"),
        (
            "POST",
            summaries,
            "localhost",
            "{",
            400,
            "the body is no question: EOF while parsing an object at line 1",
        ),
        ("POST", traces, "localhost", "", 400, "expected {\"query\":{\"serviceName\":\"web\"}}"),
        ("POST", traces, "localhost", r#"{"query":[]}"#, 400, "invalid type: sequence, expected a map"),
        ("POST", traces, "localhost", r#"{"query":{"numTraces":-1}}"#, 400, "numTraces is \"-1\""),
        ("POST", "/api/v3/services", "localhost", "", 405, "Method Not Allowed"),
        ("GET", "/api/v3/nothing", "localhost", "", 404, "there is no /api/v3/nothing"),
        ("GET", "/view/search?limit=1&limit=2", "localhost", "", 400, "duplicate field `limit`"),
        ("POST", "/view/upload", "localhost", "{}", 400, "neither resourceSpans"),
        ("GET", "/api/metrics/calls", "localhost", "", 501, "no metrics"),
        ("GET", "/view/nothing", "localhost", "", 404, "/view/nothing is not here"),
        ("GET", "/search", "evil.example", "", 403, "answers for localhost or an address"),
    ] {
        let (status, body) = ask(address, method, path, host, body).await;
        assert_eq!(status.as_u16(), expected, "{path}");
        let body: Value = serde_json::from_str(&body).expect(path);
        assert_eq!(body["error"]["httpCode"], expected, "{path}");
        assert!(body["error"]["message"].as_str().unwrap().contains(message), "{path}: {body}");
    }
}
