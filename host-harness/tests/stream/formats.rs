//! Recordings of every other format that is read entry by entry. An Envoy tap of one binary message a file is one
//! entry, so it is not among them.

use serde_json::{Value, json};

/// A format and how a recording of it is made.
pub(crate) struct Format {
    /// The test's name for it.
    pub(crate) name: &'static str,
    /// For `--format`.
    pub(crate) format: &'static str,
    /// What comes before, between and behind the entries.
    pub(crate) around: [&'static str; 3],
    /// One exchange of that number, as bytes.
    pub(crate) entry: fn(u64) -> Vec<u8>,
}

pub(crate) const FORMATS: [Format; 9] = [
    Format {
        name: "har",
        format: "har",
        around: [r#"{"log":{"version":"1.2","entries":["#, ",\n", "]}}\n"],
        entry: har,
    },
    Format { name: "tap-json", format: "tap-json", around: ["", "\n", "\n"], entry: tap_json },
    Format {
        name: "tap-json-streamed",
        format: "tap-json",
        around: ["", "\n", "\n"],
        entry: tap_json_streamed,
    },
    Format { name: "tap-delimited", format: "tap-delimited", around: [""; 3], entry: tap },
    Format { name: "tap-delimited-streamed", format: "tap-delimited", around: [""; 3], entry: tap_streamed },
    Format { name: "access-log", format: "access-log", around: ["", "\n", "\n"], entry: access_log },
    Format { name: "gor", format: "gor", around: [""; 3], entry: gor },
    Format { name: "vegeta-json", format: "vegeta-json", around: ["", "\n", "\n"], entry: vegeta_json },
    Format { name: "vegeta-http", format: "vegeta-http", around: ["", "\n", "\n"], entry: vegeta_http },
];

/// Long enough for entries to be few, and short enough for them to be many.
fn text() -> String {
    "0123456789abcdef".repeat(256)
}

/// A millisecond after the one before.
fn start(number: u64) -> jiff::Timestamp {
    let first: jiff::Timestamp = "2026-11-22T05:00:00Z".parse().unwrap();
    first + std::time::Duration::from_millis(number)
}

fn har(number: u64) -> Vec<u8> {
    let body = text();
    let entry = json!({
        "startedDateTime": start(number).to_string(), "time": 5,
        "request": {"method": "GET", "url": format!("http://web/{number}"), "httpVersion": "HTTP/1.1", "headers": [],
                    "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 0},
        "response": {"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "cookies": [], "redirectURL": "",
                     "headers": [{"name": "content-type", "value": "text/plain"}], "headersSize": -1,
                     "bodySize": body.len(), "content": {"size": body.len(), "mimeType": "text/plain", "text": body}},
        "cache": {}, "timings": {"send": 1, "wait": 3, "receive": 1}
    });
    entry.to_string().into_bytes()
}

fn pairs(pairs: &[(&str, &str)]) -> Value {
    let pairs = pairs.iter().map(|(key, value)| json!({"key": key, "value": value}));
    pairs.collect()
}

fn tap_json(number: u64) -> Vec<u8> {
    let (path, time) = (format!("/{number}"), start(number).to_string());
    let head = pairs(&[(":method", "GET"), (":path", &path), (":authority", "web")]);
    let trace = json!({"http_buffered_trace": {
        "request": {"headers": head, "headers_received_time": time},
        "response": {"headers": pairs(&[(":status", "200")]), "body": {"as_string": text()}, "headers_received_time": time}
    }});
    trace.to_string().into_bytes()
}

/// Four segments.
fn tap_json_streamed(number: u64) -> Vec<u8> {
    let path = format!("/{number}");
    let head = pairs(&[(":method", "GET"), (":path", &path), (":authority", "web")]);
    let pieces = [
        ("request_headers", json!({"headers": head})),
        ("response_headers", json!({"headers": pairs(&[(":status", "200")])})),
        ("response_body_chunk", json!({"as_string": text()})),
        ("response_trailers", json!({"headers": pairs(&[("x-sum", "1")])})),
    ];
    let segment = |(piece, value): (&str, Value)| {
        json!({"http_streamed_trace_segment": {"trace_id": number.to_string(), piece: value}}).to_string()
    };
    pieces.map(segment).join("\n").into_bytes()
}

/// A field of protobuf that has a length.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2], &*varint(bytes.len() as u64), bytes].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn fields(pairs: &[(&str, &str)]) -> Vec<u8> {
    let pair = |(key, value): &(&str, &str)| {
        field(1, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
    };
    pairs.iter().flat_map(pair).collect()
}

fn delimited(message: &[u8]) -> Vec<u8> {
    [varint(message.len() as u64), message.to_vec()].concat()
}

fn tap(number: u64) -> Vec<u8> {
    let path = format!("/{number}");
    let request = fields(&[(":method", "GET"), (":path", &path), (":authority", "web")]);
    let body = field(2, &field(2, text().as_bytes()));
    let response = [fields(&[(":status", "200")]), body].concat();
    delimited(&field(1, &[field(1, &request), field(2, &response)].concat()))
}

/// Four segments.
fn tap_streamed(number: u64) -> Vec<u8> {
    let path = format!("/{number}");
    let pieces = [
        field(2, &fields(&[(":method", "GET"), (":path", &path), (":authority", "web")])),
        field(5, &fields(&[(":status", "200")])),
        field(6, &field(2, text().as_bytes())),
        field(7, &fields(&[("x-sum", "1")])),
    ];
    let id = [&[1 << 3], &*varint(number + 1)].concat();
    pieces.iter().flat_map(|piece| delimited(&field(2, &[&id[..], piece].concat()))).collect()
}

fn access_log(number: u64) -> Vec<u8> {
    let line = json!({
        "start_time": start(number).to_string(), "method": "GET", "scheme": "http", "authority": "web",
        "path": format!("/{number}"), "response_code": 200, "response_flags": "-", "bytes_received": 0, "bytes_sent": 9,
        "request_end_us": 10, "response_start_us": 900, "response_end_us": 1000, "upstream_cluster": "app",
        "request_headers": {"user-agent": text()}, "response_headers": {"content-type": "text/plain"}
    });
    line.to_string().into_bytes()
}

/// A request and its response.
fn gor(number: u64) -> Vec<u8> {
    let (nanos, body) = (start(number).as_nanosecond(), text());
    let length = body.len();
    format!(
        "1 {number:024x} {nanos} -1\nGET /{number} HTTP/1.1\r\nHost: web\r\n\r\n\n🐵🙈🙉\n\
         2 {number:024x} {nanos} 1000\nHTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}\n🐵🙈🙉\n"
    )
    .into_bytes()
}

fn vegeta_json(number: u64) -> Vec<u8> {
    let target =
        json!({"method": "GET", "url": format!("http://web/{number}"), "header": {"X-Long": [text()]}});
    target.to_string().into_bytes()
}

fn vegeta_http(number: u64) -> Vec<u8> {
    format!("GET http://web/{number}\nX-Long: {}\n", text()).into_bytes()
}
