//! gRPC calls: method and status.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/rpc/grpc.md>
//! `/emojivoto.v1.VotingService/VoteDoughnut` → `emojivoto.v1.VotingService/VoteDoughnut`

use std::borrow::Cow;

use crate::attributes::{Attributes, Value, key};

/// Whether a `content-type` is gRPC's; gRPC-Web's, whose status is in the body, is not.
pub fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
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
            Self::Named(method) => attributes.set(key::RPC_METHOD, *method),
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

    /// Reads the value of `grpc-status`. One that is no known code is UNKNOWN, as clients have to take it.
    pub fn parse(value: &[u8]) -> Self {
        let code = std::str::from_utf8(value.trim_ascii()).ok().filter(|text| !text.starts_with('+'));
        let code = code.and_then(|text| text.parse().ok()).filter(|code| usize::from(*code) < NAMES.len());
        code.map_or(Self::UNKNOWN, Self)
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

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn rule_36_recognizes_grpc_by_its_content_type() {
        let cases: [(&[u8], bool, &str); 6] = [
            (b"application/grpc", true, "plain"),
            (b"application/grpc+proto", true, "with a codec"),
            (b"application/grpc;charset=utf-8", true, "with a parameter"),
            (b"application/grpc-web+proto", false, "gRPC-Web has its status in the body"),
            (b"application/json", false, "something else"),
            (b"", false, "empty"),
        ];
        for (value, expected, reason) in cases {
            assert_eq!(is_grpc(value), expected, "{reason}");
        }
    }

    #[test]
    fn rule_36_methods_follow_grpcs_grammar_or_are_other() {
        let cases: [(&[u8], Option<&str>, &str); 9] = [
            (
                b"/emojivoto.v1.VotingService/VoteDoughnut",
                Some("emojivoto.v1.VotingService/VoteDoughnut"),
                "emojivoto",
            ),
            (b"/S/m_1", Some("S/m_1"), "no package"),
            (b"/S/", None, "no method"),
            (b"//m", None, "no service"),
            (b"/S/m/x", None, "too many parts"),
            (b"S/m", None, "no leading slash"),
            (b"/S/m=1", None, "not a name"),
            (b"/S/\xff", None, "not UTF-8"),
            (b"", None, "nothing"),
        ];
        for (path, named, reason) in cases {
            let method = Method::parse(path);
            let mut attributes = Attributes::default();
            method.record(&mut attributes);
            assert_eq!(attributes.find(key::RPC_SYSTEM_NAME), Some(Value::from("grpc")));
            assert_eq!(method.span_name(), named.unwrap_or("grpc"), "{reason}");
            assert_eq!(attributes.find(key::RPC_METHOD), Some(Value::from(named.unwrap_or("_OTHER"))));
            let original = named.is_none().then(|| Value::lossy(path));
            assert_eq!(attributes.find(key::RPC_METHOD_ORIGINAL), original, "{reason}");
        }
    }

    #[test]
    fn rule_37_statuses_have_names_and_someone_to_blame() {
        let cases = [
            ("0", "OK", false, false),
            ("1", "CANCELLED", true, false),
            ("2", "UNKNOWN", true, true),
            ("3", "INVALID_ARGUMENT", true, false),
            ("4", "DEADLINE_EXCEEDED", true, true),
            ("5", "NOT_FOUND", true, false),
            ("6", "ALREADY_EXISTS", true, false),
            ("7", "PERMISSION_DENIED", true, false),
            ("8", "RESOURCE_EXHAUSTED", true, false),
            ("9", "FAILED_PRECONDITION", true, false),
            ("10", "ABORTED", true, false),
            ("11", "OUT_OF_RANGE", true, false),
            ("12", "UNIMPLEMENTED", true, true),
            ("13", "INTERNAL", true, true),
            ("14", "UNAVAILABLE", true, true),
            ("15", "DATA_LOSS", true, true),
            ("16", "UNAUTHENTICATED", true, false),
            ("17", "UNKNOWN", true, true),
            ("+1", "UNKNOWN", true, true),
            ("300", "UNKNOWN", true, true),
            ("", "UNKNOWN", true, true),
        ];
        for (value, name, client, server) in cases {
            let code = StatusCode::parse(value.as_bytes());
            assert_eq!(
                (code.name(), code.is_client_error(), code.is_server_error()),
                (name, client, server),
                "{value}"
            );
        }
    }

    #[test]
    fn rule_37_http_statuses_stand_for_grpc_ones() {
        let cases = [
            (200, None),
            (400, Some("INTERNAL")),
            (401, Some("UNAUTHENTICATED")),
            (403, Some("PERMISSION_DENIED")),
            (404, Some("UNIMPLEMENTED")),
            (429, Some("UNAVAILABLE")),
            (500, Some("UNKNOWN")),
            (502, Some("UNAVAILABLE")),
            (503, Some("UNAVAILABLE")),
            (504, Some("UNAVAILABLE")),
        ];
        for (status, name) in cases {
            assert_eq!(StatusCode::from_http(status).map(StatusCode::name), name, "{status}");
        }
    }
}
