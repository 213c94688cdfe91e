//! Being written: the exchange, as every recording format gives it.

use serde::{Deserialize, Serialize};

/// One recorded request with its response: one line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Unique within the recording.
    pub id: String,
    /// The exchange in whose handling the application made this call, if any.
    #[serde(default)]
    pub parent: Option<String>,
    /// The service that sent the request.
    pub source: String,
    /// The service that answered.
    pub destination: String,
    /// When the source sent the first byte, RFC 3339 in UTC.
    pub start: jiff::Timestamp,
    /// The request as the source sent it.
    pub request: Request,
    /// The response as the destination sent it.
    pub response: Response,
    /// Instants as the source saw them, in microseconds after `start`.
    pub timing_us: Timing,
}

/// A request's head, and how large its body was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and, unless it is the scheme's own, port.
    pub authority: String,
    /// Path with its query.
    pub path: String,
    /// Other headers, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Size of the body in bytes.
    #[serde(default)]
    pub body_bytes: u64,
}

/// A response's head and trailers, and how large its body was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// Headers, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Size of the body in bytes.
    #[serde(default)]
    pub body_bytes: u64,
    /// Trailers, in order: gRPC's status among them.
    #[serde(default)]
    pub trailers: Vec<(String, String)>,
}

/// Microseconds after the exchange's start, each not before the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The last byte of the request was sent.
    pub request_end: u64,
    /// The first byte of the response came.
    pub response_start: u64,
    /// The last byte of the response came.
    pub response_end: u64,
}
