//! The section `spans` as it is written: what spans are called and what they say.

#[cfg(not(target_arch = "wasm32"))]
use super::schema;
use crate::attributes::url::SECRET_PARAMETERS;
use crate::config::sorted::SortedMap;

/// What spans contain.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), schemars(default))]
pub struct RawSpans {
    /// What spans are called, and by which keys their attributes.
    pub names: RawNames,
    /// What becomes of the query in `url.query`, `url.full` and whatever else is known to be a URL.
    pub query: RawQuery,
    /// Query parameters whose values `"redact"` hides; case counts. A list replaces the default one.
    pub redact: Vec<String>,
    /// Paths with variable segments, such as `/users/{id}`: the first that fits names the spans,
    /// `GET /users/{id}`, and is `http.route` and `url.template`. Without one the name is the method.
    pub path_templates: Vec<String>,
    /// Whether the last span of a request in this plugin notes its phases as events: `request.end`, where
    /// the request has no body (of one that has, proxies tell the end only to who takes its every chunk,
    /// which would cost each of them), and `response.start`, the upstream's first byte. The span's end is
    /// the response's.
    pub phases: bool,
    /// Further attributes of both spans, by their keys: a text, in which `${NAME}` stands for an
    /// environment variable, or where the value comes from, with a `default` where it may be missing.
    /// A property is a path of the proxy's, `"xds.node.locality.zone"`, or a list where its parts have
    /// dots in them; it is read when the stream ends. What is known to be a URL shows neither userinfo nor more
    /// of the query than `query` says. What the filter sets itself cannot be replaced, and
    /// `authorization`, `proxy-authorization`, `cookie` and `set-cookie` are refused.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(schema_with = "schema::attributes"))]
    pub attributes: SortedMap<RawAttribute>,
    /// Request headers that both spans show as `http.request.header.<name>`, a list of strings. The
    /// same four are refused.
    pub request_headers: Vec<String>,
    /// Response headers that both spans show as `http.response.header.<name>`, a list of strings. The
    /// same four are refused.
    pub response_headers: Vec<String>,
    /// Attributes of one span at most; what is beyond is dropped and counted in the span.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 1_024)))]
    pub max_attributes: u64,
    /// Characters of a text in an attribute at most; the rest is cut off.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 65_536)))]
    pub max_attribute_length: u64,
}

impl Default for RawSpans {
    fn default() -> Self {
        Self {
            names: RawNames::Semconv,
            query: RawQuery::Redact,
            redact: SECRET_PARAMETERS.map(str::to_owned).to_vec(),
            path_templates: Vec::new(),
            phases: true,
            attributes: SortedMap::new(),
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            max_attributes: 128,
            max_attribute_length: 65_536,
        }
    }
}

/// What spans are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), serde(rename_all = "snake_case"))]
pub enum RawNames {
    /// As OpenTelemetry's semantic conventions say.
    Semconv,
    /// As Linkerd's proxy does: the name is the path, every value is a string, the status stays unset.
    Linkerd,
}

/// What becomes of a URL's query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), serde(rename_all = "snake_case"))]
pub enum RawQuery {
    /// Kept, but values of signatures and access keys become `REDACTED`.
    Redact,
    /// Kept as it is.
    Keep,
    /// Left out.
    Drop,
}

/// An attribute's value, or where it comes from.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize), serde(untagged))]
pub enum RawAttribute {
    /// A text, in which `${NAME}` stands for an environment variable.
    Literal(String),
    /// Out of the request, the proxy or the environment.
    From(RawSource),
}

/// Where an attribute's value comes from.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize))]
pub struct RawSource {
    /// Which kind of place.
    pub place: RawPlace,
    /// The name there; of a property the parts of its path.
    pub name: Vec<String>,
    /// The value where there is none.
    pub default: Option<String>,
}

/// A kind of place that values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize))]
pub enum RawPlace {
    /// A header of the request.
    RequestHeader,
    /// A header of the response.
    ResponseHeader,
    /// A member of W3C baggage.
    Baggage,
    /// What the proxy knows.
    Property,
    /// A variable of the VM.
    Environment,
}

impl RawPlace {
    /// All of them, by their keys.
    pub(in crate::config) const ALL: [(&'static str, Self); 5] = [
        ("request_header", Self::RequestHeader),
        ("response_header", Self::ResponseHeader),
        ("baggage", Self::Baggage),
        ("property", Self::Property),
        ("environment", Self::Environment),
    ];
}
