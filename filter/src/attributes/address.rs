//! Hosts and ports: out of authorities, out of the proxy's addresses, out of forwarding headers.
//! Spec: RFC 3986 §3.2, RFC 7239.

use crate::attributes::{Attributes, Value};

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
    pub fn record(self, attributes: &mut Attributes, address: &str, port: &str) {
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

/// The first value that the proxies on the way noted of the original request: in the header
/// `forwarded` as `parameter`, else in `header`, its older sibling. Empty values and RFC 7239's
/// `unknown` count as absent.
pub fn original<'a>(
    forwarded: Option<&'a [u8]>,
    parameter: &str,
    header: Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    let noted = forwarded.and_then(|value| {
        list_head(value).split(|byte| *byte == b';').find_map(|pair| {
            let (name, value) = split_once(pair, b'=')?;
            name.trim_ascii().eq_ignore_ascii_case(parameter.as_bytes()).then(|| unquote(value.trim_ascii()))
        })
    });
    noted
        .or_else(|| header.map(list_head))
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

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn parsed(authority: &str) -> Option<(String, Option<u16>)> {
        let parsed = HostPort::parse(authority.as_bytes())?;
        Some((String::from_utf8_lossy(parsed.host).into_owned(), parsed.port))
    }

    #[test]
    fn rule_32_splits_hosts_and_ports() {
        let cases = [
            ("web-svc.emojivoto:80", Some(("web-svc.emojivoto", Some(80))), "name and port"),
            ("example.com", Some(("example.com", None)), "no port"),
            ("10.0.0.1:54321", Some(("10.0.0.1", Some(54321))), "as the proxy gives addresses"),
            ("[::1]:8080", Some(("::1", Some(8080))), "IPv6 loses its brackets"),
            ("[2001:db8::1]", Some(("2001:db8::1", None)), "IPv6 without port"),
            ("2001:db8::1", Some(("2001:db8::1", None)), "IPv6 without brackets has no port"),
            ("user:secret@example.com:1", Some(("example.com", Some(1))), "userinfo is left out"),
            ("a@b@example.com", Some(("example.com", None)), "all of it"),
            ("example.com:70000", Some(("example.com", None)), "no such port"),
            ("example.com:+80", Some(("example.com", None)), "a sign is no digit"),
            ("example.com:", Some(("example.com", None)), "an empty port"),
            ("[::1", Some(("[::1", None)), "an unclosed bracket is kept as it is"),
            (":80", None, "no host"),
            ("", None, "nothing"),
        ];
        for (authority, expected, reason) in cases {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(parsed(authority), expected, "{authority}: {reason}");
        }
    }

    #[test]
    fn rule_32_reads_the_original_request_out_of_forwarding_headers() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Pairs<'_>, Option<&str>, &str); 9] = [
            (&[], None, "neither is there"),
            (&[("x-forwarded-host", "a.com")], Some("a.com"), "the older header"),
            (&[("x-forwarded-host", "a.com, b.com")], Some("a.com"), "the first proxy's"),
            (
                &[("forwarded", "for=1.2.3.4;host=f.com"), ("x-forwarded-host", "a.com")],
                Some("f.com"),
                "RFC 7239 wins",
            ),
            (&[("forwarded", "Host=\"f.com:1\" , host=g.com")], Some("f.com:1"), "quoted, name in any case"),
            (&[("forwarded", "for=1.2.3.4"), ("x-forwarded-host", "a.com")], Some("a.com"), "no host in it"),
            (&[("forwarded", "host=unknown")], None, "RFC 7239's word for none"),
            (&[("x-forwarded-host", "")], None, "empty"),
            (&[("forwarded", ";;=,")], None, "malformed"),
        ];
        for (pairs, expected, reason) in cases {
            let headers = crate::headers::Headers::new(
                pairs.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect(),
            );
            let found = original(headers.first("forwarded"), "host", headers.first("x-forwarded-host"));
            assert_eq!(found, expected.map(str::as_bytes), "{reason}");
        }
    }
}
