//! What the web library refuses by itself, such as a parameter that is missing or a method that there is not,
//! in the JSON of all other problems.
//! `405 Method Not Allowed` → `{"error":{"httpCode":405,"message":"Method Not Allowed"}}`

use axum::body::to_bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::answers::problem;

/// The longest message; what is longer is none.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// Wraps the text of a refusal; all else stays as it is.
pub(super) async fn in_json(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_worded = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if is_worded || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, MAX_MESSAGE_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let message = if text.is_empty() { status.canonical_reason().unwrap_or_default() } else { &text };
    let mut worded = problem(status, message).into_response();
    // What else it says, such as which methods there are.
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        head.headers.remove(name);
    }
    worded.headers_mut().extend(head.headers);
    worded
}
