//! What the calls' upstreams answer, as Envoy hands it to its guests.

use meshspan::host::HeaderMap;
use meshspan::vm::{CallReply, OutboundCall, OutboundKind};

/// What Envoy answers in the place of an upstream that refuses connections.
const REFUSED: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";

/// What Envoy calls the text of a gRPC status that came without one.
const DETAILS: &str = "via_upstream";
const DATE: &str = "Sun, 22 Nov 2026 05:00:00 GMT";

/// The answers to a call, in order.
pub(super) fn replies(call: &OutboundCall) -> Vec<CallReply> {
    match &call.kind {
        OutboundKind::Http { .. } if call.upstream == b"refused" => {
            let length = REFUSED.len().to_string();
            vec![http(
                &[(":status", "503"), ("content-length", &length), ("content-type", "text/plain")],
                REFUSED,
            )]
        }
        OutboundKind::Http { headers, .. } => {
            let path = headers.first(":path").unwrap_or_default();
            let status = if path.starts_with(b"/status/503") { "503" } else { "200" };
            let head = [
                (":status", status),
                ("content-type", "text/plain"),
                ("content-length", "5"),
                ("date", DATE),
                ("x-envoy-upstream-service-time", "0"),
            ];
            vec![http(&head, "done\n")]
        }
        OutboundKind::Grpc { method, .. } => vec![match status(method) {
            0 => CallReply::Grpc { message: Vec::new() },
            status => CallReply::GrpcFailure { status, message: DETAILS.to_owned() },
        }],
        OutboundKind::GrpcStream { method, .. } => stream(method),
        OutboundKind::GrpcStreamMessage { .. } | OutboundKind::GrpcStreamClose | OutboundKind::GrpcCancel => {
            Vec::new()
        }
    }
}

/// gRPC's status of a method of `Upstream`.
fn status(method: &[u8]) -> u32 {
    match method {
        b"Vote" | b"VoteLater" => 2,
        b"Refuse" | b"RefuseLater" => 7,
        _ => 0,
    }
}

/// An answer in the head alone has all of it in the trailing metadata.
fn stream(method: &[u8]) -> Vec<CallReply> {
    let head = [(":status", "200"), ("content-type", "application/grpc")];
    let envoys = [("date", DATE), ("x-envoy-upstream-service-time", "0")];
    let status = status(method);
    let closed = CallReply::GrpcClosed { status, message: DETAILS.to_owned() };
    if method.starts_with(b"Refuse") {
        let metadata = head.into_iter().chain([("grpc-status", "7")]).chain(envoys);
        let trailing = CallReply::GrpcTrailingMetadata { metadata: HeaderMap::from_pairs(metadata) };
        return vec![CallReply::GrpcInitialMetadata { metadata: HeaderMap::new() }, trailing, closed];
    }
    let [date, time] = envoys;
    let initial = head.into_iter().chain([date, ("content-length", "5"), time]);
    let trailing = HeaderMap::from_pairs([("grpc-status", status.to_string())]);
    vec![
        CallReply::GrpcInitialMetadata { metadata: HeaderMap::from_pairs(initial) },
        CallReply::Grpc { message: Vec::new() },
        CallReply::GrpcTrailingMetadata { metadata: trailing },
        closed,
    ]
}

fn http(head: &[(&str, &str)], body: &str) -> CallReply {
    let headers = HeaderMap::from_pairs(head.iter().copied());
    CallReply::Http { headers, body: body.into(), trailers: HeaderMap::new() }
}
