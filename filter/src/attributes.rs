//! Semantic conventions: what a request and its response are called in a span.
//! Keys and values live here; `attributes::http` and its siblings read them out of headers.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0/docs/http>

pub mod address;
pub mod http;
pub mod outcome;
pub mod route;
pub mod rpc;
pub mod url;

use std::borrow::Cow;

/// The version of the semantic conventions that every key here follows.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// An attribute's value. Always valid UTF-8, as OTLP's strings must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Str(Cow<'static, str>),
    /// A whole number.
    Int(i64),
}

impl Value {
    /// Text from a header or a property; bytes that are not UTF-8 become U+FFFD.
    pub fn lossy(bytes: &[u8]) -> Self {
        Self::Str(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Str(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(Cow::Owned(text))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(i64::from(number))
    }
}

/// A span's attributes, in the order in which they were first set; keys are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(&'static str, Value)>);

impl Attributes {
    /// Gives `key` the value `value`, in place of any that it has.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Gives `key` a value if there is one.
    pub fn set_some(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// The value of `key`.
    pub fn find(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }
}

/// The keys that spans carry.
pub mod key {
    /// Which way the traffic goes past the proxy, as Linkerd has it; no semantic convention.
    pub const DIRECTION: &str = "direction";
    /// Why the operation failed, of low cardinality.
    pub const ERROR_TYPE: &str = "error.type";
    /// The caller behind any proxies.
    pub const CLIENT_ADDRESS: &str = "client.address";
    /// The caller's port.
    pub const CLIENT_PORT: &str = "client.port";
    /// The path's template, on SERVER spans.
    pub const HTTP_ROUTE: &str = "http.route";
    /// One of the known methods, or `_OTHER`.
    pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
    /// The method as it was, if it is not known.
    pub const HTTP_REQUEST_METHOD_ORIGINAL: &str = "http.request.method_original";
    /// The status code, a number.
    pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
    /// The other end of the connection.
    pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
    /// The port at the other end of the connection.
    pub const NETWORK_PEER_PORT: &str = "network.peer.port";
    /// `http`.
    pub const NETWORK_PROTOCOL_NAME: &str = "network.protocol.name";
    /// `1.0`, `1.1`, `2` or `3`.
    pub const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
    /// `pkg.Service/Method`.
    pub const RPC_METHOD: &str = "rpc.method";
    /// The method as it was, if it is not one by gRPC's grammar.
    pub const RPC_METHOD_ORIGINAL: &str = "rpc.method_original";
    /// The gRPC status by name. Released v1.44.0 has it under this key; the conventions' main branch
    /// calls it `rpc.status_code` (705afdd4f, unreleased): change it together with `SCHEMA_URL`.
    pub const RPC_STATUS_CODE: &str = "rpc.response.status_code";
    /// `grpc`.
    pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
    /// The host that the request is for.
    pub const SERVER_ADDRESS: &str = "server.address";
    /// Its port.
    pub const SERVER_PORT: &str = "server.port";
    /// The whole URL, without secrets.
    pub const URL_FULL: &str = "url.full";
    /// The path, without the query.
    pub const URL_PATH: &str = "url.path";
    /// The query, without `?` and secrets.
    pub const URL_QUERY: &str = "url.query";
    /// The path's template, on CLIENT spans.
    pub const URL_TEMPLATE: &str = "url.template";
    /// `http` or `https`.
    pub const URL_SCHEME: &str = "url.scheme";
    /// The `user-agent` header.
    pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";
}
