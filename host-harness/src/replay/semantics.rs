//! How an instrumented application describes an exchange, after the HTTP and gRPC semantic conventions.
//!
//! `POST /p.S/M`, `grpc-status: 2` → name `p.S/M`, status error, `rpc.response.status_code: UNKNOWN`

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status};

use crate::host::HeaderMap;
use crate::traffic::Exchange;

/// gRPC statuses that are a server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
/// UNAVAILABLE, DATA_LOSS.
const SERVER_ERRORS: [u32; 6] = [2, 4, 12, 13, 14, 15];

/// A span's name: gRPC's full method, else HTTP's method.
pub(super) fn name(exchange: &Exchange) -> &str {
    if exchange.is_grpc() { path(exchange).trim_start_matches('/') } else { &exchange.request.method }
}

/// The path without its query.
fn path(exchange: &Exchange) -> &str {
    exchange.request.path.split('?').next().unwrap_or_default()
}

/// Sets attributes and status.
pub(super) fn describe(span: &mut Span, exchange: &Exchange, response: &HeaderMap, is_server: bool) {
    let code = number(response.first(":status"));
    let grpc = number(response.first("grpc-status"));
    let request = &exchange.request;
    let is_error = if exchange.is_grpc() {
        span.attributes.extend([text("rpc.system.name", "grpc"), text("rpc.method", &span.name)]);
        grpc.map_or(
            code != Some(200),
            |grpc| if is_server { SERVER_ERRORS.contains(&grpc) } else { grpc != 0 },
        )
    } else {
        span.attributes.push(text("http.request.method", &request.method));
        code.is_none_or(|code| code >= if is_server { 500 } else { 400 })
    };
    if let Some(grpc) = grpc.filter(|_| exchange.is_grpc()) {
        span.attributes.push(text("rpc.response.status_code", grpc_status_name(grpc)));
    }
    if let Some(code) = code.filter(|_| !exchange.is_grpc()) {
        span.attributes.push(integer("http.response.status_code", code));
    }
    span.attributes.push(text("url.path", path(exchange)));
    span.attributes.push(text("server.address", host_of(&request.authority)));
    if is_error {
        let message = response.first("grpc-message").map(String::from_utf8_lossy).unwrap_or_default();
        span.status = Some(Status { message: message.into_owned(), code: status::StatusCode::Error.into() });
    }
}

/// An authority without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn number(value: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

/// gRPC's names of its statuses, by number.
fn grpc_status_name(code: u32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    usize::try_from(code).ok().and_then(|code| NAMES.get(code)).copied().unwrap_or("UNKNOWN")
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn integer(key: &str, value: u32) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value.into()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(content_type: &str, path: &str) -> Exchange {
        let json = serde_json::json!({
            "id": "1", "source": "a", "destination": "b", "start": "2026-11-22T05:00:00Z",
            "request": {"method": "POST", "scheme": "http", "authority": "b-svc.ns:8080", "path": path,
                        "headers": [["Content-Type", content_type]]},
            "response": {"status": 200},
            "timing_us": {"request_end": 0, "response_start": 1, "response_end": 2},
        });
        serde_json::from_value(json).unwrap()
    }

    /// Content type, response, whether it is the server's error, the client's, and why.
    type Row = (&'static str, &'static [(&'static str, &'static str)], bool, bool, &'static str);

    fn described(exchange: &Exchange, response: &[(&str, &str)], is_server: bool) -> (bool, Span) {
        let mut span = Span { name: name(exchange).to_owned(), ..Span::default() };
        describe(&mut span, exchange, &HeaderMap::from_pairs(response.iter().copied()), is_server);
        (span.status.as_ref().is_some_and(|status| status.code == 2), span)
    }

    #[test]
    fn a_status_is_an_error_to_whom_the_conventions_say() {
        let (http, grpc) = ("application/json", "application/grpc");
        let rows: [Row; 10] = [
            (http, &[(":status", "200")], false, false, "success"),
            (http, &[(":status", "399")], false, false, "redirection"),
            (http, &[(":status", "404")], false, true, "the client's mistake"),
            (http, &[(":status", "500")], true, true, "the server's fault"),
            (http, &[], true, true, "no answer"),
            (grpc, &[(":status", "200"), ("grpc-status", "0")], false, false, "OK"),
            (grpc, &[(":status", "200"), ("grpc-status", "5")], false, true, "NOT_FOUND"),
            (grpc, &[(":status", "200"), ("grpc-status", "2")], true, true, "UNKNOWN"),
            (grpc, &[(":status", "200")], false, false, "no gRPC status seen"),
            (grpc, &[(":status", "503")], true, true, "no gRPC at all"),
        ];
        for (content_type, response, server, client, reason) in rows {
            let exchange = exchange(content_type, "/p.S/M");
            assert_eq!(described(&exchange, response, true).0, server, "server: {reason}");
            assert_eq!(described(&exchange, response, false).0, client, "client: {reason}");
        }
    }

    #[test]
    fn names_are_low_in_cardinality_and_grpc_statuses_have_names() {
        let (_, span) =
            described(&exchange("application/json", "/vote?choice=1"), &[(":status", "200")], true);
        assert_eq!(span.name, "POST");
        assert!(span.attributes.contains(&text("url.path", "/vote")));
        assert!(span.attributes.contains(&text("server.address", "b-svc.ns")));
        assert!(span.attributes.contains(&integer("http.response.status_code", 200)));
        let response = [(":status", "200"), ("grpc-status", "2"), ("grpc-message", "ERROR")];
        let (_, span) = described(&exchange("application/grpc", "/p.S/M"), &response, true);
        assert_eq!(span.name, "p.S/M");
        assert!(span.attributes.contains(&text("rpc.response.status_code", "UNKNOWN")));
        assert_eq!(span.status.unwrap().message, "ERROR");
    }
}
