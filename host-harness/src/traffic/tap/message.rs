//! The messages of `envoy.data.tap.v3` as far as an exchange needs them, for protobuf and for JSON.
//! A subset of our own: the crate `envoy-types` takes minutes to build, and knows no JSON.
//!
//! Members of a `oneof` stand beside each other: on the wire it is the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::traffic::HeaderValue as Value;
use crate::traffic::draft::pair;

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct TraceWrapper {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "httpBufferedTrace")]
    pub(super) http_buffered_trace: Option<HttpBufferedTrace>,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "httpStreamedTraceSegment")]
    pub(super) http_streamed_trace_segment: Option<Segment>,
    #[prost(message, optional, tag = "3")]
    #[serde(alias = "socketBufferedTrace")]
    pub(super) socket_buffered_trace: Option<Other>,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "socketStreamedTraceSegment")]
    pub(super) socket_streamed_trace_segment: Option<Other>,
}

/// A message of which only its presence counts.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
pub(super) struct Other {}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HttpBufferedTrace {
    #[prost(message, optional, tag = "1")]
    pub(super) request: Option<HttpMessage>,
    #[prost(message, optional, tag = "2")]
    pub(super) response: Option<HttpMessage>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HttpMessage {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<HeaderValue>,
    #[prost(message, optional, tag = "2")]
    pub(super) body: Option<Body>,
    #[prost(message, repeated, tag = "3")]
    pub(super) trailers: Vec<HeaderValue>,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "headersReceivedTime", deserialize_with = "instant")]
    pub(super) headers_received_time: Option<Time>,
}

/// `HttpStreamedTraceSegment`: one of the pieces.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct Segment {
    #[prost(uint64, tag = "1")]
    #[serde(alias = "traceId", deserialize_with = "number")]
    pub(super) trace_id: u64,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "requestHeaders")]
    pub(super) request_headers: Option<HeaderMap>,
    #[prost(message, optional, tag = "3")]
    #[serde(alias = "requestBodyChunk")]
    pub(super) request_body_chunk: Option<Body>,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "requestTrailers")]
    pub(super) request_trailers: Option<HeaderMap>,
    #[prost(message, optional, tag = "5")]
    #[serde(alias = "responseHeaders")]
    pub(super) response_headers: Option<HeaderMap>,
    #[prost(message, optional, tag = "6")]
    #[serde(alias = "responseBodyChunk")]
    pub(super) response_body_chunk: Option<Body>,
    #[prost(message, optional, tag = "7")]
    #[serde(alias = "responseTrailers")]
    pub(super) response_trailers: Option<HeaderMap>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<HeaderValue>,
}

/// A header. `value` is a `string` in Envoy's schema, and Envoy writes `!` into it for bytes that are not
/// UTF-8; of other writers any bytes are taken.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct HeaderValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(deserialize_with = "text")]
    value: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    #[serde(alias = "rawValue", deserialize_with = "base64")]
    raw_value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(alias = "asBytes", deserialize_with = "base64")]
    as_bytes: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(alias = "asString", deserialize_with = "text")]
    as_string: Vec<u8>,
    /// Whether this is only the beginning.
    #[prost(bool, tag = "3")]
    pub(super) truncated: bool,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl HeaderValue {
    pub(super) fn into_pair(self) -> (String, Value) {
        pair(self.key, if self.raw_value.is_empty() { self.value } else { self.raw_value })
    }
}

impl Body {
    pub(super) fn bytes(&self) -> &[u8] {
        if self.as_bytes.is_empty() { &self.as_string } else { &self.as_bytes }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        if self.as_bytes.is_empty() { self.as_string } else { self.as_bytes }
    }
}

impl Time {
    pub(super) fn instant(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::new(self.seconds, self.nanos).ok()
    }
}

/// Protobuf's JSON writes 64 bits as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text.parse().map_err(D::Error::custom),
        value => value.as_u64().ok_or_else(|| D::Error::custom("trace_id is no number of 64 bits")),
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    String::deserialize(deserializer).map(String::into_bytes)
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let instant: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
    Ok(Some(Time { seconds: instant.as_second(), nanos: instant.subsec_nanosecond() }))
}
