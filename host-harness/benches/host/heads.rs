//! The heads that are measured with.

use meshspan::vm::HeaderMap;

/// A browser's request.
pub(crate) fn request_head() -> HeaderMap {
    HeaderMap::from_pairs([
        (":method", "GET"),
        (":path", "/api/list?page=2"),
        (":authority", "web-svc.emojivoto:80"),
        (":scheme", "http"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "*/*"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "6c1c9a1e-3f7f-4a52-9a7e-6c1f0a1d2b3c"),
    ])
}

/// An application's answer.
pub(crate) fn response_head() -> HeaderMap {
    HeaderMap::from_pairs([(":status", "200"), ("content-type", "application/json"), ("server", "envoy")])
}

/// A sampled or unsampled parent, by its flags in hex.
pub(crate) fn traceparent(flags: &str) -> String {
    format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}")
}
