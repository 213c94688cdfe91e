//! Hosts and ports: out of authorities, out of the proxy's addresses, out of forwarding headers.
//! Spec: RFC 3986 §3.2, RFC 7239.

use crate::attributes::{Attributes, Value};
use crate::headers::Headers;

/// A host, without the brackets of an IPv6 address, and its port if one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// Name or address; never empty.
    pub host: &'a [u8],
    /// The port that is written.
    pub port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Splits an authority or an address; userinfo is left out. None if there is no host.
    pub fn parse(authority: &'a [u8]) -> Option<Self> {
        let authority = split_userinfo(authority).1.trim_ascii();
        let parsed = match authority.strip_prefix(b"[").and_then(|rest| split_once(rest, b']')) {
            Some((host, rest)) => Self { host, port: rest.strip_prefix(b":").and_then(parse_port) },
            None => match split_once(authority, b':') {
                Some((host, port)) if !port.contains(&b':') => Self { host, port: parse_port(port) },
                _ => Self { host: authority, port: None },
            },
        };
        (!parsed.host.is_empty()).then_some(parsed)
    }

    /// Writes host and port as two attributes.
    pub fn record(self, attributes: &mut Attributes, address: &'static str, port: &'static str) {
        attributes.set(address, Value::lossy(self.host));
        attributes.set_some(port, self.port);
    }
}

/// Splits an authority into its userinfo, if any, and the rest.
pub fn split_userinfo(authority: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => {
            let (userinfo, host) = authority.split_at_checked(at).unwrap_or((authority, b""));
            (Some(userinfo), host.strip_prefix(b"@").unwrap_or(host))
        }
        None => (None, authority),
    }
}

/// The first value that the proxies on the way noted of the original request: in `Forwarded` as
/// `parameter`, else in `header`. Empty values and RFC 7239's `unknown` count as absent.
pub fn forwarded<'a>(headers: &Headers<'a>, parameter: &str, header: &str) -> Option<&'a [u8]> {
    let forwarded = headers.first("forwarded").and_then(|value| {
        list_head(value).split(|byte| *byte == b';').find_map(|pair| {
            let (name, value) = split_once(pair, b'=')?;
            name.trim_ascii().eq_ignore_ascii_case(parameter.as_bytes()).then(|| unquote(value.trim_ascii()))
        })
    });
    forwarded
        .or_else(|| headers.first(header).map(list_head))
        .filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case(b"unknown"))
}

fn list_head(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii()
}

fn unquote(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

pub(crate) fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.iter().all(u8::is_ascii_digit) { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}
