//! Which proxy the host behaves as. Every difference is a method of [`HostProfile`]; the rest of the host
//! asks and does not compare.
//!
//! | | Envoy 1.40 | nginx with ngx_wasm_module | method |
//! |---|---|---|---|
//! | imports | all of the ABI | without `get_header_map_size`, `get_buffer_status`: such a guest does not load | [`offers`](HostProfile::offers) |
//! | gRPC calls, `done`, `get_status`, … | yes | linked, and a trap when called | [`implements`](HostProfile::implements) |
//! | dispatch from | any callback | request headers and body, tick, call response; else a trap | [`may_call_from`](HostProfile::may_call_from) |
//! | dispatch to | a cluster's name | `ip:port`; another is an internal failure | [`calls_addresses`](HostProfile::calls_addresses) |
//! | headers of a dispatch | `:path`, `:method`, `:authority` | `:path`, `:method` | [`required_call_headers`](HostProfile::required_call_headers) |
//! | environment | as configured | empty | [`has_environment`](HostProfile::has_environment) |
//! | start | vm_start, configure | configure, vm_start | [`configures_first`](HostProfile::configures_first) |
//! | second tick period | replaces the first | a trap | [`resets_ticks`](HostProfile::resets_ticks) |
//! | end of a stream | log, done, delete | done, log, delete | [`lifecycle`](HostProfile::lifecycle) |
//! | end of the plugin | `on_done`, `on_delete` | nothing is told | [`ends_plugins`](HostProfile::ends_plugins) |
//! | request head | lower case, `:authority`, no Host | case as sent; `:authority` is the server's own name; Host | [`request_head`](HostProfile::request_head) |
//! | names with dots or underscores | kept | dropped | [`request_head`](HostProfile::request_head) |
//! | maps | whole | their first 100 pairs | [`max_pairs`](HostProfile::max_pairs) |
//! | maps readable | in their phase and in log | from then on | [`keeps_maps`](HostProfile::keeps_maps) |
//! | map outside its phase | no pairs | bad argument | [`refuses_absent_maps`](HostProfile::refuses_absent_maps) |
//! | names that the guest writes | in lower case | as given | [`spelling`](HostProfile::spelling) |
//! | add of what a map has once | joined to the first | one more | [`add`](HostProfile::add) |
//! | replace | goes last | in its place | [`replace`](HostProfile::replace) |
//! | replace, several copies | one left | all cleared | [`replace`](HostProfile::replace) |
//! | `host` | is `:authority` | a header of its own | [`alias`](HostProfile::alias) |
//! | remove | gone | marked; stock proxying still sends it | [`replace`](HostProfile::replace), `Vm::removed_request_headers` |
//! | end of stream on the head | yes | never | [`tells_end_with_head`](HostProfile::tells_end_with_head) |
//! | end of a body | one more call without bytes | on the last chunk | [`ends_with_empty_chunk`](HostProfile::ends_with_empty_chunk) |
//! | trailers | told | never | [`tells_trailers`](HostProfile::tells_trailers) |
//! | numbers in properties | 8 bytes, little-endian | digits; times in seconds with milliseconds | [`encode`](HostProfile::encode) |
//! | `source.address`, `upstream.address` | with port | without | [`encode_address`](HostProfile::encode_address) |
//! | `xds.*`, `response.code_details`, `response.flags`, … | yes | none, each read logs an error | [`has_property`](HostProfile::has_property) |
//! | properties outside streams | some | none, each read logs an error | [`has_root_properties`](HostProfile::has_root_properties) |
//! | increment of a gauge, record of a counter | yes | a trap | [`changes_metric`](HostProfile::changes_metric) |
//!
//! Source: <https://github.com/Kong/ngx_wasm_module> (`docs/PROXY_WASM.md`, `src/common/proxy_wasm`,
//! `src/http`). Where its versions differ the stricter one counts.

use std::borrow::Cow;

mod envoy;

use super::property::PropertyValue;
use super::{HeaderMap, Lifecycle, MetricKind};

/// The name and port that [`HostProfile::Nginx`] gives as `:authority`, whatever the client asked for.
pub const NGINX_AUTHORITY: &str = "localhost:8080";
/// The value of nginx's variable `$nginx_version`, property `ngx.nginx_version`.
pub const NGINX_VERSION: &str = "1.27.1";

/// Imports of the ABI that nginx does not have at all.
const NGINX_ABSENT: [&str; 34] = [
    "proxy_get_header_map_size",
    "proxy_get_buffer_status",
    "fd_fdstat_set_flags",
    "sched_yield",
    "poll_oneoff",
    "clock_res_get",
    "fd_advise",
    "fd_allocate",
    "fd_datasync",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_pwrite",
    "fd_readdir",
    "fd_renumber",
    "fd_sync",
    "fd_tell",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "proc_raise",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Functions that nginx links, and whose call ends the guest.
const NGINX_UNIMPLEMENTED: [&str; 11] = [
    "proxy_get_log_level",
    "proxy_done",
    "proxy_close_stream",
    "proxy_grpc_call",
    "proxy_grpc_stream",
    "proxy_grpc_send",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_get_status",
    "proxy_resolve_shared_queue",
    "proxy_call_foreign_function",
];

/// Callbacks in which nginx sends a guest's HTTP calls.
const NGINX_MAY_CALL: [&str; 4] =
    ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_tick", "proxy_on_http_call_response"];

/// Properties of streams that nginx has, their parts joined by dots; a star stands for any name.
const NGINX_PROPERTIES: [&str; 31] = [
    "request.path",
    "request.url_path",
    "request.host",
    "request.scheme",
    "request.method",
    "request.useragent",
    "request.protocol",
    "request.query",
    "request.id",
    "request.referer",
    "request.time",
    "request.duration",
    "request.size",
    "request.total_size",
    "request.headers.*",
    "response.code",
    "response.size",
    "response.total_size",
    "response.headers.*",
    "upstream.address",
    "upstream.port",
    "connection.requested_server_name",
    "connection.tls_version",
    "connection.subject_local_certificate",
    "connection.id",
    "connection.mtls",
    "source.address",
    "source.port",
    "plugin_name",
    "plugin_root_id",
    "ngx.*",
];

/// The most pairs of a map that nginx shows.
const NGINX_MAX_PAIRS: usize = 100;

/// The proxy that the host behaves as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostProfile {
    /// Envoy 1.40.
    #[default]
    Envoy,
    /// nginx with ngx_wasm_module, whose configuration sets the trace headers by `proxy_set_header` as
    /// `envoy-config/nginx/nginx.conf` does.
    Nginx,
}

impl HostProfile {
    /// Whether a guest that imports this function loads.
    pub fn offers(self, name: &str) -> bool {
        self == Self::Envoy || !NGINX_ABSENT.contains(&name)
    }

    /// Whether a function that is there may be called; one that is not ends the guest.
    pub fn implements(self, name: &str) -> bool {
        self == Self::Envoy || !NGINX_UNIMPLEMENTED.contains(&name)
    }

    /// Whether a guest may make an HTTP call while this callback runs.
    pub fn may_call_from(self, callback: &str) -> bool {
        self == Self::Envoy || NGINX_MAY_CALL.contains(&callback)
    }

    /// Whether HTTP calls go to addresses instead of named clusters.
    pub fn calls_addresses(self) -> bool {
        self == Self::Nginx
    }

    /// The headers that every HTTP call needs.
    pub fn required_call_headers(self) -> &'static [&'static str] {
        match self {
            Self::Envoy => &[":path", ":method", ":authority"],
            Self::Nginx => &[":path", ":method"],
        }
    }

    /// Whether the guest sees the environment that the plugin is configured with.
    pub fn has_environment(self) -> bool {
        self == Self::Envoy
    }

    /// Whether `proxy_on_configure` runs before `proxy_on_vm_start`.
    pub fn configures_first(self) -> bool {
        self == Self::Nginx
    }

    /// Whether a tick period may be set again.
    pub fn resets_ticks(self) -> bool {
        self == Self::Envoy
    }

    /// The order of a stream's end, where `chosen` is what the harness's user wants.
    pub fn lifecycle(self, chosen: Lifecycle) -> Lifecycle {
        match self {
            Self::Envoy => chosen,
            Self::Nginx => Lifecycle::Specification,
        }
    }

    /// Whether the plugin's own context is told of its end.
    pub fn ends_plugins(self) -> bool {
        self == Self::Envoy
    }

    /// The request's head as the guest sees it, from one as HTTP/2 has it.
    pub fn request_head(self, headers: HeaderMap) -> HeaderMap {
        if self == Self::Envoy {
            return headers;
        }
        let mut seen = HeaderMap::new();
        for (name, value) in headers.iter().filter(|(name, _)| !name.iter().any(|byte| b"._".contains(byte)))
        {
            match name {
                b":authority" => {
                    seen.add(name, NGINX_AUTHORITY);
                    seen.add("Host", value);
                }
                _ => seen.add(name, value),
            }
        }
        seen
    }

    /// The request's head as it goes onward, as HTTP/2 has it again, from one as the guest left it.
    pub fn onward_head(self, mut headers: HeaderMap) -> HeaderMap {
        if self == Self::Nginx
            && let Some(host) = headers.first("host").map(<[u8]>::to_vec)
        {
            headers.remove("host");
            headers.replace(":authority", host);
        }
        headers
    }

    /// The most pairs of a map that the guest sees.
    pub fn max_pairs(self) -> usize {
        match self {
            Self::Envoy => usize::MAX,
            Self::Nginx => NGINX_MAX_PAIRS,
        }
    }

    /// Whether a head can be read for as long as its stream lives.
    pub fn keeps_maps(self) -> bool {
        self == Self::Nginx
    }

    /// Whether all pairs of a map that is not there are an error, instead of none.
    pub fn refuses_absent_maps(self) -> bool {
        self == Self::Nginx
    }

    /// A header's name that the guest writes, as it goes into the map.
    pub fn spelling(self, name: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::Envoy && name.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }

    /// Adds a header.
    pub fn add(self, map: &mut HeaderMap, name: &[u8], value: &[u8]) {
        match self {
            Self::Envoy => envoy::add(map, &self.spelling(name), value),
            Self::Nginx => map.add(name, value),
        }
    }

    /// Replaces a header.
    pub fn replace(self, map: &mut HeaderMap, name: &[u8], value: &[u8]) {
        match self {
            Self::Envoy => envoy::replace(map, &self.spelling(name), value),
            Self::Nginx if map.all(name).count() > 1 => map.remove(name),
            Self::Nginx => map.replace(name, value),
        }
    }

    /// The name under which a guest's name is found.
    pub fn alias(self, name: &[u8]) -> &[u8] {
        match self {
            Self::Envoy => envoy::alias(name),
            Self::Nginx => name,
        }
    }

    /// Whether the head may be the stream's end.
    pub fn tells_end_with_head(self) -> bool {
        self == Self::Envoy
    }

    /// Whether a body ends by one more chunk, which has no bytes.
    pub fn ends_with_empty_chunk(self) -> bool {
        self == Self::Envoy
    }

    /// Whether guests are told of trailers.
    pub fn tells_trailers(self) -> bool {
        self == Self::Envoy
    }

    /// Appends the bytes that a guest reads of a property.
    pub fn encode(self, value: &PropertyValue, out: &mut Vec<u8>) {
        let text = match (self, value) {
            (Self::Envoy, _) | (_, PropertyValue::Bytes(_) | PropertyValue::Map(_)) => {
                return value.encode(out);
            }
            (_, PropertyValue::Int(number)) => number.to_string(),
            (_, PropertyValue::Uint(number)) => number.to_string(),
            (_, PropertyValue::Bool(truth)) => truth.to_string(),
            (_, PropertyValue::Duration(time)) => seconds(time.as_millis()),
            (_, PropertyValue::Timestamp(time)) => seconds(u128::from(time.as_unix_nanos() / 1_000_000)),
        };
        out.extend_from_slice(text.as_bytes());
    }

    /// Appends the bytes of a property that is an address with a port.
    pub fn encode_address(self, address: &[u8], out: &mut Vec<u8>) {
        let end = match self {
            Self::Envoy => None,
            Self::Nginx => address.iter().rposition(|byte| *byte == b':'),
        };
        out.extend_from_slice(end.and_then(|end| address.get(..end)).unwrap_or(address));
    }

    /// Whether there may be a property of a stream at this path, its parts joined by NUL.
    pub fn has_property(self, path: &[u8]) -> bool {
        if self == Self::Envoy {
            return true;
        }
        let dotted: Vec<u8> = path.iter().map(|byte| if *byte == 0 { b'.' } else { *byte }).collect();
        NGINX_PROPERTIES.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => dotted.starts_with(start.as_bytes()),
            None => dotted == known.as_bytes(),
        })
    }

    /// Whether a group of properties is told from what is not there.
    pub fn groups_properties(self) -> bool {
        self == Self::Envoy
    }

    /// Whether properties can be read where no stream is.
    pub fn has_root_properties(self) -> bool {
        self == Self::Envoy
    }

    /// Whether each read of a property that is not there is a line of the log.
    pub fn logs_missing_properties(self) -> bool {
        self == Self::Nginx
    }

    /// Whether a metric of this kind (`None`: of an unknown id) may be incremented, or else recorded.
    /// Where it may not, the guest ends.
    pub fn changes_metric(self, kind: Option<MetricKind>, is_increment: bool) -> bool {
        match (self, kind) {
            (Self::Envoy, _) => true,
            (Self::Nginx, Some(kind)) => is_increment == (kind == MetricKind::Counter),
            (Self::Nginx, None) => false,
        }
    }
}

/// nginx's `1712345678.042`.
fn seconds(millis: u128) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::Timestamp;

    const NGINX: HostProfile = HostProfile::Nginx;

    #[test]
    fn nginx_writes_numbers_as_text() {
        let table = [
            ("a status", PropertyValue::Int(200), "200"),
            ("a port", PropertyValue::Uint(8080), "8080"),
            ("a truth", PropertyValue::Bool(true), "true"),
            ("seconds and milliseconds", PropertyValue::Duration(Duration::from_micros(13_900)), "0.013"),
            (
                "Unix seconds",
                PropertyValue::Timestamp(Timestamp::from_unix_nanos(1_700_000_000_042_999_999)),
                "1700000000.042",
            ),
            ("text as it is", PropertyValue::Bytes(b"HTTP/1.1".to_vec()), "HTTP/1.1"),
        ];
        for (reason, value, expected) in table {
            let mut out = Vec::new();
            NGINX.encode(&value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{reason}");
        }
    }

    #[test]
    fn nginx_has_addresses_without_ports_and_envoy_with() {
        for (profile, expected) in [(HostProfile::Envoy, "10.0.0.1:80"), (NGINX, "10.0.0.1")] {
            let mut out = Vec::new();
            profile.encode_address(b"10.0.0.1:80", &mut out);
            assert_eq!(out, expected.as_bytes());
        }
    }

    #[test]
    fn nginx_shows_its_own_name_beside_host_and_drops_odd_names() {
        let sent =
            HeaderMap::from_pairs([(":authority", "web:80"), ("X.Dot", "1"), ("X_Line", "2"), ("Tx", "3")]);
        let seen = NGINX.request_head(sent.clone());
        let expected = [(":authority", NGINX_AUTHORITY), ("Host", "web:80"), ("Tx", "3")];
        assert_eq!(seen, HeaderMap::from_pairs(expected));
        assert_eq!(NGINX.onward_head(seen), HeaderMap::from_pairs([(":authority", "web:80"), ("Tx", "3")]));
        assert_eq!(HostProfile::Envoy.request_head(sent.clone()), sent);
    }

    #[test]
    fn replacing_a_header_that_is_there_twice_leaves_one_or_none() {
        for (profile, twice) in [(HostProfile::Envoy, 1), (NGINX, 0)] {
            let mut map = HeaderMap::from_pairs([("b3", "1"), ("B3", "2"), ("one", "1")]);
            profile.replace(&mut map, b"b3", b"x");
            profile.replace(&mut map, b"one", b"x");
            assert_eq!(map.all(b"b3").count(), twice, "{profile:?}");
            assert_eq!(map.first("one"), Some(b"x".as_slice()), "{profile:?}");
        }
    }

    #[test]
    fn nginx_has_no_properties_of_envoys_own() {
        for path in ["request\0time", "response\0code", "request\0headers\0x", "ngx\0nginx_version"] {
            assert!(NGINX.has_property(path.as_bytes()), "{path}");
        }
        let absent =
            ["xds\0listener_direction", "response\0code_details", "response\0flags", "destination\0port"];
        for path in absent {
            assert!(!NGINX.has_property(path.as_bytes()), "{path}");
            assert!(HostProfile::Envoy.has_property(path.as_bytes()), "{path}");
        }
    }
}
