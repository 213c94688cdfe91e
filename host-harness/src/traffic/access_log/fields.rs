//! Which keys of a log's line hold what: the defaults of Envoy's, Istio's and Envoy Gateway's formats,
//! and what the user says otherwise.
//!
//! `method=http.verb,request.header.x-tenant=tenant` → the method is in `verb` of `http`

use std::str::FromStr;

use serde_json::Value;

/// What a line may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says what each is")]
pub enum Field {
    Start,
    Method,
    Scheme,
    Authority,
    Path,
    Status,
    Flags,
    RequestBytes,
    ResponseBytes,
    RequestEndUs,
    ResponseStartUs,
    ResponseEndUs,
    RequestEndMs,
    ResponseStartMs,
    ResponseEndMs,
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    Source,
    Destination,
}

/// Each field, its name, and the keys under which it is looked for: the first that is there counts.
const FIELDS: [(Field, &str, &[&str]); 21] = [
    (Field::Start, "start", &["start_time", "start", "timestamp", "time"]),
    (Field::Method, "method", &["method", ":method", "request_method"]),
    (Field::Scheme, "scheme", &["scheme", ":scheme"]),
    (Field::Authority, "authority", &["authority", ":authority", "host"]),
    // Envoy Gateway's default has the path under the header that it is taken from.
    (Field::Path, "path", &["path", ":path", "x-envoy-origin-path", "request_path"]),
    (Field::Status, "status", &["response_code", "status", "response_status"]),
    (Field::Flags, "flags", &["response_flags", "flags"]),
    (Field::RequestBytes, "request_bytes", &["bytes_received", "request_bytes"]),
    (Field::ResponseBytes, "response_bytes", &["bytes_sent", "response_bytes"]),
    (Field::RequestEndUs, "request_end_us", &["request_end_us"]),
    (Field::ResponseStartUs, "response_start_us", &["response_start_us"]),
    (Field::ResponseEndUs, "response_end_us", &["response_end_us"]),
    (Field::RequestEndMs, "request_end_ms", &["request_duration", "request_end_ms"]),
    (Field::ResponseStartMs, "response_start_ms", &["response_duration", "response_start_ms"]),
    (Field::ResponseEndMs, "response_end_ms", &["duration", "duration_ms", "response_end_ms"]),
    (Field::RequestHeaders, "request_headers", &["request_headers"]),
    (Field::RequestTrailers, "request_trailers", &["request_trailers"]),
    (Field::ResponseHeaders, "response_headers", &["response_headers"]),
    (Field::ResponseTrailers, "response_trailers", &["response_trailers"]),
    (Field::Source, "source", &["source"]),
    (Field::Destination, "destination", &["destination"]),
];

/// Request headers that logs have by themselves, and their keys.
const HEADERS: [(&str, &[&str]); 13] = [
    ("user-agent", &["user_agent", "user-agent"]),
    ("x-request-id", &["request_id", "x-request-id"]),
    ("x-forwarded-for", &["x_forwarded_for", "x-forwarded-for"]),
    ("content-type", &["content-type"]),
    ("traceparent", &["traceparent"]),
    ("tracestate", &["tracestate"]),
    ("baggage", &["baggage"]),
    ("grpc-trace-bin", &["grpc-trace-bin"]),
    ("b3", &["b3"]),
    ("x-b3-traceid", &["x-b3-traceid", "x_b3_traceid"]),
    ("x-b3-spanid", &["x-b3-spanid", "x_b3_spanid"]),
    ("x-b3-parentspanid", &["x-b3-parentspanid", "x_b3_parentspanid"]),
    ("x-b3-sampled", &["x-b3-sampled", "x_b3_sampled"]),
];

/// What stands before a header's name in a map.
const HEADER_PREFIX: &str = "request.header.";

/// Where in a line each field is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldMap {
    fields: Vec<(Field, String)>,
    headers: Vec<(String, String)>,
}

/// A map that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldMapError {
    /// A part that is no `field=key`.
    #[error("{part:?} is no field=key, such as \"method=verb\"")]
    NoPair {
        /// The part.
        part: String,
    },
    /// A field that there is not.
    #[error("field is {field:?}, expected one of {}, or {HEADER_PREFIX}NAME", FieldMap::names())]
    Unknown {
        /// As it was written.
        field: String,
    },
}

impl FieldMap {
    /// The names of all fields.
    pub fn names() -> String {
        FIELDS.map(|(_, name, _)| name).join(", ")
    }

    /// The value of a field in a line.
    pub(super) fn find<'a>(&self, field: Field, log: &'a Value) -> Option<&'a Value> {
        if let Some((_, key)) = self.fields.iter().find(|(known, _)| *known == field) {
            return at(log, key);
        }
        let (.., keys) = FIELDS.iter().find(|(known, ..)| *known == field)?;
        keys.iter().find_map(|key| at(log, key))
    }

    /// The request's headers that stand by themselves in a line.
    pub(super) fn request_headers<'a>(
        &'a self,
        log: &'a Value,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let named = self.headers.iter().filter_map(|(name, key)| Some((name.as_str(), at(log, key)?)));
        let known = HEADERS
            .iter()
            .filter_map(|(name, keys)| Some((*name, keys.iter().find_map(|key| at(log, key))?)));
        named.chain(known)
    }
}

/// The value of a key, or of a path of keys with dots between them.
fn at<'a>(log: &'a Value, key: &str) -> Option<&'a Value> {
    let found = log.get(key).or_else(|| {
        let (first, rest) = key.split_once('.')?;
        at(log.get(first)?, rest)
    });
    found.filter(|value| !value.is_null())
}

impl FromStr for FieldMap {
    type Err = FieldMapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut map = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let pair = part.split_once('=').filter(|(field, key)| !field.is_empty() && !key.is_empty());
            let (field, key) = pair.ok_or_else(|| FieldMapError::NoPair { part: part.to_owned() })?;
            if let Some(name) = field.strip_prefix(HEADER_PREFIX) {
                map.headers.push((name.to_ascii_lowercase(), key.to_owned()));
                continue;
            }
            let known = FIELDS.iter().find(|(_, name, _)| *name == field);
            let (known, ..) = known.ok_or_else(|| FieldMapError::Unknown { field: field.to_owned() })?;
            map.fields.push((*known, key.to_owned()));
        }
        Ok(map)
    }
}
