//! Takes secrets out of an exchange before it is written to disk: values of headers, trailers and query
//! parameters that are known to hold them. Names and order stay. Bodies are left as they are.
//!
//! `authorization: Bearer eyJ…` → `authorization: REDACTED`

use std::collections::BTreeSet;

use super::Exchange;

/// What stands for a secret.
pub const REDACTED: &str = "REDACTED";

/// Headers and trailers whose values are secrets, in lower case.
pub const SECRET_HEADERS: [&str; 19] = [
    // Credentials, RFC 9110 and RFC 6265.
    "authorization",
    "authentication-info",
    "cookie",
    "proxy-authentication-info",
    "proxy-authorization",
    "set-cookie",
    // Keys and tokens that have become customary.
    "api-key",
    "apikey",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-goog-api-key",
    "x-goog-iap-jwt-assertion",
    "x-id-token",
    "x-vault-token",
    "x-xsrf-token",
    // The client's certificate, and who it is.
    "x-forwarded-client-cert",
];

/// Query parameters whose values are secrets, compared with regard to case: those of OpenTelemetry's
/// semantic conventions for `url.query`, and OAuth's.
pub const SECRET_PARAMETERS: [&str; 9] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "access_token",
    "api_key",
    "sig",
];

/// Which values are taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redactor {
    headers: BTreeSet<String>,
    parameters: BTreeSet<String>,
}

/// [`SECRET_HEADERS`] and [`SECRET_PARAMETERS`].
impl Default for Redactor {
    fn default() -> Self {
        Self {
            headers: SECRET_HEADERS.map(str::to_owned).into(),
            parameters: SECRET_PARAMETERS.map(str::to_owned).into(),
        }
    }
}

impl Redactor {
    /// Takes out nothing but what is added.
    pub fn none() -> Self {
        Self { headers: BTreeSet::new(), parameters: BTreeSet::new() }
    }

    /// Adds a header or query parameter.
    pub fn add(&mut self, name: &str) {
        self.headers.insert(name.to_ascii_lowercase());
        self.parameters.insert(name.to_owned());
    }

    /// The value of a header, or [`REDACTED`] if it is secret; of `:path` only the query parameters that are.
    pub fn shown(&self, name: &str, value: &str) -> String {
        if self.headers.contains(&name.to_ascii_lowercase()) {
            return REDACTED.to_owned();
        }
        let mut shown = value.to_owned();
        if name == ":path" {
            self.redact_query(&mut shown);
        }
        shown
    }

    /// Takes the secrets out of `exchange`; how many values that were.
    pub fn redact(&self, exchange: &mut Exchange) -> u64 {
        let Exchange { request, response, .. } = exchange;
        let lists =
            [&mut request.headers, &mut request.trailers, &mut response.headers, &mut response.trailers];
        let mut count = 0;
        for (name, value) in lists.into_iter().flatten() {
            if self.headers.contains(&name.to_ascii_lowercase()) && *value != REDACTED {
                *value = REDACTED.into();
                count += 1;
            }
        }
        count + self.redact_query(&mut request.path)
    }

    fn redact_query(&self, path: &mut String) -> u64 {
        let Some((before, query)) = path.split_once('?') else { return 0 };
        let mut count = 0;
        let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
            Some((name, value)) if self.parameters.contains(name) && value != REDACTED => {
                count += 1;
                format!("{name}={REDACTED}")
            }
            _ => parameter.to_owned(),
        });
        let query = parameters.collect::<Vec<_>>().join("&");
        if count > 0 {
            *path = format!("{before}?{query}");
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{HeaderValue, Headers, Request, Response, Timing};

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), HeaderValue::from(*value))).collect()
    }

    fn exchange(path: &str, request: &[(&str, &str)], response: &[(&str, &str)]) -> Exchange {
        Exchange {
            id: "1".to_owned(),
            parent: None,
            source: "a".to_owned(),
            destination: "b".to_owned(),
            start: jiff::Timestamp::UNIX_EPOCH,
            request: Request {
                path: path.to_owned(),
                headers: headers(request),
                trailers: headers(request),
                ..Request::default()
            },
            response: Response {
                headers: headers(response),
                trailers: headers(response),
                ..Response::default()
            },
            timing_us: Timing { request_end: 0, response_start: 0, response_end: 0 },
        }
    }

    #[test]
    fn secrets_go_and_all_else_stays_in_its_place() {
        let mut found = exchange(
            "/a?b=1&sig=x&c&Sig=y&sig=&access_token=z=w",
            &[("Cookie", "a=b"), ("accept", "*/*"), ("AUTHORIZATION", "Bearer x"), ("cookie", "c=d")],
            &[("set-cookie", "a=b"), ("set-cookie", "c=d"), ("x-tenant", "t1")],
        );
        let expected = exchange(
            "/a?b=1&sig=REDACTED&c&Sig=y&sig=REDACTED&access_token=REDACTED",
            &[("Cookie", REDACTED), ("accept", "*/*"), ("AUTHORIZATION", REDACTED), ("cookie", REDACTED)],
            &[("set-cookie", REDACTED), ("set-cookie", REDACTED), ("x-tenant", "t1")],
        );
        let mut redactor = Redactor::default();
        assert_eq!(redactor.redact(&mut found), 13);
        assert_eq!(found, expected);
        assert_eq!(redactor.redact(&mut found), 0, "what is redacted is no secret");
        redactor.add("X-Tenant");
        assert_eq!(redactor.redact(&mut found), 2);
    }

    #[test]
    fn nothing_is_taken_out_of_what_shall_be_kept() {
        let secret = exchange("/?sig=x&b=%20", &[("cookie", "a")], &[("x-api-key", "k")]);
        let mut found = secret.clone();
        assert_eq!(Redactor::none().redact(&mut found), 0);
        assert_eq!(found, secret);
        let mut only = Redactor::none();
        only.add("b");
        assert_eq!(only.redact(&mut found), 1);
        assert_eq!(found.request.path, "/?sig=x&b=REDACTED");
    }

    #[test]
    fn every_name_is_written_as_it_is_compared() {
        for name in SECRET_HEADERS {
            assert_eq!(name, name.to_ascii_lowercase());
        }
        assert_eq!(Redactor::default().headers.len(), SECRET_HEADERS.len(), "no name twice");
        assert_eq!(Redactor::default().parameters.len(), SECRET_PARAMETERS.len(), "no name twice");
    }
}
