//! The filter's own calls with one answer, made for real: HTTP, and unary gRPC over HTTP/2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Bytes;

use super::body::{Body, CHANNEL, Piece, channel};
use super::cluster::Route;
use super::upstream::{Answer, Outbound, SendError};
use super::wire;
use crate::flow::{local_reply, no_answer, upstream_failed};
use crate::host::HeaderMap;
use crate::vm::{CallReply, OutboundCall, OutboundKind};

/// The most that is read of an answer.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// gRPC's UNKNOWN, DEADLINE_EXCEEDED, INTERNAL and UNAVAILABLE.
pub(super) const UNKNOWN: u32 = 2;
const DEADLINE_EXCEEDED: u32 = 4;
pub(super) const INTERNAL: u32 = 13;
pub(super) const UNAVAILABLE: u32 = 14;
/// A message's compression flag and length.
pub(super) const FRAME_HEAD: usize = 5;

/// What calls may go to, by the cluster's name.
pub(super) type Clusters = BTreeMap<Vec<u8>, Arc<Route>>;

/// A whole response.
struct Whole {
    head: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

/// Makes a call that one answer ends; `None` for what belongs to a gRPC stream. Every failure is an answer,
/// too.
pub(super) async fn perform(clusters: &Clusters, call: OutboundCall) -> Option<CallReply> {
    let made = async {
        let route = clusters.get(&call.upstream).ok_or_else(|| "no such cluster".to_owned())?;
        make(route, &call.kind).await
    };
    let within = call.timeout.unwrap_or(Duration::MAX);
    let made = tokio::time::timeout(within, made).await;
    let (status, failure) = match made {
        Ok(Ok(whole)) => return reply(&call.kind, whole),
        Ok(Err(error)) => (UNAVAILABLE, error),
        Err(_) => (DEADLINE_EXCEEDED, format!("no answer in {within:?}")),
    };
    tracing::debug!("a call of the filter failed: {failure}");
    match &call.kind {
        OutboundKind::Http { .. } => Some(http_failed(status)),
        OutboundKind::Grpc { .. } => Some(CallReply::GrpcFailure { status, message: failure }),
        _ => None,
    }
}

/// What Envoy's router answers in the place of an upstream: the guest sees a response, not a failure.
fn http_failed(status: u32) -> CallReply {
    let reply = match status {
        DEADLINE_EXCEEDED => no_answer(),
        _ => upstream_failed("remote_connection_failure"),
    };
    let (headers, body) = local_reply(&HeaderMap::new(), reply);
    CallReply::Http { headers, body, trailers: HeaderMap::new() }
}

fn reply(kind: &OutboundKind, whole: Whole) -> Option<CallReply> {
    match kind {
        OutboundKind::Http { .. } => {
            Some(CallReply::Http { headers: whole.head, body: whole.body.to_vec(), trailers: whole.trailers })
        }
        OutboundKind::Grpc { .. } => Some(grpc_reply(&whole)),
        _ => None,
    }
}

async fn make(route: &Route, kind: &OutboundKind) -> Result<Whole, String> {
    let answer = match kind {
        OutboundKind::Http { headers, body, trailers } => {
            let mut head = headers.clone();
            if let (None, Some(host)) = (head.first(":authority"), headers.first("host")) {
                head.add(":authority", host);
            }
            head.remove("host");
            route.add_headers(&mut head);
            let body = route.http_body(&mut head, body).map_err(|error| error.to_string())?;
            let body = whole_body(body, trailers);
            let request = Outbound { head: &head, body, prefers_http2: false, leaves_http: false };
            route.pool.send(request, |_| ()).await
        }
        OutboundKind::Grpc { service, method, metadata, message } => {
            let mut head = grpc_head(route, service, method, metadata);
            let body = route.grpc_body(&mut head, message).map_err(|error| error.to_string())?;
            let body = Body::Whole(Some(body));
            let request = Outbound { head: &head, body, prefers_http2: true, leaves_http: false };
            route.pool.send(request, |_| ()).await
        }
        _ => return Err("not a call of its own".to_owned()),
    };
    read(answer).await
}

fn whole_body(body: Bytes, trailers: &HeaderMap) -> Body {
    if trailers.is_empty() {
        return if body.is_empty() { Body::Empty } else { Body::Whole(Some(body)) };
    }
    let (sender, receiver) = channel(CHANNEL);
    let pieces = [Piece::Data(body), Piece::Trailers(wire::trailers(trailers)), Piece::End];
    tokio::spawn(async move {
        for piece in pieces {
            // Nobody reads any more: the call has ended.
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    receiver
}

async fn read(answer: Result<Answer, SendError>) -> Result<Whole, String> {
    let (parts, body) = answer.map_err(|error| error.to_string())?.response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
    let trailers = body.trailers().map(wire::trailers_seen).unwrap_or_default();
    Ok(Whole { head: wire::response_head(&parts), body: body.to_bytes(), trailers })
}

pub(super) fn grpc_head(route: &Route, service: &[u8], method: &[u8], metadata: &HeaderMap) -> HeaderMap {
    let path = [b"/", service, b"/", method].concat();
    let mut head = HeaderMap::from_pairs([(":method", "POST"), (":scheme", route.pool.scheme())]);
    head.add(":path", path);
    head.add(":authority", route.pool.authority());
    head.add("te", "trailers");
    head.add("content-type", "application/grpc");
    metadata.iter().for_each(|(name, value)| head.add(name, value));
    route.add_headers(&mut head);
    head
}

pub(super) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), message].concat().into()
}

/// The message of a call that succeeded, or why it did not.
fn grpc_reply(whole: &Whole) -> CallReply {
    let failure = |status, message: &str| CallReply::GrpcFailure { status, message: message.to_owned() };
    let field = |name: &str| whole.trailers.first(name).or_else(|| whole.head.first(name));
    let text = |name: &str| field(name).map(String::from_utf8_lossy).unwrap_or_default();
    if whole.head.first(":status") != Some(b"200") {
        return failure(UNAVAILABLE, "the answer is not gRPC's");
    }
    match text("grpc-status").parse() {
        Ok(0) => {}
        Ok(status) => return failure(status, &text("grpc-message")),
        Err(_) => return failure(UNKNOWN, "the answer has no grpc-status"),
    }
    let (head, message) = whole.body.split_at_checked(FRAME_HEAD).unwrap_or_default();
    let [0, length @ ..] = head else { return failure(INTERNAL, "the answer has no plain message") };
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    match message.get(..length) {
        Some(message) => CallReply::Grpc { message: message.to_vec() },
        None => failure(INTERNAL, "the answer's message is cut off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reason, a body, trailers, and the message or the status.
    type Row =
        (&'static str, &'static [u8], &'static [(&'static str, &'static str)], Result<&'static [u8], u32>);

    #[test]
    fn a_grpc_answer_is_its_message_or_its_failure() {
        const OK: [(&str, &str); 1] = [("grpc-status", "0")];
        let rows: [Row; 6] = [
            ("a message", b"\0\0\0\0\x02hi", &OK, Ok(b"hi")),
            ("an empty message", b"\0\0\0\0\0", &OK, Ok(b"")),
            ("a status", b"", &[("grpc-status", "7"), ("grpc-message", "no")], Err(7)),
            ("no status", b"\0\0\0\0\0", &[], Err(UNKNOWN)),
            ("no message", b"", &OK, Err(INTERNAL)),
            ("cut off", b"\0\0\0\0\x03hi", &OK, Err(INTERNAL)),
        ];
        for (reason, body, trailers, expected) in rows {
            let whole = Whole {
                head: HeaderMap::from_pairs([(":status", "200")]),
                body: Bytes::copy_from_slice(body),
                trailers: HeaderMap::from_pairs(trailers.iter().copied()),
            };
            match (grpc_reply(&whole), expected) {
                (CallReply::Grpc { message }, Ok(bytes)) => assert_eq!(message, bytes, "{reason}"),
                (CallReply::GrpcFailure { status, .. }, Err(code)) => assert_eq!(status, code, "{reason}"),
                (found, _) => panic!("{reason}: {found:?}"),
            }
        }
        assert_eq!(frame(b"hi").as_ref(), b"\0\0\0\0\x02hi");
    }
}
