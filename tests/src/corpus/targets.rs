//! Paths and authorities.

use super::{Row, row};

const PATHS: [(&str, &str); 26] = [
    ("the root", "/"),
    ("a query", "/a?b=c"),
    ("an empty query", "/a?"),
    ("an empty query of the root", "/?"),
    ("two question marks", "/a?b?c=d"),
    ("keys without values", "/a?b&c&d="),
    ("a key twice", "/a?b=1&b=2"),
    ("secrets in the query", "/a?sig=secret&X-Amz-Signature=deadbeef&AWSAccessKeyId=x&password=hunter2"),
    ("a token in the path", "/reset/4f9f8d7c6b5a49382716f5e4d3c2b1a0/confirm"),
    ("escapes", "/caf%C3%A9/%20%2F%3F?q=%E2%82%AC&r=a+b"),
    ("broken escapes", "/100%/%zz?%"),
    ("two slashes", "//a//b"),
    ("dots", "/a/./b/../c"),
    ("trailing slash", "/a/b/"),
    ("semicolons", "/a;v=1/b;w=2?x=1;y=2"),
    ("an at sign and a colon", "/user:pass@host/path"),
    ("brackets", "/a[0]?b[]=1&c{d}=2"),
    ("numbers", "/users/1234567/orders/42"),
    ("a UUID", "/items/123e4567-e89b-12d3-a456-426614174000"),
    ("a URL in the query", "/go?to=http://a.test/?x=y"),
    ("an extension", "/static/app.min.js?v=1.2.3"),
    ("an e-mail address", "/users/jane@example.test"),
    ("upper case", "/API/List"),
    ("a tilde and a star", "/~jane/*"),
    ("a bar and a caret", "/a|b^c"),
    ("quotes", "/it's?say='hi'"),
];

const AUTHORITIES: [(&str, &str); 12] = [
    ("a name", "meshspan.test"),
    ("a name with a port", "meshspan.test:8080"),
    ("the usual port", "meshspan.test:80"),
    ("one label", "localhost"),
    ("IPv4", "192.0.2.1"),
    ("IPv4 with a port", "192.0.2.1:65535"),
    ("IPv6", "[2001:db8::1]"),
    ("IPv6 with a port", "[::1]:8080"),
    ("upper case", "Meshspan.TEST"),
    ("a trailing dot", "meshspan.test."),
    ("Punycode", "xn--caf-dma.test"),
    ("a long name of a cluster", "emoji-svc.emojivoto.svc.cluster.local:8080"),
];

pub(super) fn all() -> Vec<Row> {
    let mut rows: Vec<Row> = PATHS.map(|(reason, path)| row(format!("path: {reason}")).path(path)).to_vec();
    rows.push(row("path: long").path(&format!("/{}", "long/".repeat(600))));
    rows.push(row("path: a long query").path(&format!("/a?{}", "k=v&".repeat(600))));
    rows.extend(AUTHORITIES.map(|(reason, name)| row(format!("authority: {reason}")).authority(name)));
    rows
}
