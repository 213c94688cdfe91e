//! Headers and properties that are credentials, or parts of a URL, which may have some in it: the one place
//! where their names stand. What operators ask for by these names is refused or redacted.
//! `x-original-url: http://u:p@web/?sig=1` → `http://REDACTED:REDACTED@web/?sig=REDACTED`

use crate::attributes::url::UrlPart;

/// Headers that are credentials as a whole: no configuration makes them appear in spans.
pub const SECRET_HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Headers of which something is known about the value.
const HEADERS: [(&str, UrlPart); 18] = [
    (":authority", UrlPart::Authority),
    (":path", UrlPart::Whole),
    ("content-location", UrlPart::Whole),
    ("destination", UrlPart::Whole),
    ("forwarded", UrlPart::Authority),
    ("host", UrlPart::Authority),
    ("location", UrlPart::Whole),
    ("origin", UrlPart::Whole),
    ("referer", UrlPart::Whole),
    ("x-accel-redirect", UrlPart::Whole),
    ("x-envoy-original-host", UrlPart::Authority),
    ("x-envoy-original-path", UrlPart::Whole),
    ("x-forwarded-host", UrlPart::Authority),
    ("x-forwarded-uri", UrlPart::Whole),
    ("x-original-host", UrlPart::Authority),
    ("x-original-uri", UrlPart::Whole),
    ("x-original-url", UrlPart::Whole),
    ("x-rewrite-url", UrlPart::Whole),
];

/// Properties of Envoy and of nginx that are no headers, their parts separated by zero bytes.
const PROPERTIES: [(&str, UrlPart); 12] = [
    ("ngx\0args", UrlPart::Query),
    ("ngx\0document_uri", UrlPart::Whole),
    ("ngx\0host", UrlPart::Authority),
    ("ngx\0query_string", UrlPart::Query),
    ("ngx\0request", UrlPart::Whole),
    ("ngx\0request_uri", UrlPart::Whole),
    ("ngx\0uri", UrlPart::Whole),
    ("request\0host", UrlPart::Authority),
    ("request\0path", UrlPart::Whole),
    ("request\0query", UrlPart::Query),
    ("request\0referer", UrlPart::Whole),
    ("request\0url_path", UrlPart::Whole),
];

/// The part of a URL that the header `name`, in lower case, is.
pub fn header_part(name: &str) -> Option<UrlPart> {
    find(&HEADERS, name)
}

/// The part of a URL that the property of this path is, which may be a header.
pub fn property_part(path: &str) -> Option<UrlPart> {
    let path = path.to_ascii_lowercase();
    find(&PROPERTIES, &path).or_else(|| header_part(&header_of(&path)?))
}

/// Whether this is a credential: a header by its name, or a property by a part of its path.
pub fn is_secret(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let is_secret = |name: &str| SECRET_HEADERS.contains(&name);
    path.split('\0').any(is_secret)
        || header_of(&path).is_some_and(|name| is_secret(&name))
        || (path.starts_with("ngx\0") && path.contains("cookie_"))
}

/// The header that a property shows: `request.headers.referer`, nginx's `ngx.sent_http_location`.
fn header_of(path: &str) -> Option<String> {
    let (place, name) = path.rsplit_once('\0')?;
    if place == "ngx" {
        return Some(name.split_once("http_")?.1.replace('_', "-"));
    }
    (place.ends_with("headers") || place.ends_with("trailers")).then(|| name.to_owned())
}

/// Headers, then properties, that are this part of a URL, as the configuration names them.
#[cfg(not(target_arch = "wasm32"))]
pub fn names(part: UrlPart) -> [Vec<String>; 2] {
    let names = |table: &[(&str, UrlPart)]| {
        let of_part = table.iter().filter(|(_, known)| *known == part);
        of_part.map(|(name, _)| name.replace('\0', ".")).collect()
    };
    [names(&HEADERS), names(&PROPERTIES)]
}

fn find(table: &[(&str, UrlPart)], name: &str) -> Option<UrlPart> {
    table.iter().find(|(known, _)| *known == name).map(|(_, part)| *part)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn rule_33_properties_that_are_urls_are_known() {
        use UrlPart::{Authority, Query, Whole};
        let cases = [
            ("request.path", Some(Whole), "a path with its query"),
            ("request.query", Some(Query), "the query alone"),
            ("request.host", Some(Authority), "an authority"),
            ("request.headers.Referer", Some(Whole), "a header, in any case"),
            ("request.headers.:authority", Some(Authority), "a pseudo-header"),
            ("response.headers.location", Some(Whole), "one of the response"),
            ("response.trailers.location", Some(Whole), "one behind it"),
            ("ngx.request_uri", Some(Whole), "nginx's"),
            ("ngx.http_x_original_url", Some(Whole), "a header, as nginx names it"),
            ("ngx.sent_http_location", Some(Whole), "one of the response"),
            ("request.method", None, "another one"),
            ("request.headers.x-tenant", None, "another header"),
            ("xds.node.metadata.host", None, "the same word elsewhere"),
        ];
        for (path, part, reason) in cases {
            assert_eq!(property_part(&path.replace('.', "\0")), part, "{path}: {reason}");
        }
    }

    #[test]
    fn credentials_are_known_by_all_their_names() {
        let cases = [
            ("request.headers.Authorization", true, "Envoy's"),
            ("response.headers.set-cookie", true, "of the response"),
            ("metadata.cookie", true, "wherever it may be"),
            ("ngx.http_authorization", true, "nginx's"),
            ("ngx.HTTP_COOKIE", true, "in any case"),
            ("ngx.upstream_http_set_cookie", true, "of the response"),
            ("ngx.cookie_session", true, "one cookie"),
            ("ngx.upstream_cookie_session", true, "one of the response"),
            ("ngx.http_x_tenant", false, "another header"),
            ("request.headers.x-cookie", false, "another header"),
        ];
        for (path, expected, reason) in cases {
            assert_eq!(is_secret(&path.replace('.', "\0")), expected, "{path}: {reason}");
        }
    }
}
