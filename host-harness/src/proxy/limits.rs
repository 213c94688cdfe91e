//! How large a head may be, as in Envoy: over HTTP/1.1 a larger one is answered with 431, over HTTP/2 its stream is
//! reset; the filter sees nothing of it. Of a response: 502.

use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Body;
use crate::host::HeaderMap;

/// The most bytes of a head's names and values: Envoy's `max_request_headers_kb`, unless it is configured. Of a
/// response over HTTP/1.1 the HTTP library counts all of the head.
pub(super) const MAX_HEAD_BYTES: usize = 60 * 1024;
/// The most fields of a head: Envoy's `max_headers_count`. Over HTTP/1.1 the HTTP library, which has the same bound,
/// answers before it comes here, without a text.
const MAX_HEAD_FIELDS: usize = 100;
/// Beyond this the HTTP/2 library refuses a head, with 431; above [`MAX_HEAD_BYTES`], with 32 for each field, so that
/// heads in between are looked at here.
pub(super) const MAX_LIST_BYTES: u32 = 256 * 1024;

/// Whether a head is refused.
pub(super) fn is_too_large(head: &HeaderMap) -> bool {
    let bytes: usize = head.iter().map(|(name, value)| name.len() + value.len()).sum();
    bytes > MAX_HEAD_BYTES || head.len() > MAX_HEAD_FIELDS
}

/// What answers a request that is none.
pub(super) fn bad_request() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What answers a head that is too large.
pub(super) fn refusal() -> Response<Body> {
    const STATUS: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let mut response = Response::new(Body::Whole(STATUS.canonical_reason().map(Bytes::from)));
    *response.status_mut() = STATUS;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
