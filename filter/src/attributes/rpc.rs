//! gRPC calls: method and status.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/rpc/grpc.md>
//! `/emojivoto.v1.VotingService/VoteDoughnut` → `emojivoto.v1.VotingService/VoteDoughnut`

use std::borrow::Cow;

use crate::attributes::{Attributes, Value, key};
use crate::headers::Headers;

/// Whether `headers` are of a gRPC request or response; gRPC-Web, whose status is in the body, is not.
pub fn is_grpc(headers: &Headers<'_>) -> bool {
    let rest = headers.first("content-type").and_then(|value| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The method that a call's path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method<'a> {
    /// `pkg.Service/Method`, of gRPC's grammar.
    Named(&'a str),
    /// Something else, as it was.
    Other(&'a [u8]),
}

impl<'a> Method<'a> {
    /// Reads a path.
    pub fn parse(path: &'a [u8]) -> Self {
        Self::named(path).map_or(Self::Other(path), Self::Named)
    }

    fn named(path: &'a [u8]) -> Option<&'a str> {
        let method = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
        let is_name = |text: &str, extra: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
        };
        let (service, name) = method.split_once('/')?;
        (is_name(service, "._") && is_name(name, "_")).then_some(method)
    }

    /// The method itself, or `grpc` if it is not one.
    pub fn span_name(&self) -> Cow<'static, str> {
        match self {
            Self::Named(method) => Cow::Owned((*method).to_owned()),
            Self::Other(_) => Cow::Borrowed("grpc"),
        }
    }

    /// Writes `rpc.system.name` and `rpc.method`.
    pub fn record(&self, attributes: &mut Attributes) {
        attributes.set(key::RPC_SYSTEM_NAME, "grpc");
        match self {
            Self::Named(method) => attributes.set(key::RPC_METHOD, (*method).to_owned()),
            Self::Other(path) => {
                attributes.set(key::RPC_METHOD, "_OTHER");
                attributes.set(key::RPC_METHOD_ORIGINAL, Value::lossy(path));
            }
        }
    }
}

/// How a call ended, 0 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCode(u8);

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl StatusCode {
    const UNKNOWN: Self = Self(2);

    /// The `grpc-status` in `headers`, which may be trailers or a trailers-only head. A value that
    /// is no known code is UNKNOWN, as clients have to take it.
    pub fn read(headers: &Headers<'_>) -> Option<Self> {
        let value = headers.first("grpc-status")?.trim_ascii();
        let code = std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'));
        let code = code.and_then(|text| text.parse().ok()).filter(|code| usize::from(*code) < NAMES.len());
        Some(code.map_or(Self::UNKNOWN, Self))
    }

    /// What clients make of an HTTP response that is no gRPC one; none for success.
    /// Source: gRPC, "HTTP to gRPC Status Code Mapping".
    pub fn from_http(status: u16) -> Option<Self> {
        match status {
            200..=299 => None,
            400 => Some(Self(13)),
            401 => Some(Self(16)),
            403 => Some(Self(7)),
            404 => Some(Self(12)),
            429 | 502..=504 => Some(Self(14)),
            _ => Some(Self::UNKNOWN),
        }
    }

    /// The code's name, such as `DEADLINE_EXCEEDED`.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("UNKNOWN")
    }

    /// Whether the caller failed to get what it wanted.
    pub fn is_client_error(self) -> bool {
        self.0 != 0
    }

    /// Whether the server is to blame: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
    /// UNAVAILABLE or DATA_LOSS.
    pub fn is_server_error(self) -> bool {
        matches!(self.0, 2 | 4 | 12..=15)
    }
}
