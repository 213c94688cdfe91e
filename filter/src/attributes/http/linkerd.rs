//! A request as Linkerd's proxy names it: the same attributes on both spans, all of them strings.
//! Unlike Linkerd the query is shown by policy, and `:authority` counts as a `host` header, since
//! proxies turn the one into the other.
//! Spec: <https://github.com/linkerd/linkerd2-proxy/blob/29637b64f/linkerd/trace-context/src/service.rs#L45>

use super::Request;
use crate::attributes::address::HostPort;
use crate::attributes::url::{self, QueryPolicy};
use crate::attributes::{Attributes, Value, key};
use crate::headers::Headers;

/// Request headers that are shown.
const HEADERS: [(&str, &str); 3] = [
    ("content-length", "http.request.header.content-length"),
    ("content-type", "http.request.header.content-type"),
    ("l5d-orig-proto", "http.request.header.l5d-orig-proto"),
];

impl Request<'_> {
    /// The name of both spans: the path, without the query.
    pub fn linkerd_name(&self) -> String {
        String::from_utf8_lossy(self.target.path).into_owned()
    }

    /// The attributes of both spans, as far as the request in `headers` gives them.
    pub fn linkerd_attributes(&self, headers: &Headers<'_>, policy: &QueryPolicy) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.set(key::HTTP_REQUEST_METHOD, Value::lossy(self.method));
        let scheme = self.known.scheme.filter(|scheme| url::is_scheme(scheme));
        attributes.set_some(key::URL_SCHEME, scheme.map(Value::lossy));
        attributes.set(key::URL_PATH, Value::lossy(self.target.path));
        let query = self.target.query.and_then(|query| policy.apply(query));
        attributes.set_some(key::URL_QUERY, query.as_deref().map(Value::lossy));
        let scheme = String::from_utf8_lossy(scheme.unwrap_or(b"http"));
        url::record_full(&mut attributes, key::URL_FULL, (&scheme, self.authority), self.target, policy);
        attributes.set(key::NETWORK_TRANSPORT, "tcp");
        let host = self.known.x_forwarded_host.or(self.known.authority).or(self.known.host);
        if let Some(host) = host.and_then(HostPort::parse) {
            attributes.set(key::SERVER_ADDRESS, Value::lossy(host.host));
            attributes.set_some(key::SERVER_PORT, host.port.map(|port| port.to_string()));
        }
        attributes.set_some(key::USER_AGENT_ORIGINAL, self.known.user_agent.map(Value::lossy));
        for (name, key) in HEADERS {
            attributes.set_some(key, headers.first(name).map(Value::lossy));
        }
        attributes
    }
}
