//! Heads of recorded requests and responses as they were on the wire, names in lower case as HTTP/2
//! and Envoy have them.
//!
//! `Request { method: "GET", path: "/", … }` → `:method: GET`, `:path: /`, …

use crate::host::HeaderMap;
use crate::traffic::{Exchange, HeaderValue};

/// The request's head as the source puts it on the wire.
pub(crate) fn request_headers(exchange: &Exchange) -> HeaderMap {
    let request = &exchange.request;
    let pseudo = [
        (":method", &request.method),
        (":path", &request.path),
        (":authority", &request.authority),
        (":scheme", &request.scheme),
    ];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.as_str().into()));
    HeaderMap::from_pairs(pseudo.chain(request.headers.iter().map(lower_case)))
}

/// The request's trailers; empty if there are none.
pub(crate) fn request_trailers(exchange: &Exchange) -> HeaderMap {
    HeaderMap::from_pairs(exchange.request.trailers.iter().map(lower_case))
}

/// The response's head as the destination put it on the wire.
pub(crate) fn response_headers(exchange: &Exchange) -> HeaderMap {
    let status = (":status".to_owned(), exchange.response.status.to_string().into());
    HeaderMap::from_pairs(std::iter::once(status).chain(exchange.response.headers.iter().map(lower_case)))
}

/// The response's trailers; empty if there are none.
pub(crate) fn response_trailers(exchange: &Exchange) -> HeaderMap {
    HeaderMap::from_pairs(exchange.response.trailers.iter().map(lower_case))
}

/// Head and trailers together.
pub(super) fn recorded_response(exchange: &Exchange) -> HeaderMap {
    let mut head = response_headers(exchange);
    response_trailers(exchange).iter().for_each(|(name, value)| head.add(name, value));
    head
}

fn lower_case((name, value): &(String, HeaderValue)) -> (String, HeaderValue) {
    (name.to_ascii_lowercase(), value.clone())
}

/// Puts the incoming values of the headers in `names` in place of the outgoing ones.
pub(super) fn copy(names: &[String], incoming: &HeaderMap, outgoing: &mut HeaderMap) {
    for name in names {
        let name = name.to_ascii_lowercase();
        outgoing.remove(&name);
        for (_, value) in incoming.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())) {
            outgoing.add(name.as_str(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_headers_keep_duplicates_and_replace_what_was_recorded() {
        let incoming = HeaderMap::from_pairs([("b3", "1"), ("x", "a"), ("x", "b"), ("y", "c")]);
        let mut outgoing = HeaderMap::from_pairs([("x", "recorded"), ("b3", "stale")]);
        copy(&["X".to_owned(), "b3".to_owned(), "absent".to_owned()], &incoming, &mut outgoing);
        assert_eq!(outgoing, HeaderMap::from_pairs([("x", "a"), ("x", "b"), ("b3", "1")]));
    }
}
