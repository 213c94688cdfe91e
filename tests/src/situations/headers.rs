//! Headers of every kind, up to the proxy's limits and beyond.

use crate::situation::{Script, Situation, answer, get, pass, raw, when};

/// Envoy's limit of all headers of a message is 60 KiB, names included.
const JUST_UNDER: usize = 61_000;
const JUST_OVER: usize = 61_500;

fn many(head: Script, fields: usize) -> Script {
    (0..fields).fold(head, |head, number| head.field(&format!("x-{number}"), "v"))
}

/// Names and values of every kind.
pub fn fields_of_every_kind() -> Vec<Situation> {
    let odd = b"a\xff\xfe\x80 ,;=\"b";
    vec![
        when("several of a name", get("/").field("x-twice", "1").field("x-other", "").field("x-twice", "2"))
            .then(answer(200).field("set-cookie", "a=1").field("set-cookie", "b=2").data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("values that are not UTF-8", get("/").field("x-odd", odd).field("user-agent", odd))
            .then(answer(200).field("x-odd", odd).data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("names in capitals", get("/").field("X-Loud", "1"))
            .over_http1()
            .then(answer(200).field("X-Loud", "2").data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("baggage", get("/").field("baggage", "userId=alice;p=1, empty="))
            .then(answer(200))
            .answered(200)
            .gives(pass("GET")),
    ]
}

/// Heads around the limits.
pub fn headers_around_the_limits() -> Vec<Situation> {
    vec![
        when("as large as allowed", get("/").field("x-large", vec![b'v'; JUST_UNDER]))
            .then(answer(200))
            .answered(200)
            .gives(pass("GET")),
        when("as many as allowed", many(get("/"), 90)).then(answer(200)).answered(200).gives(pass("GET")),
        when("too large", get("/").field("x-large", vec![b'v'; JUST_OVER])).over_http1().answered(431),
        when("too large", get("/").field("x-large", vec![b'v'; JUST_OVER])).over_http2(),
        when("too many", many(get("/"), 101)).over_http1().answered(431),
        when("too many", many(get("/"), 101)).over_http2(),
        when("an answer as large as allowed", get("/"))
            .then(answer(200).field("x-large", vec![b'v'; JUST_UNDER]))
            .answered(200)
            .gives(pass("GET")),
        when("too large an answer", get("/"))
            .over_http1()
            .then(answer(200).field("x-large", vec![b'v'; 2 * JUST_OVER]).end().see_gone())
            .answered(502)
            .gives(pass("GET").error("502")),
    ]
}

/// Old HTTP, and what is none.
pub fn requests_without_a_host_and_worse() -> Vec<Situation> {
    let traced = |line: &str| raw(format!("{line}\r\ntraceparent: {{traceparent}}\r\n\r\n"));
    vec![
        when("HTTP/1.0 without a host", traced("GET / HTTP/1.0"))
            .over_http1()
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("HTTP/1.0 with a host", traced("GET / HTTP/1.0\r\nhost: a"))
            .over_http1()
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("HTTP/1.1 without a host", traced("GET / HTTP/1.1")).over_http1().answered(400),
        when("HTTP/2 without an authority", get("/").host("")).over_http2(),
        when("a whole URL", traced("GET http://other.test/x?y HTTP/1.1\r\nhost: a"))
            .over_http1()
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("no path", traced("OPTIONS * HTTP/1.1\r\nhost: a")).over_http1().answered(404),
        when("nonsense", raw("nonsense\r\n\r\n")).over_http1().answered(400),
    ]
}
