//! Methods, statuses and the shapes of headers.

use super::{Row, row};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"];
const STATUSES: [u16; 44] = [
    200, 201, 202, 203, 205, 206, 207, 208, 226, 299, 300, 301, 302, 303, 305, 307, 308, 399, 400, 401, 402,
    403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 416, 418, 421, 425, 426, 429, 451, 500, 501, 502, 503,
    504, 599,
];
const BODILESS: [u16; 2] = [204, 304];

pub(super) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for method in METHODS {
        let plain = row(format!("{method} without a body")).method(method);
        rows.push(if method == "HEAD" {
            plain.answers(&[]).answer_field("content-length", "5")
        } else {
            plain
        });
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let with = row(format!("{method} with a body of known length")).method(method);
        rows.push(with.field("content-length", "11").sends(&["a body here"]));
        rows.push(row(format!("{method} with a body in pieces")).method(method).sends(&["a body", " here"]));
    }
    rows.extend(STATUSES.map(|status| {
        let answered = row(format!("answered {status}")).status(status);
        let is_redirect = (300..400).contains(&status);
        if is_redirect { answered.answer_field("location", "/elsewhere?a=b#c") } else { answered }
    }));
    for status in BODILESS {
        rows.push(row(format!("{status} has no body")).status(status).answers(&[]));
        rows.push(
            row(format!("{status} to a POST")).method("POST").sends(&["x"]).status(status).answers(&[]),
        );
    }
    for status in [200, 404, 500] {
        let head = row(format!("HEAD answered {status}")).method("HEAD").status(status);
        rows.push(head.answers(&[]).answer_field("content-length", "123456"));
    }
    rows.push(row("no body and no length").answers(&[]));
    rows.push(row("an empty body of known length").answers(&[]).answer_field("content-length", "0"));
    rows.extend(shapes());
    rows
}

/// Each shape in a request and in a response.
fn shapes() -> Vec<Row> {
    let long = "v".repeat(4000);
    type Headers<'a> = &'a [(&'a str, &'a [u8])];
    let table: [(&str, Headers<'_>); 18] = [
        ("one", &[("x-one", b"1")]),
        ("mixed case", &[("X-OnE", b"MiXed Case")]),
        ("two of one name", &[("x-twice", b"first"), ("x-twice", b"second")]),
        ("two of one name in two cases", &[("X-Twice", b"first"), ("x-twice", b"second")]),
        ("others between two of one name", &[("x-twice", b"first"), ("x-one", b"1"), ("x-twice", b"second")]),
        ("empty", &[("x-empty", b"")]),
        ("empty among several", &[("x-twice", b""), ("x-twice", b"second")]),
        ("commas", &[("x-one", b"a,b, c ,,d")]),
        ("long", &[("x-long", long.as_bytes())]),
        (
            "a long name",
            &[("x-a-name-that-is-as-long-as-nobody-would-ever-make-it-unless-testing-a-proxy", b"1")],
        ),
        ("odd but allowed characters", &[("x!#$%&'*+-.^_`|~1", b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")]),
        ("underscores and dots", &[("x_under_score", b"1"), ("x.dot.ted", b"2")]),
        ("UTF-8", &[("x-one", "caf\u{e9} \u{1f600}".as_bytes())]),
        ("not UTF-8", &[("x-one", b"caf\xe9 \xff\xfe\x80")]),
        ("a tab within", &[("x-one", b"a\tb")]),
        ("quotes and backslashes", &[("x-one", b"\"a\\\"b\"")]),
        ("numbers", &[("x-one", b"18446744073709551616"), ("x-twice", b"-0"), ("x-twice", b"1e9")]),
        ("JSON", &[("x-one", br#"{"a":[1,2,{"b":null}]}"#)]),
    ];
    let mut rows = Vec::new();
    for (reason, fields) in table {
        let requested = row(format!("request header: {reason}"));
        rows.push(fields.iter().fold(requested, |row, (name, value)| row.field(name, *value)));
        let answered = row(format!("response header: {reason}"));
        rows.push(fields.iter().fold(answered, |row, (name, value)| row.answer_field(name, *value)));
    }
    rows.extend(known());
    rows
}

/// Names that a proxy keeps in tables of its own.
fn known() -> Vec<Row> {
    let requested: [(&str, &[(&str, &str)]); 10] = [
        (
            "accept",
            &[("Accept", "text/html,application/xml;q=0.9,*/*;q=0.8"), ("accept-encoding", "gzip, br")],
        ),
        (
            "user agent",
            &[("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) é"), ("referer", "http://a.test/?q=1#f")],
        ),
        ("one cookie", &[("cookie", "a=1; b=2")]),
        ("secrets", &[("authorization", "Bearer abc.def.ghi"), ("proxy-authorization", "Basic QTpC")]),
        (
            "ranges",
            &[
                ("range", "bytes=0-99"),
                ("if-none-match", "\"tag\", W/\"weak\""),
                ("cache-control", "no-cache"),
            ],
        ),
        (
            "forwarded",
            &[("forwarded", "for=192.0.2.60;proto=http;by=203.0.113.43"), ("via", "1.0 fred, 1.1 p.test")],
        ),
        ("origin", &[("origin", "https://a.test"), ("access-control-request-method", "PUT")]),
        ("a request id", &[("x-request-id", "5f3c1a2e-0000-4000-8000-0123456789ab")]),
        ("accept twice", &[("accept", "text/html"), ("accept", "text/plain")]),
        ("content without a body", &[("content-type", "application/json"), ("content-language", "de, en")]),
    ];
    let answered: [(&str, &[(&str, &str)]); 8] = [
        ("two cookies", &[("set-cookie", "a=1; Path=/; HttpOnly"), ("set-cookie", "b=2; Secure")]),
        (
            "caching",
            &[("cache-control", "public, max-age=60"), ("etag", "\"x\""), ("vary", "Accept, Cookie")],
        ),
        (
            "security",
            &[("strict-transport-security", "max-age=1"), ("content-security-policy", "default-src 'self'")],
        ),
        (
            "a server",
            &[("server", "apache/2.4"), ("x-powered-by", "PHP/8"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")],
        ),
        ("CORS", &[("access-control-allow-origin", "*"), ("access-control-expose-headers", "x-one")]),
        ("authentication", &[("www-authenticate", "Basic realm=\"a\""), ("www-authenticate", "Bearer")]),
        ("links", &[("link", "</a>; rel=preload"), ("link", "</b>; rel=preload"), ("retry-after", "120")]),
        (
            "an encoding",
            &[("content-encoding", "identity"), ("content-disposition", "attachment; filename=\"a b\"")],
        ),
    ];
    let mut rows = Vec::new();
    for (reason, fields) in requested {
        let plain = row(format!("known request header: {reason}"));
        rows.push(fields.iter().fold(plain, |row, (name, value)| row.field(name, *value)));
    }
    for (reason, fields) in answered {
        let plain = row(format!("known response header: {reason}"));
        rows.push(fields.iter().fold(plain, |row, (name, value)| row.answer_field(name, *value)));
    }
    let many = row("forty headers each way");
    let many =
        (0..40).fold(many, |row, number| row.field(&format!("x-many-{number}"), format!("value {number}")));
    rows.push(
        (0..40).fold(many, |row, number| row.answer_field(&format!("X-Many-{number}"), format!("{number}"))),
    );
    let same = row("twenty values of one name");
    rows.push((0..20).fold(same, |row, number| row.field("x-twice", format!("{number}"))));
    rows
}
