//! Attributes that operators ask for: texts of their own, headers, baggage, what the proxy knows.
//! Which ones, and that none of them is the filter's own, `config` has checked.
//! `"tenant.id": {"request_header": "x-tenant"}` and `x-tenant: blue` → `tenant.id` = `blue`

mod values;

use std::borrow::Cow;

use crate::attributes::{Attributes, Value, key};
use crate::headers::Headers;
use crate::propagation::baggage;
pub use values::CustomValues;

/// What spans say beyond the conventions, what they are called, and within which bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanShape {
    /// Whose names spans and attributes have.
    pub names: Names,
    /// Attributes with keys of the operator's; keys are unique.
    pub attributes: Vec<CustomAttribute>,
    /// Request headers that are shown.
    pub request_headers: Vec<HeaderAttribute>,
    /// Response headers that are shown.
    pub response_headers: Vec<HeaderAttribute>,
    /// The bounds.
    pub limits: Limits,
}

impl SpanShape {
    /// Whether no span has more than the filter sets itself.
    pub fn is_plain(&self) -> bool {
        self.attributes.is_empty() && self.request_headers.is_empty() && self.response_headers.is_empty()
    }
}

/// Whose names spans and attributes have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// OpenTelemetry's semantic conventions'.
    #[default]
    Semconv,
    /// Linkerd's proxy's.
    Linkerd,
}

/// How many attributes a span has at most, and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attributes of one span.
    pub count: usize,
    /// Characters of a text.
    pub length: usize,
}

impl Default for Limits {
    /// OpenTelemetry's count, and no length.
    fn default() -> Self {
        Self { count: 128, length: usize::MAX }
    }
}

/// An attribute with a key of the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomAttribute {
    /// Its key, none of [`BUILT_IN_KEYS`].
    pub key: String,
    /// Where its value comes from.
    pub source: Source,
    /// Its value where the source has none.
    pub default: Option<String>,
}

/// Where an attribute's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Always this.
    Literal(String),
    /// A request header, in lower case; several values are one with commas.
    RequestHeader(String),
    /// A response header, in lower case; several values are one with commas.
    ResponseHeader(String),
    /// The member of W3C baggage with this key.
    Baggage(String),
    /// The proxy's property of this path, parts separated by zero bytes.
    Property(String),
}

/// A header that is shown with all its values, as the conventions have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderAttribute {
    /// The header, in lower case.
    pub name: String,
    /// `http.request.header.<name>` or `http.response.header.<name>`.
    pub key: String,
}

impl CustomAttribute {
    /// The value where the request's head decides on it.
    fn of_request<'a>(&'a self, headers: &Headers<'a>) -> Option<Cow<'a, str>> {
        let found = match &self.source {
            Source::Literal(text) => Some(Cow::Borrowed(text.as_str())),
            Source::RequestHeader(name) => joined(headers, name),
            Source::Baggage(key) => baggage::find(headers, key).map(|value| text(&value)),
            Source::ResponseHeader(_) | Source::Property(_) => return None,
        };
        self.or_default(found)
    }

    /// The value where the response's head decides on it; without a response `headers` are none.
    fn of_response<'a>(&'a self, headers: &Headers<'a>) -> Option<Cow<'a, str>> {
        let Source::ResponseHeader(name) = &self.source else { return None };
        self.or_default(joined(headers, name))
    }

    fn or_default<'a>(&'a self, found: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        found.or_else(|| self.default.as_deref().map(Cow::Borrowed))
    }
}

impl HeaderAttribute {
    /// All values of the header in order; none where it is not there.
    fn values<'a>(&self, headers: &Headers<'a>) -> Option<Vec<Cow<'a, str>>> {
        let values: Vec<_> = headers.all(&self.name).map(String::from_utf8_lossy).collect();
        Some(values).filter(|values| !values.is_empty())
    }

    fn record(&self, headers: &Headers<'_>, attributes: &mut Attributes) {
        attributes.set_some(&self.key, self.values(headers).map(Value::List));
    }
}

/// All values of a header with commas between them, which is the same header.
fn joined<'a>(headers: &Headers<'a>, name: &str) -> Option<Cow<'a, str>> {
    let mut values = headers.all(name);
    let first = values.next()?;
    match values.next() {
        None => Some(String::from_utf8_lossy(first)),
        Some(_) => Some(text(&headers.all(name).collect::<Vec<_>>().join(&b","[..]))),
    }
}

fn text(bytes: &[u8]) -> Cow<'static, str> {
    Cow::Owned(String::from_utf8_lossy(bytes).into_owned())
}

/// Keys that the filter sets itself: those of [`key`], and those that Linkerd's names add.
pub const BUILT_IN_KEYS: [&str; 32] = [
    key::DIRECTION,
    key::ERROR_TYPE,
    key::CLIENT_ADDRESS,
    key::CLIENT_PORT,
    key::HTTP_ROUTE,
    key::HTTP_REQUEST_METHOD,
    key::HTTP_REQUEST_METHOD_ORIGINAL,
    key::HTTP_REQUEST_RESEND_COUNT,
    key::HTTP_RESPONSE_STATUS_CODE,
    key::NETWORK_PEER_ADDRESS,
    key::NETWORK_PEER_PORT,
    key::NETWORK_PROTOCOL_NAME,
    key::NETWORK_PROTOCOL_VERSION,
    key::RPC_METHOD,
    key::RPC_METHOD_ORIGINAL,
    key::RPC_STATUS_CODE,
    key::RPC_SYSTEM_NAME,
    key::SAMPLING_LOCAL,
    key::SAMPLING_RULE,
    key::SERVER_ADDRESS,
    key::SERVER_PORT,
    key::URL_FULL,
    key::URL_PATH,
    key::URL_QUERY,
    key::URL_TEMPLATE,
    key::URL_SCHEME,
    key::USER_AGENT_ORIGINAL,
    key::NETWORK_TRANSPORT,
    "http.request.header.content-length",
    "http.request.header.content-type",
    "http.request.header.l5d-orig-proto",
    "http.request.resend_count",
];

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const HEADERS: [(&str, &[u8]); 6] = [
        ("x-tenant", b"blue"),
        ("X-Many", b"a"),
        ("x-many", b"b"),
        ("x-odd", b"\xff!"),
        ("x-empty", b""),
        ("baggage", b"user.id=alice%20b"),
    ];

    fn headers() -> Headers<'static> {
        Headers::new(HEADERS.map(|(name, value)| (name.as_bytes(), value)).to_vec())
    }

    fn attribute(source: Source, default: Option<&str>) -> CustomAttribute {
        CustomAttribute { key: "k".to_owned(), source, default: default.map(str::to_owned) }
    }

    #[test]
    fn a_request_gives_texts_headers_and_baggage() {
        let header = |name: &str| Source::RequestHeader(name.to_owned());
        let cases = [
            (Source::Literal("blue".to_owned()), None, Some("blue"), "a text"),
            (header("x-tenant"), Some("none"), Some("blue"), "a header"),
            (header("x-many"), None, Some("a,b"), "several values"),
            (header("x-odd"), None, Some("\u{fffd}!"), "not UTF-8"),
            (header("x-empty"), Some("none"), Some(""), "empty is there"),
            (header("x-missing"), Some("none"), Some("none"), "the default"),
            (header("x-missing"), None, None, "nothing"),
            (Source::Baggage("user.id".to_owned()), None, Some("alice b"), "baggage"),
            (Source::Baggage("x".to_owned()), Some("none"), Some("none"), "the default"),
            (Source::ResponseHeader("x-tenant".to_owned()), Some("none"), None, "not yet"),
            (Source::Property("a\0b".to_owned()), Some("none"), None, "not yet"),
        ];
        for (source, default, expected, reason) in cases {
            let attribute = attribute(source, default);
            assert_eq!(attribute.of_request(&headers()).as_deref(), expected, "{reason}");
        }
    }

    #[test]
    fn a_response_gives_its_headers() {
        let header = |name: &str| Source::ResponseHeader(name.to_owned());
        let cases = [
            (header("x-tenant"), None, Some("blue"), "a header"),
            (header("x-missing"), Some("none"), Some("none"), "the default"),
            (header("x-missing"), None, None, "nothing"),
            (Source::RequestHeader("x-tenant".to_owned()), Some("none"), None, "the request's"),
        ];
        for (source, default, expected, reason) in cases {
            let attribute = attribute(source, default);
            assert_eq!(attribute.of_response(&headers()).as_deref(), expected, "{reason}");
        }
    }

    #[test]
    fn rule_34_headers_are_lists_of_all_their_values() {
        let header = |name: &str| HeaderAttribute { name: name.to_owned(), key: String::new() };
        assert_eq!(header("x-many").values(&headers()).unwrap(), ["a", "b"]);
        assert_eq!(header("x-empty").values(&headers()).unwrap(), [""]);
        assert_eq!(header("x-missing").values(&headers()), None);
    }

    #[test]
    fn every_key_of_the_filter_is_built_in() {
        let source = include_str!("../attributes.rs");
        let (_, keys) = source.split_once("pub mod key {").unwrap();
        let keys: Vec<_> = keys.lines().filter_map(|line| line.trim().strip_prefix("pub const ")).collect();
        assert!(keys.len() >= 24);
        for line in keys {
            let value = line.split('"').nth(1).unwrap_or_else(|| panic!("{line} is not on one line"));
            assert!(BUILT_IN_KEYS.contains(&value), "{value} is set by the filter");
        }
    }
}
