//! HTTP requests as attributes of a SERVER and of a CLIENT span.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md>

use std::borrow::Cow;

use crate::attributes::address::{HostPort, forwarded};
use crate::attributes::url::{self, QueryPolicy, Target};
use crate::attributes::{Attributes, Value, key, rpc};
use crate::headers::Headers;

/// Methods of RFC 9110, RFC 5789 and QUERY, which the conventions call known. Compared with regard to case.
const KNOWN_METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// What a request's headers say, read once for both spans.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    headers: &'a Headers<'a>,
    method: &'a [u8],
    authority: &'a [u8],
    target: Target<'a>,
    rpc: Option<rpc::Method<'a>>,
}

impl<'a> Request<'a> {
    /// Reads `headers`; whatever is missing is empty.
    pub fn read(headers: &'a Headers<'a>) -> Self {
        let target = Target::parse(headers.first(":path").unwrap_or_default());
        let authority =
            target.authority.or_else(|| headers.first(":authority")).or_else(|| headers.first("host"));
        Self {
            headers,
            method: headers.first(":method").unwrap_or_default(),
            authority: authority.unwrap_or_default(),
            target,
            rpc: rpc::is_grpc(headers).then(|| rpc::Method::parse(target.path)),
        }
    }

    /// Whether the request is a gRPC call.
    pub fn is_grpc(&self) -> bool {
        self.rpc.is_some()
    }

    /// A name of low cardinality for both spans: gRPC's method, else HTTP's; never the path.
    pub fn span_name(&self) -> Cow<'static, str> {
        match (&self.rpc, known_method(self.method)) {
            (Some(method), _) => method.span_name(),
            (None, Some(method)) => Cow::Borrowed(method),
            (None, None) => Cow::Borrowed("HTTP"),
        }
    }

    /// The attributes of the SERVER span, as far as the request gives them.
    pub fn server_attributes(&self, policy: QueryPolicy) -> Attributes {
        let mut attributes = self.common_attributes();
        let scheme = self.scheme(["x-forwarded-proto", ":scheme"]);
        let original_host = forwarded(self.headers, "host", "x-forwarded-host").and_then(HostPort::parse);
        self.set_server(&mut attributes, original_host, &scheme);
        attributes.set(key::URL_SCHEME, scheme.into_owned());
        attributes.set(key::URL_PATH, Value::lossy(self.target.path));
        let query = self.target.query.and_then(|query| policy.apply(query));
        attributes.set_some(key::URL_QUERY, query.map(|query| Value::lossy(&query)));
        if let Some(client) = forwarded(self.headers, "for", "x-forwarded-for").and_then(HostPort::parse) {
            client.record(&mut attributes, key::CLIENT_ADDRESS, key::CLIENT_PORT);
        }
        attributes.set_some(key::USER_AGENT_ORIGINAL, self.headers.first("user-agent").map(Value::lossy));
        attributes
    }

    /// The attributes of the CLIENT span, as far as the request gives them.
    pub fn client_attributes(&self, policy: QueryPolicy) -> Attributes {
        let mut attributes = self.common_attributes();
        let scheme = self.scheme([":scheme", "x-forwarded-proto"]);
        self.set_server(&mut attributes, None, &scheme);
        let url = url::full(&scheme, self.authority, self.target, policy);
        attributes.set(key::URL_FULL, Value::lossy(&url));
        attributes
    }

    fn common_attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        if let Some(method) = &self.rpc {
            method.record(&mut attributes);
        }
        match known_method(self.method) {
            Some(method) => attributes.set(key::HTTP_REQUEST_METHOD, method),
            None => {
                attributes.set(key::HTTP_REQUEST_METHOD, "_OTHER");
                attributes.set(key::HTTP_REQUEST_METHOD_ORIGINAL, Value::lossy(self.method));
            }
        }
        attributes
    }

    /// `server.address` and `server.port`: of `preferred` or else of the authority; the scheme's
    /// port where none is written.
    fn set_server(&self, attributes: &mut Attributes, preferred: Option<HostPort<'_>>, scheme: &str) {
        let Some(host) = preferred.or_else(|| HostPort::parse(self.authority)) else { return };
        let default_port = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let host = HostPort { port: host.port.or(default_port), ..host };
        host.record(attributes, key::SERVER_ADDRESS, key::SERVER_PORT);
    }

    /// The scheme that the first of `headers` names, in lower case; `http` if none does.
    fn scheme(&self, headers: [&str; 2]) -> Cow<'static, str> {
        let named = headers.into_iter().find_map(|name| {
            let value = match name {
                "x-forwarded-proto" => forwarded(self.headers, "proto", name),
                _ => self.headers.first(name),
            };
            value.filter(|scheme| url::is_scheme(scheme))
        });
        match named {
            Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => Cow::Borrowed("https"),
            Some(scheme) => Cow::Owned(String::from_utf8_lossy(scheme).to_ascii_lowercase()),
            None => Cow::Borrowed("http"),
        }
    }
}

fn known_method(method: &[u8]) -> Option<&'static str> {
    KNOWN_METHODS.into_iter().find(|known| known.as_bytes() == method)
}

/// The version in a protocol's name as proxies give it: `HTTP/1.1` → `1.1`, `HTTP/2` → `2`.
pub fn protocol_version(protocol: &[u8]) -> Option<&'static str> {
    match protocol {
        b"HTTP/1.0" => Some("1.0"),
        b"HTTP/1.1" => Some("1.1"),
        b"HTTP/2" | b"HTTP/2.0" => Some("2"),
        b"HTTP/3" | b"HTTP/3.0" => Some("3"),
        _ => None,
    }
}
