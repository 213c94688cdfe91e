//! Properties that follow from a stream's headers: `request.path`, `response.code`, …
//! Attributes: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>

use super::property::join_values;
use super::stream::Stream;
use super::{HeaderMap, HostProfile, MapKind, NGINX_VERSION, PropertyValue};

/// Appends the property's bytes; says whether there is one.
///
/// As in Envoy, those from the request's head exist while the request's head is held and in `on_log`.
pub(super) fn encode_derived(stream: &Stream, path: &[u8], profile: HostProfile, out: &mut Vec<u8>) -> bool {
    let mut parts = path.splitn(3, |byte| *byte == 0);
    let (group, name, entry) = (parts.next(), parts.next(), parts.next());
    match (group, name, entry) {
        (Some(b"request"), Some(b"headers"), entry) => {
            encode_map(stream.map(MapKind::RequestHeaders), entry, profile, out)
        }
        (Some(b"request"), Some(name), entry) => stream
            .map(MapKind::RequestHeaders)
            .is_some_and(|headers| encode_request(headers, name, entry, out)),
        (Some(b"response"), Some(name), entry) => encode_response(stream, name, entry, profile, out),
        (Some(b"ngx"), Some(b"nginx_version"), None) if profile == HostProfile::Nginx => {
            out.extend_from_slice(NGINX_VERSION.as_bytes());
            true
        }
        _ => false,
    }
}

/// The property with its type.
pub(super) fn derived_value(stream: &Stream, path: &[u8], profile: HostProfile) -> Option<PropertyValue> {
    let kind = match path {
        b"request\0headers" => Some(MapKind::RequestHeaders),
        b"response\0headers" => Some(MapKind::ResponseHeaders),
        b"response\0trailers" => Some(MapKind::ResponseTrailers),
        _ => None,
    };
    if let Some(kind) = kind {
        return Some(PropertyValue::Map(stream.map(kind).cloned().unwrap_or_default()));
    }
    let mut bytes = Vec::new();
    if !encode_derived(stream, path, profile, &mut bytes) {
        return None;
    }
    match (path, <[u8; 8]>::try_from(bytes.as_slice())) {
        (b"response\0code" | b"response\0grpc_status", Ok(number)) => {
            Some(PropertyValue::Int(i64::from_le_bytes(number)))
        }
        _ => Some(PropertyValue::Bytes(bytes)),
    }
}

fn encode_request(headers: &HeaderMap, name: &[u8], entry: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let header = match (name, entry) {
        (_, Some(_)) => return false,
        (b"path", None) => ":path",
        (b"url_path", None) => return encode_path_part(headers, 0, out),
        (b"query", None) => return encode_path_part(headers, 1, out),
        (b"host", None) => ":authority",
        (b"scheme", None) => ":scheme",
        (b"method", None) => ":method",
        (b"referer", None) => "referer",
        (b"useragent", None) => "user-agent",
        (b"id", None) => "x-request-id",
        _ => return false,
    };
    headers.first(header).is_some_and(|value| {
        out.extend_from_slice(value);
        true
    })
}

/// Before (0) or after (1) the question mark; what is not there is empty.
fn encode_path_part(headers: &HeaderMap, part: usize, out: &mut Vec<u8>) -> bool {
    let Some(path) = headers.first(":path") else { return false };
    out.extend_from_slice(path.splitn(2, |byte| *byte == b'?').nth(part).unwrap_or_default());
    true
}

fn encode_response(
    stream: &Stream,
    name: &[u8],
    entry: Option<&[u8]>,
    profile: HostProfile,
    out: &mut Vec<u8>,
) -> bool {
    let headers = stream.map(MapKind::ResponseHeaders);
    let trailers = stream.map(MapKind::ResponseTrailers);
    match (name, entry) {
        (b"headers", entry) => encode_map(headers, entry, profile, out),
        (b"trailers", entry) => encode_map(trailers, entry, profile, out),
        // The status is known for as long as the stream lives.
        (b"code", None) => encode_number(stream.response.headers.first(":status"), profile, out),
        (b"grpc_status", None) => {
            let status = [trailers, headers].into_iter().flatten().find_map(|map| map.first("grpc-status"));
            // What is no number is gRPC's "unknown status" to Envoy.
            let unknown = status.filter(|_| profile == HostProfile::Envoy).map(|_| -1);
            encode_number(status, profile, out) || encode_value(unknown, profile, out) || {
                let http = number(stream.response.headers.first(":status"));
                encode_value(http.filter(|_| profile == HostProfile::Envoy).map(grpc_status), profile, out)
            }
        }
        _ => false,
    }
}

/// A map that is not there is one without entries in Envoy.
fn encode_map(
    map: Option<&HeaderMap>,
    entry: Option<&[u8]>,
    profile: HostProfile,
    out: &mut Vec<u8>,
) -> bool {
    match (map.filter(|map| !map.is_empty()), entry) {
        (Some(map), Some(name)) => join_values(map, name, out),
        (Some(map), None) => {
            super::pairs::encode_pairs(map, out);
            true
        }
        (None, None) if profile == HostProfile::Envoy => {
            out.extend_from_slice(&[0; 4]);
            true
        }
        (None, _) => false,
    }
}

fn encode_number(digits: Option<&[u8]>, profile: HostProfile, out: &mut Vec<u8>) -> bool {
    encode_value(number(digits), profile, out)
}

fn encode_value(number: Option<i64>, profile: HostProfile, out: &mut Vec<u8>) -> bool {
    number.is_some_and(|number| {
        profile.encode(&PropertyValue::Int(number), out);
        true
    })
}

fn number(digits: Option<&[u8]>) -> Option<i64> {
    std::str::from_utf8(digits?).ok()?.parse().ok()
}

/// What Envoy makes of an HTTP status where there is none of gRPC, whatever was called:
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
pub(crate) fn grpc_status(http: i64) -> i64 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Direction;
    use super::*;

    fn read(stream: &Stream, path: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        encode_derived(stream, path.replace('.', "\0").as_bytes(), HostProfile::Envoy, &mut out)
            .then_some(out)
    }

    fn stream() -> Stream {
        let mut stream = Stream::default();
        let pairs = [(":method", "GET"), (":path", "/a?b=c"), (":authority", "web"), ("x", "1"), ("X", "2")];
        stream.deliver_headers(Direction::Request, HeaderMap::from_pairs(pairs));
        stream
    }

    #[test]
    fn the_request_is_seen_in_its_phase_and_in_the_log() {
        let mut stream = stream();
        let table: [(&str, Option<&[u8]>); 9] = [
            ("request.path", Some(b"/a?b=c")),
            ("request.url_path", Some(b"/a")),
            ("request.query", Some(b"b=c")),
            ("request.host", Some(b"web")),
            ("request.method", Some(b"GET")),
            ("request.headers.x", Some(b"1,2")),
            ("request.headers.missing", None),
            ("request.useragent", None),
            ("request.path.more", None),
        ];
        for (path, expected) in table {
            assert_eq!(read(&stream, path).as_deref(), expected, "{path}");
        }
        stream.release_headers(Direction::Request);
        assert_eq!(read(&stream, "request.path"), None, "after Continue");
        stream.logging = true;
        assert_eq!(read(&stream, "request.path").as_deref(), Some(b"/a?b=c".as_slice()), "in on_log");
    }

    #[test]
    fn the_response_gives_numbers_and_maps() {
        let mut stream = stream();
        assert_eq!(read(&stream, "response.code"), None, "before the response");
        let headers = HeaderMap::from_pairs([(":status", "200"), ("grpc-status", "2")]);
        stream.deliver_headers(Direction::Response, headers);
        assert_eq!(read(&stream, "response.grpc_status"), Some(2i64.to_le_bytes().to_vec()), "trailers-only");
        stream.release_headers(Direction::Response);
        stream.deliver_trailers(Direction::Response, HeaderMap::from_pairs([("grpc-status", "5")]));
        assert_eq!(read(&stream, "response.code"), Some(200i64.to_le_bytes().to_vec()));
        assert_eq!(read(&stream, "response.grpc_status"), Some(5i64.to_le_bytes().to_vec()));
        assert_eq!(read(&stream, "response.trailers.grpc-status"), Some(b"5".to_vec()));
    }
}
