//! A request's URL, in parts and whole, without the secrets that the conventions name.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md>
//! `sig=s3cret&page=2` → `sig=REDACTED&page=2`

use std::borrow::Cow;

use crate::attributes::Attributes;
use crate::attributes::address::{split_once, split_userinfo};

const REDACTED: &[u8] = b"REDACTED";

/// Query parameters whose values are credentials, as the conventions list them.
pub const SECRET_PARAMETERS: [&str; 7] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
];

/// What becomes of a URL's query in spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryPolicy {
    /// Kept, but for the values of these parameters; names compare with regard to case.
    Redact(Vec<String>),
    /// Kept as it is.
    Keep,
    /// Left out.
    Drop,
}

impl Default for QueryPolicy {
    /// Hides [`SECRET_PARAMETERS`].
    fn default() -> Self {
        Self::Redact(SECRET_PARAMETERS.map(str::to_owned).to_vec())
    }
}

impl QueryPolicy {
    /// What of `query` may be shown.
    pub fn apply<'q>(&self, query: &'q [u8]) -> Option<Cow<'q, [u8]>> {
        match self {
            Self::Keep => Some(Cow::Borrowed(query)),
            Self::Drop => None,
            Self::Redact(secrets) => Some(redact(query, secrets)),
        }
    }
}

fn redact<'q>(query: &'q [u8], secrets: &[String]) -> Cow<'q, [u8]> {
    let with_name = |parameter| (parameter, secret(parameter, secrets));
    let parameters = || query.split(|byte| *byte == b'&').map(with_name);
    if parameters().all(|(_, secret)| secret.is_none()) {
        return Cow::Borrowed(query);
    }
    let mut out = Vec::with_capacity(query.len());
    for (i, (parameter, secret)) in parameters().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        match secret {
            Some(name) => out.extend([name, b"=", REDACTED].concat()),
            None => out.extend_from_slice(parameter),
        }
    }
    Cow::Owned(out)
}

/// The name of a parameter whose value is a secret.
fn secret<'q>(parameter: &'q [u8], secrets: &[String]) -> Option<&'q [u8]> {
    split_once(parameter, b'=').map(|(name, _)| name).filter(|name| is_secret(name, secrets))
}

/// Whether `name`, which may be percent-encoded, is a secret's.
fn is_secret(name: &[u8], secrets: &[String]) -> bool {
    let is_among = |name: &[u8]| secrets.iter().any(|secret| secret.as_bytes() == name);
    if name.contains(&b'%') { is_among(&percent_decode(name)) } else { is_among(name) }
}

/// Decodes `%41` to `A`; what is not an escape stays as it is.
pub fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        let mut decoded = [0];
        match tail.split_at_checked(2) {
            Some((digits, after)) if *byte == b'%' && hex::decode_to_slice(digits, &mut decoded).is_ok() => {
                out.extend_from_slice(&decoded);
                rest = after;
            }
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

/// A request target in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The authority, if the target is in absolute form.
    pub authority: Option<&'a [u8]>,
    /// Path without query; `*` for a server-wide `OPTIONS`, empty for `CONNECT`.
    pub path: &'a [u8],
    /// Query without `?`.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Splits `:path`; a fragment, which no client should send, is left out.
    pub fn parse(target: &'a [u8]) -> Self {
        let (target, query) = split_query(target);
        let (authority, path) = absolute(target).map_or((None, target), |(host, path)| (Some(host), path));
        Self { authority, path, query }
    }
}

/// Splits off the query; a fragment is left out.
fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let target = split_once(target, b'#').map_or(target, |(before, _)| before);
    split_once(target, b'?').map_or((target, None), |(before, query)| (before, Some(query)))
}

/// Splits `http://host/path` into host and path.
fn absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = split_once(target, b':')?;
    let rest = rest.strip_prefix(b"//").filter(|_| is_scheme(scheme))?;
    let path_at = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    rest.split_at_checked(path_at)
}

/// Whether `text` is a URI scheme by RFC 3986 §3.1.
pub fn is_scheme(text: &[u8]) -> bool {
    let tail_fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    text.first().is_some_and(u8::is_ascii_alphabetic) && text.iter().all(tail_fits)
}

/// What of a URL a text is that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlPart {
    /// A URL, from its scheme, its authority or its path on.
    Whole,
    /// What is between `//` and the path.
    Authority,
    /// What is behind `?`.
    Query,
}

impl UrlPart {
    /// What of `text` may be shown: userinfo becomes `REDACTED:REDACTED`, the query is as `policy` has it,
    /// a fragment is left out.
    pub fn show(self, text: &[u8], policy: &QueryPolicy) -> Option<Vec<u8>> {
        let (before, query) = match self {
            Self::Whole => split_query(text),
            Self::Authority => (text, None),
            Self::Query => return policy.apply(text).map(Cow::into_owned),
        };
        let (authority_at, path_at) = if self == Self::Whole { authority(before) } else { (0, before.len()) };
        let (lead, rest) = before.split_at_checked(authority_at)?;
        let (authority, path) = rest.split_at_checked(path_at - authority_at)?;
        let (userinfo, host) = split_userinfo(authority);
        let userinfo = if userinfo.is_some() { &b"REDACTED:REDACTED@"[..] } else { b"" };
        let query = query.and_then(|query| policy.apply(query));
        let (mark, query) = query.as_deref().map_or((&b""[..], &b""[..]), |query| (b"?", query));
        Some([lead, userinfo, host, path, mark, query].concat())
    }
}

/// From where to where an authority is in a URL without query: behind `://` or a leading `//`; what begins
/// with none of these and no `/` may be an authority.
fn authority(url: &[u8]) -> (usize, usize) {
    let from = match url.windows(3).position(|three| three == b"://") {
        _ if url.starts_with(b"//") => 2,
        Some(at) => at + 3,
        None if url.starts_with(b"/") => url.len(),
        None => 0,
    };
    let path = url.iter().skip(from).position(|byte| *byte == b'/');
    (from, path.map_or(url.len(), |at| from + at))
}

/// Notes a whole URL as `key`; userinfo in `authority` becomes `REDACTED:REDACTED`, the query is as
/// `policy` has it. Without an authority it is a relative one, from the path on.
pub fn record_full(
    attributes: &mut Attributes,
    key: &str,
    (scheme, authority): (&str, &[u8]),
    target: Target<'_>,
    policy: &QueryPolicy,
) {
    let (userinfo, host) = split_userinfo(authority);
    let (scheme, separator) = match userinfo {
        _ if host.is_empty() => ("", ""),
        None => (scheme, "://"),
        Some(_) => (scheme, "://REDACTED:REDACTED@"),
    };
    let query = target.query.and_then(|query| policy.apply(query));
    let (mark, query) = query.as_deref().map_or((&b""[..], &b""[..]), |query| (b"?", query));
    let parts = [scheme.as_bytes(), separator.as_bytes(), host, target.path, mark, query];
    attributes.set_joined(key, &parts);
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn rule_33_redacts_the_values_of_credentials() {
        let cases = [
            ("sig=s3cret&page=2", "sig=REDACTED&page=2", "key kept, others untouched"),
            (
                "X-Amz-Signature=a&X-Amz-Credential=b&X-Amz-Security-Token=c&AWSAccessKeyId=d&Signature=e&X-Goog-Signature=f",
                "X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED&\
                 AWSAccessKeyId=REDACTED&Signature=REDACTED&X-Goog-Signature=REDACTED",
                "the whole list",
            ),
            ("SIG=a&signature=b", "SIG=a&signature=b", "case-sensitive"),
            ("sig=a=b&sig=c", "sig=REDACTED&sig=REDACTED", "every one, to its end"),
            ("%73ig=a", "%73ig=REDACTED", "an encoded name is the same name"),
            ("%7=a&%=b", "%7=a&%=b", "a broken escape is none"),
            ("sig", "sig", "no value"),
            ("&&a=&=b&", "&&a=&=b&", "odd shapes stay"),
            ("", "", "empty"),
        ];
        for (query, expected, reason) in cases {
            let shown = QueryPolicy::default().apply(query.as_bytes()).unwrap();
            assert_eq!(String::from_utf8_lossy(&shown), expected, "{reason}");
            assert_eq!(QueryPolicy::Keep.apply(query.as_bytes()).as_deref(), Some(query.as_bytes()));
            assert_eq!(QueryPolicy::Drop.apply(query.as_bytes()), None);
        }
    }

    #[test]
    fn rule_33_the_list_is_overridable() {
        let policy = QueryPolicy::Redact(vec!["token".to_owned()]);
        let shown = policy.apply(b"token=a&sig=b&tok%65n=c").unwrap();
        assert_eq!(String::from_utf8_lossy(&shown), "token=REDACTED&sig=b&tok%65n=REDACTED");
        assert_eq!(QueryPolicy::Redact(Vec::new()).apply(b"sig=b").as_deref(), Some(&b"sig=b"[..]));
    }

    #[test]
    fn splits_request_targets() {
        type Row<'a> = (&'a str, Option<&'a str>, &'a str, Option<&'a str>, &'a str);
        let cases: [Row<'_>; 9] = [
            ("/api/vote?choice=:doughnut:", None, "/api/vote", Some("choice=:doughnut:"), "a query"),
            ("/a?b?c", None, "/a", Some("b?c"), "only the first question mark"),
            ("/a?", None, "/a", Some(""), "an empty query is one"),
            ("/a#token", None, "/a", None, "a fragment is never shown"),
            ("http://u:p@h:1/a?b", Some("u:p@h:1"), "/a", Some("b"), "absolute form"),
            ("http://h", Some("h"), "", None, "absolute form without path"),
            ("/redirect/http://other/x", None, "/redirect/http://other/x", None, "a URL in the path"),
            ("*", None, "*", None, "OPTIONS for the whole server"),
            ("", None, "", None, "CONNECT"),
        ];
        for (target, authority, path, query, reason) in cases {
            let expected = Target {
                authority: authority.map(str::as_bytes),
                path: path.as_bytes(),
                query: query.map(str::as_bytes),
            };
            assert_eq!(Target::parse(target.as_bytes()), expected, "{reason}");
        }
    }

    #[test]
    fn rule_33_whole_urls_show_no_userinfo() {
        let cases = [
            ("h:80", "/a?sig=x&b=1", QueryPolicy::default(), "https://h:80/a?sig=REDACTED&b=1", "redacted"),
            ("h", "/a?sig=x", QueryPolicy::Keep, "https://h/a?sig=x", "kept"),
            ("h", "/a?sig=x", QueryPolicy::Drop, "https://h/a", "left out"),
            ("u:p@h", "/", QueryPolicy::Keep, "https://REDACTED:REDACTED@h/", "name and password"),
            ("u@h", "/", QueryPolicy::Keep, "https://REDACTED:REDACTED@h/", "a name alone"),
            ("", "/a", QueryPolicy::Keep, "/a", "HTTP/1.0 without host"),
        ];
        for (authority, target, policy, expected, reason) in cases {
            let mut attributes = Attributes::default();
            let target = Target::parse(target.as_bytes());
            record_full(&mut attributes, "url", ("https", authority.as_bytes()), target, &policy);
            assert_eq!(attributes.find("url"), Some(expected.into()), "{reason}");
        }
    }

    #[test]
    fn rule_33_urls_that_others_wrote_show_no_secrets() {
        use UrlPart::{Authority, Query, Whole};
        let cases = [
            (
                Whole,
                "http://u:p@h:1/x?sig=1&a=2",
                "http://REDACTED:REDACTED@h:1/x?sig=REDACTED&a=2",
                "all of it",
            ),
            (Whole, "/x?sig=1", "/x?sig=REDACTED", "from the path on"),
            (Whole, "//u:p@h/x", "//REDACTED:REDACTED@h/x", "without a scheme"),
            (Whole, "u:p@h:443", "REDACTED:REDACTED@h:443", "an authority, as of CONNECT"),
            (
                Whole,
                "http://u:p@h?sig=1#top",
                "http://REDACTED:REDACTED@h?sig=REDACTED",
                "no path, a fragment",
            ),
            (
                Whole,
                "GET http://u:p@h/?sig=1 HTTP/1.1",
                "GET http://REDACTED:REDACTED@h/?sig=REDACTED",
                "a line",
            ),
            (Whole, "/to/http://u:p@h/@x", "/to/http://REDACTED:REDACTED@h/@x", "a URL in the path"),
            (Whole, "/@scope/a//b@c", "/@scope/a//b@c", "an @ in the path"),
            (Whole, "*", "*", "OPTIONS for the whole server"),
            (Whole, "", "", "empty"),
            (Authority, "u:p/w?@h:80", "REDACTED:REDACTED@h:80", "all before the last @"),
            (Authority, "h:80", "h:80", "nothing to hide"),
            (Query, "a=u:p@h&sig=1", "a=u:p@h&sig=REDACTED", "a query alone"),
        ];
        for (part, text, expected, reason) in cases {
            let shown = part.show(text.as_bytes(), &QueryPolicy::default()).unwrap();
            assert_eq!(String::from_utf8_lossy(&shown), expected, "{reason}");
        }
        let url = b"http://u@h/x?a=1";
        assert_eq!(Whole.show(url, &QueryPolicy::Keep).unwrap(), b"http://REDACTED:REDACTED@h/x?a=1");
        assert_eq!(Whole.show(url, &QueryPolicy::Drop).unwrap(), b"http://REDACTED:REDACTED@h/x");
        assert_eq!(Query.show(b"a=1", &QueryPolicy::Drop), None, "left out");
    }

    #[test]
    fn schemes_follow_their_grammar() {
        for (text, valid) in [("https", true), ("h2+x.-", true), ("", false), ("1h", false), ("h s", false)] {
            assert_eq!(is_scheme(text.as_bytes()), valid, "{text}");
        }
    }
}
