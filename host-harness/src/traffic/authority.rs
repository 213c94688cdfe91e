//! Targets of requests: URLs and authorities, taken apart as they are written. Nothing is decoded.
//!
//! `https://user@web:8443/a?b#c` → `https`, `web:8443`, `/a?b`

use super::SkipReason;

/// A URL's parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) scheme: &'a str,
    pub(super) authority: &'a str,
    /// With its query; `/` if there is none.
    pub(super) path: String,
}

/// Takes an absolute URL apart; credentials and fragment are left out.
///
/// # Errors
/// It is not absolute, or of no scheme that HTTP has.
pub(super) fn split_url(url: &str) -> Result<Target<'_>, SkipReason> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(SkipReason::Incomplete("absolute URL"));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        let shown: String = scheme.chars().take(20).collect();
        return Err(SkipReason::NotHttp(format!("its URL's scheme is {shown:?}")));
    }
    let rest = rest.strip_prefix("//").ok_or(SkipReason::Incomplete("absolute URL"))?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Target { scheme, authority, path })
}

/// An authority's host: without credentials, port and an IPv6 address's brackets.
pub(super) fn host_of(authority: &str) -> &str {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some((host, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.contains(':') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        for (url, scheme, authority, path) in [
            ("http://web/a/b?c=d", "http", "web", "/a/b?c=d"),
            ("https://user:pw@web:8443/a#b", "https", "web:8443", "/a"),
            ("HTTPS://web", "HTTPS", "web", "/"),
            ("http://web?a=/b", "http", "web", "/?a=/b"),
            ("http://[::1]:80/a@b", "http", "[::1]:80", "/a@b"),
            ("http://web/a b?ü", "http", "web", "/a b?ü"),
        ] {
            assert_eq!(split_url(url).unwrap(), Target { scheme, authority, path: path.to_owned() }, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, expected) in [
            ("data:image/png;base64,AAAA", "is no HTTP exchange: its URL's scheme is \"data\""),
            ("wss://web/", "is no HTTP exchange: its URL's scheme is \"wss\""),
            ("/a", "has no absolute URL"),
            ("http:web", "has no absolute URL"),
        ] {
            assert_eq!(split_url(url).unwrap_err().to_string(), expected, "{url}");
        }
    }

    #[test]
    fn hosts_have_no_port() {
        for (authority, host) in [
            ("web", "web"),
            ("web:80", "web"),
            ("u@web:80", "web"),
            ("[::1]:80", "::1"),
            ("::1", "::1"),
            ("web:", "web"),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }
}
