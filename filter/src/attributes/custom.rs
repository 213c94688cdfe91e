//! Attributes that operators ask for: texts of their own, headers, baggage, what the proxy knows.
//! Which ones, and that none of them is the filter's own, `config` has checked.
//! `"tenant.id": {"request_header": "x-tenant"}` and `x-tenant: blue` → `tenant.id` = `blue`

pub mod known;
mod values;

use std::borrow::Cow;

use crate::attributes::url::{QueryPolicy, UrlPart};
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
    /// What becomes of the query, wherever a URL is shown.
    pub query: QueryPolicy,
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
    /// What of a URL the source is, if it is known to be one.
    pub part: Option<UrlPart>,
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
    /// What of a URL its values are, if they are known to be.
    pub part: Option<UrlPart>,
}

impl CustomAttribute {
    /// The value where the request's head decides on it.
    fn of_request<'a>(&'a self, headers: &Headers<'a>, query: &QueryPolicy) -> Option<Cow<'a, str>> {
        let found = match &self.source {
            Source::Literal(text) => Some(Cow::Borrowed(text.as_str())),
            Source::RequestHeader(name) => joined(shown(headers, name, self.part, query)),
            Source::Baggage(key) => baggage::find(headers, key).map(|value| text(&value)),
            Source::ResponseHeader(_) | Source::Property(_) => return None,
        };
        self.or_default(found)
    }

    /// The value where the response's head decides on it; without a response `headers` are none.
    fn of_response<'a>(&'a self, headers: &Headers<'a>, query: &QueryPolicy) -> Option<Cow<'a, str>> {
        let Source::ResponseHeader(name) = &self.source else { return None };
        self.or_default(joined(shown(headers, name, self.part, query)))
    }

    fn or_default<'a>(&'a self, found: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        found.or_else(|| self.default.as_deref().map(Cow::Borrowed))
    }
}

impl HeaderAttribute {
    /// All values of the header in order; none where it is not there.
    fn values<'a>(&self, headers: &Headers<'a>, query: &QueryPolicy) -> Option<Vec<Cow<'a, str>>> {
        Some(shown(headers, &self.name, self.part, query)).filter(|values| !values.is_empty())
    }

    fn record(&self, headers: &Headers<'_>, query: &QueryPolicy, attributes: &mut Attributes) {
        attributes.set_some(&self.key, self.values(headers, query).map(Value::List));
    }
}

/// All values of the header `name`, as far as they may be shown.
fn shown<'a>(
    headers: &Headers<'a>,
    name: &str,
    part: Option<UrlPart>,
    query: &QueryPolicy,
) -> Vec<Cow<'a, str>> {
    let show = |value| match part {
        Some(part) => part.show(value, query).map(|value| text(&value)),
        None => Some(String::from_utf8_lossy(value)),
    };
    headers.all(name).filter_map(show).collect()
}

/// Values of a header with commas between them, which is the same header.
fn joined(mut values: Vec<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    let last = values.pop()?;
    if values.is_empty() {
        return Some(last);
    }
    let mut joined = String::new();
    for value in &values {
        joined.push_str(value);
        joined.push(',');
    }
    joined.push_str(&last);
    Some(Cow::Owned(joined))
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
        let default = default.map(str::to_owned);
        CustomAttribute { key: "k".to_owned(), source, part: None, default }
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
            assert_eq!(attribute.of_request(&headers(), &QueryPolicy::Keep).as_deref(), expected, "{reason}");
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
            assert_eq!(
                attribute.of_response(&headers(), &QueryPolicy::Keep).as_deref(),
                expected,
                "{reason}"
            );
        }
    }

    #[test]
    fn rule_34_headers_are_lists_of_all_their_values() {
        let headers = headers();
        let values = |name: &str| {
            let header = HeaderAttribute { name: name.to_owned(), key: String::new(), part: None };
            header.values(&headers, &QueryPolicy::Keep)
        };
        assert_eq!(values("x-many").unwrap(), ["a", "b"]);
        assert_eq!(values("x-empty").unwrap(), [""]);
        assert_eq!(values("x-missing"), None);
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
