//! Heads and trailers between hyper's types and the filter's: pseudo-headers in front, as HTTP/2 and Envoy
//! have them, without what belongs to one connection only (RFC 9110 §7.6.1).
//!
//! `GET /a HTTP/1.1⏎host: web` ⇄ `:method: GET`, `:path: /a`, `:authority: web`, `:scheme: http`
//!
//! An upgrade over HTTP/2 (RFC 8441) is seen as the one that it is over HTTP/1.1, as in Envoy:
//! `:method: CONNECT`, `:protocol: websocket`, `:status: 200` ⇄ `:method: GET`, `upgrade: websocket`, `:status: 101`

use hyper::ext::Protocol;
use hyper::header::{
    CONNECTION, COOKIE, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::{request, response, uri};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};

use crate::host::HeaderMap;

/// Headers of one connection, beside those that `connection` names.
const HOP_BY_HOP: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A head that the filter left in a state that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("the filter left a head that cannot be sent: {0}")]
pub(super) struct HeadError(String);

/// Whether a request asks to leave HTTP: an upgrade in HTTP/1.1, or CONNECT.
pub(super) fn is_upgrade(head: &request::Parts) -> bool {
    let names_upgrade =
        head.headers.get_all(CONNECTION).iter().any(|value| has_token(value.as_bytes(), b"upgrade"));
    let asks = head.version < Version::HTTP_2 && names_upgrade && head.headers.contains_key(UPGRADE);
    asks || head.method == Method::CONNECT
}

/// Whether a request does not say for whom it is, as only HTTP/1.0 may (RFC 9112 §3.2).
pub(super) fn lacks_authority(head: &request::Parts) -> bool {
    head.version > Version::HTTP_10 && head.uri.authority().is_none() && !head.headers.contains_key(HOST)
}

/// The request's head as the filter sees it.
pub(super) fn request_head(parts: &request::Parts, scheme: &str) -> HeaderMap {
    let host = parts.headers.get(HOST).map(HeaderValue::as_bytes);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes()).or(host);
    let path = parts.uri.path_and_query().map_or("", uri::PathAndQuery::as_str);
    let protocol = parts.extensions.get::<Protocol>();
    let method = if protocol.is_some() { Method::GET } else { parts.method.clone() };
    let mut head = HeaderMap::from_pairs([(":method", method.as_str())]);
    if method != Method::CONNECT {
        head.add(":path", if path.is_empty() { "/" } else { path });
    }
    head.add(":authority", authority.unwrap_or_default());
    head.add(":scheme", scheme);
    add_fields(&mut head, &parts.headers, is_upgrade(parts));
    if let Some(protocol) = protocol {
        head.add(UPGRADE.as_str(), protocol.as_str());
        head.add(CONNECTION.as_str(), "upgrade");
    }
    head.remove(HOST);
    head
}

/// Makes the answer to an upgrade over HTTP/2 the one that it is over HTTP/1.1.
pub(super) fn switched(parts: &mut response::Parts, upgrade: &[u8]) {
    if let (StatusCode::OK, Ok(upgrade)) = (parts.status, HeaderValue::from_bytes(upgrade)) {
        parts.status = StatusCode::SWITCHING_PROTOCOLS;
        parts.headers.insert(UPGRADE, upgrade);
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// And back: the answer to send to a client over HTTP/2.
pub(super) fn unswitched<B>(response: &mut Response<B>) {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(UPGRADE);
        response.headers_mut().remove(CONNECTION);
    }
}

/// The response's head as the filter sees it.
pub(super) fn response_head(parts: &response::Parts) -> HeaderMap {
    let mut head = HeaderMap::from_pairs([(":status", parts.status.as_str())]);
    add_fields(&mut head, &parts.headers, parts.status == StatusCode::SWITCHING_PROTOCOLS);
    head
}

/// Trailers as the filter sees them.
pub(super) fn trailers_seen(trailers: &hyper::HeaderMap) -> HeaderMap {
    HeaderMap::from_pairs(trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// Trailers to send; what is no header is left out.
pub(super) fn trailers(map: &HeaderMap) -> hyper::HeaderMap {
    let mut trailers = hyper::HeaderMap::new();
    for (name, value) in map.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            trailers.append(name, value);
        }
    }
    trailers
}

/// The request to send, for a connection of that version.
///
/// # Errors
/// [`HeadError`] if a part is not one of HTTP's.
pub(super) fn request<B>(head: &HeaderMap, body: B, is_http2: bool) -> Result<Request<B>, HeadError> {
    let text = |name: &str| std::str::from_utf8(head.first(name).unwrap_or_default()).unwrap_or_default();
    let wrong =
        |what: &str, value: &[u8]| HeadError(format!("{what} is {:?}", String::from_utf8_lossy(value)));
    let method = Method::from_bytes(text(":method").as_bytes())
        .map_err(|_| wrong(":method", head.first(":method").unwrap_or_default()))?;
    let (authority, path) = (text(":authority"), text(":path"));
    let mut target = Uri::builder();
    if is_http2 && method != Method::CONNECT {
        target = target.scheme(if text(":scheme") == "https" { "https" } else { "http" });
    }
    if is_http2 || method == Method::CONNECT {
        target = target.authority(authority);
    }
    if method != Method::CONNECT {
        target = target.path_and_query(path);
    }
    let uri = target
        .build()
        .map_err(|error| HeadError(format!("{error} in :authority {authority:?} and :path {path:?}")))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    if is_http2 {
        *request.version_mut() = Version::HTTP_2;
    } else if let Ok(host) = HeaderValue::from_bytes(head.first(":authority").unwrap_or_default()) {
        request.headers_mut().insert(HOST, host);
    }
    copy_fields(head, request.headers_mut())?;
    if is_http2 && let Some(upgrade) = request.headers_mut().remove(UPGRADE) {
        request.headers_mut().remove(CONNECTION);
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from(upgrade.to_str().unwrap_or_default()));
    }
    if !is_http2 {
        join_cookies(request.headers_mut());
    }
    Ok(request)
}

/// The response to send.
///
/// # Errors
/// [`HeadError`] if a part is not one of HTTP's.
pub(super) fn response<B>(head: &HeaderMap, body: B) -> Result<Response<B>, HeadError> {
    let status = head.first(":status").unwrap_or_default();
    let code = StatusCode::from_bytes(status)
        .map_err(|_| HeadError(format!(":status is {:?}", String::from_utf8_lossy(status))))?;
    let mut response = Response::new(body);
    *response.status_mut() = code;
    copy_fields(head, response.headers_mut())?;
    Ok(response)
}

fn add_fields(head: &mut HeaderMap, fields: &hyper::HeaderMap, keeps_upgrade: bool) {
    let named: Vec<Vec<u8>> = fields
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|token| token.trim_ascii().to_ascii_lowercase())
        .collect();
    for (name, value) in fields {
        let is_named = named.iter().any(|token| token == name.as_str().as_bytes());
        let is_kept = match name {
            name if keeps_upgrade && (name == UPGRADE || name == CONNECTION) => name == UPGRADE,
            name if name == TE => has_token(value.as_bytes(), b"trailers"),
            name => !is_named && !HOP_BY_HOP.contains(name) || name == PROXY_AUTHENTICATE,
        };
        if is_kept {
            let value = if name == TE { b"trailers".as_slice() } else { value.as_bytes() };
            head.add(name.as_str(), value);
        }
    }
    if keeps_upgrade && fields.contains_key(UPGRADE) {
        head.add(CONNECTION.as_str(), "upgrade");
    }
}

fn copy_fields(head: &HeaderMap, fields: &mut hyper::HeaderMap) -> Result<(), HeadError> {
    for (name, value) in head.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let shown = || String::from_utf8_lossy(name).into_owned();
        let key = HeaderName::from_bytes(name).map_err(|_| HeadError(format!("name {:?}", shown())))?;
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| HeadError(format!("the value of {:?} has control characters", shown())))?;
        fields.append(key, value);
    }
    Ok(())
}

/// HTTP/2 may send a cookie in pieces, HTTP/1.1 may not (RFC 9113 §8.2.3).
fn join_cookies(fields: &mut hyper::HeaderMap) {
    let pieces: Vec<&[u8]> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&pieces.join(b"; ".as_slice()))
    {
        fields.insert(COOKIE, whole);
    }
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut request = Request::builder().method("GET").uri("/a?b=c");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let head = request_head(&request.body(()).unwrap().into_parts().0, "http");
        head.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// A reason, the fields that come, and those that the filter sees.
    type Row = (&'static str, &'static [Field], &'static [Field]);
    type Field = (&'static str, &'static str);

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let rows: [Row; 6] = [
            ("keep-alive", &[("connection", "keep-alive, X-Hop"), ("x-hop", "1"), ("x", "2")], &[("x", "2")]),
            (
                "framing",
                &[("transfer-encoding", "chunked"), ("content-length", "3")],
                &[("content-length", "3")],
            ),
            ("trailers are asked for end to end", &[("te", "gzip, Trailers")], &[("te", "trailers")]),
            ("other codings are not", &[("te", "gzip")], &[]),
            (
                "an upgrade goes on",
                &[("connection", "Upgrade"), ("upgrade", "websocket")],
                &[("upgrade", "websocket"), ("connection", "upgrade")],
            ),
            ("an upgrade that connection does not name is none", &[("upgrade", "h2c")], &[]),
        ];
        for (reason, fields, expected) in rows {
            let seen = seen(fields);
            let rest: Vec<(&str, &str)> =
                seen.iter().skip(4).map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(rest, expected, "{reason}");
        }
    }

    #[test]
    fn a_head_is_sent_as_it_came() {
        let fields = [("host", "web:80"), ("x", "1"), ("X", "2"), ("cookie", "a=1"), ("cookie", "b=2")];
        let mut request_in = Request::builder().method("PUT").uri("/p?q");
        for (name, value) in fields {
            request_in = request_in.header(name, value);
        }
        let parts = request_in.body(()).unwrap().into_parts().0;
        let head = request_head(&parts, "http");
        let first = request(&head, (), false).unwrap();
        assert_eq!((first.uri().to_string().as_str(), first.method().as_str()), ("/p?q", "PUT"));
        assert_eq!(first.headers()[HOST], "web:80");
        assert_eq!(first.headers().get_all("x").iter().count(), 2);
        assert_eq!(first.headers()[COOKIE], "a=1; b=2");
        let second = request(&head, (), true).unwrap();
        assert_eq!(second.uri().to_string(), "http://web:80/p?q");
        assert_eq!(second.headers().get_all(COOKIE).iter().count(), 2);
        assert!(!second.headers().contains_key(HOST));
    }

    #[test]
    fn values_are_bytes() {
        let mut parts = Request::new(()).into_parts().0;
        parts.headers.insert("x", HeaderValue::from_bytes(b"\xff\x80").unwrap());
        let head = request_head(&parts, "http");
        assert_eq!(head.first("x"), Some(b"\xff\x80".as_slice()));
        assert_eq!(request(&head, (), false).unwrap().headers()["x"].as_bytes(), b"\xff\x80");
    }

    #[test]
    fn a_head_that_cannot_be_sent_says_why() {
        let rows = [
            (HeaderMap::from_pairs([(":method", "G T"), (":path", "/")]), ":method is \"G T\""),
            (HeaderMap::from_pairs([(":method", "GET"), (":path", "/ x")]), "in :authority"),
            (HeaderMap::from_pairs([(":method", "GET"), (":path", "/"), ("x", "a\nb")]), "value of \"x\""),
        ];
        for (head, expected) in rows {
            let error = request(&head, (), false).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(response(&HeaderMap::from_pairs([(":status", "2x")]), ()).is_err());
    }
}
