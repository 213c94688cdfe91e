//! How Envoy's header maps take what a guest adds and replaces.
//! Source: Envoy 1.40 `source/common/http/header_map_impl.cc`, `envoy/http/header_map.h`.
//!
//! `add(":path", "/b")` to `:path: /a` → `:path: /a,/b`

use crate::host::HeaderMap;

/// Names that a map has at most once: a further value is joined to the first.
const SINGLE: [&str; 32] = [
    ":authority",
    ":method",
    ":path",
    ":protocol",
    ":scheme",
    ":status",
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "grpc-message",
    "grpc-status",
    "location",
    "origin",
    "referer",
    "server",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// Envoy keeps HTTP/1's `host` under HTTP/2's name.
pub(super) fn alias(name: &[u8]) -> &[u8] {
    if name.eq_ignore_ascii_case(b"host") { b":authority" } else { name }
}

pub(super) fn add(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let name = alias(name);
    let is_single = std::str::from_utf8(name).is_ok_and(|name| SINGLE.binary_search(&name).is_ok());
    match map.first_of(name) {
        Some(first) if is_single => {
            let delimiter: &[u8] = if name == b"cookie" { b"; " } else { b"," };
            let joined = [first, delimiter, value].concat();
            map.replace(name, joined);
        }
        _ => append(map, name, value),
    }
}

/// What is replaced goes last.
pub(super) fn replace(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let name = alias(name);
    map.remove(name);
    append(map, name, value);
}

/// Pseudo-headers stay in front of the others.
fn append(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let is_pseudo = |name: &[u8]| name.starts_with(b":");
    if !is_pseudo(name) {
        return map.add(name, value);
    }
    let before = map.iter().filter(|(name, _)| is_pseudo(name));
    let behind = map.iter().filter(|(name, _)| !is_pseudo(name));
    *map = HeaderMap::from_pairs(before.chain([(name, value)]).chain(behind));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> HeaderMap {
        HeaderMap::from_pairs([
            (":method", "GET"),
            (":path", "/a"),
            ("cookie", "a=1"),
            ("x", "1"),
            ("y", "2"),
        ])
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SINGLE.is_sorted());
    }

    #[test]
    fn a_name_that_is_there_once_takes_values_by_joining() {
        let mut map = map();
        for (name, value) in [(":path", "/b"), ("cookie", "b=2"), ("x", "3"), ("host", "web")] {
            add(&mut map, name.as_bytes(), value.as_bytes());
        }
        let expected = [
            (":method", "GET"),
            (":path", "/a,/b"),
            (":authority", "web"),
            ("cookie", "a=1; b=2"),
            ("x", "1"),
            ("y", "2"),
            ("x", "3"),
        ];
        assert_eq!(map, HeaderMap::from_pairs(expected));
    }

    #[test]
    fn what_is_replaced_goes_last_of_its_kind() {
        let mut map = map();
        replace(&mut map, b":method", b"PUT");
        replace(&mut map, b"x", b"3");
        let expected = [(":path", "/a"), (":method", "PUT"), ("cookie", "a=1"), ("y", "2"), ("x", "3")];
        assert_eq!(map, HeaderMap::from_pairs(expected));
    }
}
