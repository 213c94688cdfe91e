//! Where requests are sent on to, as a URL gives it.
//!
//! `http://127.0.0.1:8080` → host, port 8080, no TLS

use std::str::FromStr;

use hyper::Uri;

/// Host and port, and whether TLS is spoken there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The scheme is `https`.
    pub is_tls: bool,
}

/// Text that is no [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no upstream: {reason}, expected http://HOST:PORT or https://HOST:PORT")]
pub struct EndpointError {
    found: String,
    reason: &'static str,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// A URL without path; without a scheme it is `http`, without a port the scheme's own.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = |reason| EndpointError { found: text.to_owned(), reason };
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| error("it is not a URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(error("its scheme is neither http nor https")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(error("it has a path"));
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(error("it has no host"));
        }
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { host: host.to_owned(), port, is_tls })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        if self.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_or_refused_with_a_reason() {
        let rows = [
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
            ("localhost:80", Ok("http://localhost:80")),
            ("https://example.test/", Ok("https://example.test:443")),
            ("http://[::1]:9", Ok("http://[::1]:9")),
            ("http://a/b", Err("it has a path")),
            ("ftp://a", Err("its scheme is neither http nor https")),
            ("http://", Err("it is not a URL")),
            ("a b", Err("it is not a URL")),
        ];
        for (text, expected) in rows {
            match (text.parse::<Endpoint>(), expected) {
                (Ok(endpoint), Ok(shown)) => assert_eq!(endpoint.to_string(), shown),
                (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
