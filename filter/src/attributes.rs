//! Semantic conventions: what a request and its response are called in a span.
//! Keys and values live here; `attributes::http` and its siblings read them out of headers.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0/docs/http>

pub mod address;
pub mod custom;
pub mod http;
pub mod outcome;
pub mod route;
pub mod rpc;
pub mod url;

use std::borrow::Cow;

use crate::otlp;
use custom::Limits;

/// The version of the semantic conventions that every key here follows.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// An attribute's value. Always valid UTF-8, as OTLP's strings must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Str(Cow<'a, str>),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// Several texts.
    List(Vec<Cow<'a, str>>),
}

impl<'a> Value<'a> {
    /// Text from a header or a property; bytes that are not UTF-8 become U+FFFD.
    pub fn lossy(bytes: &'a [u8]) -> Self {
        // Reads ASCII by the word; the lossy one goes byte by byte.
        Self::Str(std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed))
    }
}

impl Value<'_> {
    /// Whether no text has more than `length` characters.
    fn fits(&self, length: usize) -> bool {
        let fits = |text: &Cow<'_, str>| text.len() <= length || text.chars().nth(length).is_none();
        match self {
            Self::Str(text) => fits(text),
            Self::Bool(_) | Self::Int(_) => true,
            Self::List(texts) => texts.iter().all(fits),
        }
    }

    /// Cuts texts off after `length` characters.
    fn cut(&mut self, length: usize) {
        let cut = |text: &mut Cow<'_, str>| {
            if let Some((end, _)) = text.char_indices().nth(length) {
                match text {
                    Cow::Borrowed(text) => *text = text.get(..end).unwrap_or_default(),
                    Cow::Owned(text) => text.truncate(end),
                }
            }
        };
        match self {
            Self::Str(text) => cut(text),
            Self::Bool(_) | Self::Int(_) => {}
            Self::List(texts) => texts.iter_mut().for_each(cut),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Str(Cow::Owned(text))
    }
}

impl From<bool> for Value<'_> {
    fn from(is_so: bool) -> Self {
        Self::Bool(is_so)
    }
}

impl From<u16> for Value<'_> {
    fn from(number: u16) -> Self {
        Self::Int(i64::from(number))
    }
}

/// A span's attributes in the order in which they were set, as OTLP has them in a span: what is noted
/// while a request lasts is one buffer, which goes into the span as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// No attributes.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No attributes, with room for `bytes` of them.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Gives `key`, which has no value yet, the value `value`.
    pub fn set<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) {
        debug_assert!(!self.has(key), "{key} is set twice");
        otlp::encode_attribute(&mut self.0, otlp::SPAN_ATTRIBUTE, key, &value.into());
    }

    /// Gives `key`, which has no value yet, a value if there is one.
    pub fn set_some<'v>(&mut self, key: &str, value: Option<impl Into<Value<'v>>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Gives `key`, which has no value yet, the text of `parts` together; bytes that are not UTF-8
    /// become U+FFFD.
    pub fn set_joined(&mut self, key: &str, parts: &[&[u8]]) {
        debug_assert!(!self.has(key), "{key} is set twice");
        if parts.iter().all(|part| std::str::from_utf8(part).is_ok()) {
            otlp::encode_text_attribute(&mut self.0, otlp::SPAN_ATTRIBUTE, key, parts);
        } else {
            self.set(key, Value::lossy(&parts.concat()));
        }
    }

    /// Gives `key` the value `value` unless it has one, and says whether it had none: for keys that are
    /// not known beforehand.
    pub fn set_new<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) -> bool {
        let is_new = !self.has(key);
        if is_new {
            self.set(key, value);
        }
        is_new
    }

    /// Whether `key` has a value.
    pub fn has(&self, key: &str) -> bool {
        otlp::attribute_keys(&self.0).any(|known| known == key.as_bytes())
    }

    /// The value of `key`.
    pub fn find(&self, key: &str) -> Option<Value<'_>> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        otlp::decode_attributes(&self.0)
    }

    /// Puts `others`, whose keys have no values yet, behind.
    pub fn append(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// Keeps within `limits`: the first attributes and the beginnings of their texts. How many were
    /// dropped.
    pub fn limit(&mut self, limits: Limits) -> u32 {
        /// Bytes that every attribute takes at least: its key and value, tag and length of both and of
        /// what they are in.
        const LEAST: usize = 9;
        let most = self.0.len();
        let fits =
            |(i, (_, value)): (usize, (&str, Value<'_>))| i < limits.count && value.fits(limits.length);
        if most <= limits.length && most / LEAST <= limits.count || self.iter().enumerate().all(fits) {
            return 0;
        }
        let mut kept = Self::with_capacity(self.0.len());
        let mut dropped = 0;
        for (i, (key, mut value)) in self.iter().enumerate() {
            if i < limits.count {
                value.cut(limits.length);
                kept.set(key, value);
            } else {
                dropped += 1;
            }
        }
        *self = kept;
        dropped
    }

    /// `Span.attributes` fields, one after another.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
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
    /// Which resend of the request this is, from 1.
    pub const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
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
    /// `tcp`, as Linkerd has it.
    pub const NETWORK_TRANSPORT: &str = "network.transport";
    /// `pkg.Service/Method`.
    pub const RPC_METHOD: &str = "rpc.method";
    /// The method as it was, if it is not one by gRPC's grammar.
    pub const RPC_METHOD_ORIGINAL: &str = "rpc.method_original";
    /// The gRPC status by name. Released v1.44.0 has it under this key; the conventions' main branch
    /// calls it `rpc.status_code` (705afdd4f, unreleased): change it together with `SCHEMA_URL`.
    pub const RPC_STATUS_CODE: &str = "rpc.response.status_code";
    /// `grpc`.
    pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
    /// Whether this proxy alone has kept the span of a trace that is not sampled; no semantic convention.
    pub const SAMPLING_LOCAL: &str = "sampling.local";
    /// The sampling rule that decided: its name or place, `default` or `parent`; no semantic convention.
    pub const SAMPLING_RULE: &str = "sampling.rule";
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

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn rule_46_keys_are_unique_and_values_are_read_as_they_were_set() {
        let mut attributes = Attributes::default();
        let list = Value::List(vec!["a".into(), "".into()]);
        let values =
            [Value::from("x".repeat(300)), Value::Int(-1), Value::Bool(true), list, Value::lossy(b"\xff")];
        for (key, value) in ["text", "number", "flag", "list", "bytes"].into_iter().zip(&values) {
            attributes.set(key, value.clone());
            assert!(!attributes.set_new(key, "another"), "{key} has its value");
        }
        assert!(attributes.set_new("new", "one"));
        attributes.set_joined("parts", &[b"a", b"", b"b"]);
        attributes.set_joined("cut", &[b"\xc3", b"\xa4", b"\xff"]);
        let expected = ["text", "number", "flag", "list", "bytes", "new", "parts", "cut"].into_iter().zip(
            values.into_iter().chain([Value::from("one"), Value::from("ab"), Value::from("\u{e4}\u{fffd}")]),
        );
        assert!(attributes.iter().eq(expected), "{:?}", attributes.iter().collect::<Vec<_>>());
        assert_eq!(attributes.find("absent"), None);
    }
}
