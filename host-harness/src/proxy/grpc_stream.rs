//! The filter's gRPC streams, made for real over HTTP/2: messages both ways for as long as both want.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};

use super::body::Body;
use super::callout::{FRAME_HEAD, INTERNAL, MAX_ANSWER_BYTES, UNAVAILABLE, UNKNOWN, grpc_head};
use super::cluster::Route;
use super::upstream::Outbound;
use super::wire;
use crate::host::HeaderMap;
use crate::vm::CallReply;

/// A stream that is opened.
pub(super) struct Opening {
    pub(super) service: Vec<u8>,
    pub(super) method: Vec<u8>,
    pub(super) metadata: HeaderMap,
    /// The guest's messages, framed.
    pub(super) messages: Body,
}

/// Opens a stream and tells of all that comes, to its close.
pub(super) async fn run(route: Option<Arc<Route>>, opening: Opening, tell: impl Fn(CallReply)) {
    let (status, message) = match route {
        Some(route) => match follow(&route, opening, &tell).await {
            Ok(closed) => closed,
            Err((status, message)) => (status, message),
        },
        None => (UNAVAILABLE, "no such cluster".to_owned()),
    };
    tell(CallReply::GrpcClosed { status, message });
}

type Closed = (u32, String);

async fn follow(route: &Route, opening: Opening, tell: &impl Fn(CallReply)) -> Result<Closed, Closed> {
    let Opening { service, method, metadata, messages } = opening;
    let head = grpc_head(route, &service, &method, &metadata);
    let answer = {
        let request = Outbound { head: &head, body: messages, prefers_http2: true, leaves_http: false };
        route.pool.send(request, |_| ()).await
    };
    let (parts, body) = answer.map_err(|error| (UNAVAILABLE, error.to_string()))?.response.into_parts();
    let head = wire::response_head(&parts);
    if parts.status != hyper::StatusCode::OK {
        return Err((UNAVAILABLE, "the answer is not gRPC's".to_owned()));
    }
    if let Some(closed) = closed(&head) {
        // Envoy tells of a head that is the end, too, as of both.
        tell(CallReply::GrpcInitialMetadata { metadata: HeaderMap::new() });
        tell(CallReply::GrpcTrailingMetadata { metadata: head });
        return Ok(closed);
    }
    tell(CallReply::GrpcInitialMetadata { metadata: head });
    let trailers = read(body, tell).await?;
    let end = closed(&trailers).unwrap_or_else(|| (UNKNOWN, "the stream has no grpc-status".to_owned()));
    tell(CallReply::GrpcTrailingMetadata { metadata: trailers });
    Ok(end)
}

/// Tells of each message; returns the trailers.
async fn read(mut body: Incoming, tell: &impl Fn(CallReply)) -> Result<HeaderMap, Closed> {
    let mut held = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| (UNAVAILABLE, error.to_string()))?;
        match frame.into_data() {
            Ok(bytes) => {
                held.extend_from_slice(&bytes);
                while let Some(message) = take_message(&mut held)? {
                    tell(CallReply::Grpc { message });
                }
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return Ok(wire::trailers_seen(&trailers));
            }
        }
    }
    Ok(HeaderMap::new())
}

/// The first whole message, taken off.
fn take_message(held: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Closed> {
    let Some((head, rest)) = held.split_at_checked(FRAME_HEAD) else { return Ok(None) };
    let [0, length @ ..] = head else {
        return Err((INTERNAL, "a message is compressed, which was not asked for".to_owned()));
    };
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length > MAX_ANSWER_BYTES {
        return Err((INTERNAL, format!("a message is longer than {MAX_ANSWER_BYTES} bytes")));
    }
    let Some(message) = rest.get(..length) else { return Ok(None) };
    let message = message.to_vec();
    held.drain(..FRAME_HEAD + length);
    Ok(Some(message))
}

fn closed(fields: &HeaderMap) -> Option<Closed> {
    let status = std::str::from_utf8(fields.first("grpc-status")?).ok()?.parse().ok()?;
    let message = fields.first("grpc-message").map(String::from_utf8_lossy).unwrap_or_default();
    Some((status, message.into_owned()))
}

/// A message as it goes on the wire.
pub(super) fn framed(message: &[u8]) -> Bytes {
    super::callout::frame(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_off_whole() {
        let mut held = b"\0\0\0\0\x02hi\0\0\0\0\0\0\0\0\0\x03a".to_vec();
        assert_eq!(take_message(&mut held), Ok(Some(b"hi".to_vec())));
        assert_eq!(take_message(&mut held), Ok(Some(Vec::new())));
        assert_eq!(take_message(&mut held), Ok(None), "cut off");
        held.extend_from_slice(b"bc");
        assert_eq!(take_message(&mut held), Ok(Some(b"abc".to_vec())));
        assert!(take_message(&mut b"\x01\0\0\0\0".to_vec()).is_err(), "compressed");
        assert!(take_message(&mut b"\0\xff\0\0\0".to_vec()).is_err(), "too long");
    }
}
