//! Answers of the proxy's own, as Envoy words them (`Http::Utility::prepareLocalReply`).

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::Side;
use crate::host::grpc_status;
use crate::vm::{HeaderMap, LocalReply};

/// What gRPC's `grpc-message` encodes, beside bytes above ASCII.
const GRPC_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// The guest holds more of a body than the limit.
pub(super) fn too_large(side: Side) -> LocalReply {
    match side {
        Side::Request => plain(413, "Payload Too Large", "request_payload_too_large"),
        Side::Response => plain(500, "Internal Server Error", "response_payload_too_large"),
    }
}

/// What answers a request when the guest has failed, and the policy is to fail with it: 503.
pub fn vm_failed() -> LocalReply {
    LocalReply { grpc_status: 14, ..plain(503, "", "wasm_fail_stream") }
}

/// What answers a request whose upstream broke off before its response: 503, or 502 if it broke HTTP's rules. The
/// reason is Envoy's name for it, `connection_termination` or `protocol_error`.
pub fn upstream_failed(reason: &str) -> LocalReply {
    let said = reason.replace('_', " ");
    let body = format!("upstream connect error or disconnect/reset before headers. reset reason: {said}");
    let status = if reason == "protocol_error" { 502 } else { 503 };
    plain(status, &body, &format!("upstream_reset_before_response_started{{{reason}}}"))
}

/// What answers a request whose upstream has not answered in time: 504.
pub fn no_answer() -> LocalReply {
    plain(504, "upstream request timeout", "response_timeout")
}

/// What answers a request with which nothing has happened for too long: 504 if it was whole, else 408.
pub fn timed_out(is_whole: bool) -> LocalReply {
    plain(if is_whole { 504 } else { 408 }, "stream timeout", "stream_idle_timeout")
}

fn plain(status: u32, body: &str, details: &str) -> LocalReply {
    LocalReply {
        status,
        details: details.into(),
        headers: HeaderMap::new(),
        body: body.into(),
        grpc_status: -1,
    }
}

/// Head and body that answer a request with this head, when it has not passed the filter.
pub fn local_reply(request: &HeaderMap, reply: LocalReply) -> (HeaderMap, Vec<u8>) {
    let (is_head, is_grpc) = manner(request);
    message(reply, is_head, is_grpc)
}

/// Whether the request's method is HEAD, and whether it is gRPC.
pub(super) fn manner(request: &HeaderMap) -> (bool, bool) {
    let is_grpc = request.first("content-type").is_some_and(is_grpc);
    (request.first(":method") == Some(b"HEAD"), is_grpc)
}

/// Head and body on the wire. A gRPC call is answered by its status in the head alone; what answers HEAD has
/// no body.
pub(super) fn message(reply: LocalReply, is_head: bool, is_grpc: bool) -> (HeaderMap, Vec<u8>) {
    let mut head = HeaderMap::from_pairs([(":status", reply.status.to_string())]);
    for (name, value) in reply.headers.iter().filter(|(name, _)| *name != b":status") {
        head.add(name.to_ascii_lowercase(), value);
    }
    if is_grpc {
        let status =
            u32::try_from(reply.grpc_status).map_or_else(|_| grpc_status(reply.status.into()), i64::from);
        head.replace(":status", "200");
        head.replace("content-type", "application/grpc");
        head.replace("grpc-status", status.to_string());
        if !reply.body.is_empty() {
            head.replace("grpc-message", percent_encode(&reply.body, GRPC_MESSAGE).to_string());
        }
        head.remove("content-length");
        return (head, Vec::new());
    }
    if reply.body.is_empty() {
        head.remove("content-length");
        head.remove("content-type");
        return (head, Vec::new());
    }
    head.replace("content-length", reply.body.len().to_string());
    if head.first("content-type").is_none() {
        head.add("content-type", "text/plain");
    }
    (head, if is_head { Vec::new() } else { reply.body })
}

/// gRPC itself or with a codec, `application/grpc+proto`; not gRPC-Web.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// A response's status.
pub(super) fn status(head: &HeaderMap) -> Option<i64> {
    std::str::from_utf8(head.first(":status")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(reply: LocalReply, is_head: bool, is_grpc: bool) -> (Vec<String>, String) {
        let (head, body) = message(reply, is_head, is_grpc);
        let line = |(name, value): (&[u8], &[u8])| {
            format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        (head.iter().map(line).collect(), String::from_utf8(body).unwrap())
    }

    fn html() -> LocalReply {
        let headers = HeaderMap::from_pairs([("Content-Type", "text/html"), ("x", "1")]);
        LocalReply { headers, ..plain(403, "<é%>", "") }
    }

    #[test]
    fn grpc_web_is_not_grpc() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web+proto", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn answers_are_worded_as_envoy_does() {
        let rows = [
            (
                "a body without a type is text",
                shown(plain(413, "no", ""), false, false),
                vec![":status: 413", "content-length: 2", "content-type: text/plain"],
                "no",
            ),
            (
                "a type of the guest's stays",
                shown(html(), false, false),
                vec![":status: 403", "content-type: text/html", "x: 1", "content-length: 5"],
                "<é%>",
            ),
            (
                "HEAD is told the length only",
                shown(plain(413, "no", ""), true, false),
                vec![":status: 413", "content-length: 2", "content-type: text/plain"],
                "",
            ),
            (
                "nothing has neither length nor type",
                shown(LocalReply { body: Vec::new(), ..html() }, false, false),
                vec![":status: 403", "x: 1"],
                "",
            ),
            (
                "gRPC is told by the head alone, its status made from HTTP's",
                shown(html(), false, true),
                vec![
                    ":status: 200",
                    "content-type: application/grpc",
                    "x: 1",
                    "grpc-status: 7",
                    "grpc-message: <%C3%A9%25>",
                ],
                "",
            ),
            (
                "or as given",
                shown(vm_failed(), false, true),
                vec![":status: 200", "content-type: application/grpc", "grpc-status: 14"],
                "",
            ),
        ];
        for (reason, (head, body), expected_head, expected_body) in rows {
            assert_eq!(head, expected_head, "{reason}");
            assert_eq!(body, expected_body, "{reason}");
        }
    }
}
