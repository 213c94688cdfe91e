//! Requests and responses that come to their end, with and without bodies and interim responses.

use crate::situation::{Situation, answer, get, pass, raw, request, silent, when};

const MIB: usize = 1 << 20;

/// All that a message may have.
pub fn messages_with_and_without_bodies() -> Vec<Situation> {
    vec![
        when("a GET", get("/")).then(answer(200).data("done")).answered(200).gives(pass("GET")),
        when("a GET of a sized body", get("/"))
            .then(answer(200).field("content-length", "4").data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("no body", request("DELETE", "/x")).then(answer(204)).answered(204).gives(pass("DELETE")),
        when("a HEAD", request("HEAD", "/"))
            .then(answer(200).field("content-length", "12345"))
            .answered(200)
            .gives(pass("HEAD")),
        when("a POST in chunks", request("POST", "/").data("some").data("more"))
            .then(answer(201).data("do").data("ne"))
            .answered(201)
            .gives(pass("POST")),
        when("a sized POST", request("POST", "/").field("content-length", "8").data("some").data("more"))
            .then(answer(200))
            .answered(200)
            .gives(pass("POST")),
        when("a method of nobody's", request("FROB", "/"))
            .over_http2()
            .then(answer(200))
            .answered(200)
            .gives(pass("HTTP")),
        when("a method that the proxy refuses", request("FROB", "/")).over_http1().answered(400),
        when("trailers both ways", request("PUT", "/").data("some").trailers(&[("x-sum", "1")]))
            .then(answer(200).data("done").trailers(&[("x-sum", "2"), ("x-more", "")]))
            .answered(200)
            .gives(pass("PUT")),
        when(
            "HTTP/1.1 that ends with its connection",
            raw("GET / HTTP/1.1\r\nhost: a\r\ntraceparent: {traceparent}\r\n\r\n"),
        )
        .over_http1()
        .then(raw("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end").close())
        .answered(200)
        .gives(pass("GET")),
    ]
}

/// Statuses of every class.
pub fn answers_of_every_class() -> Vec<Situation> {
    vec![
        when("not modified", get("/"))
            .then(answer(304).field("etag", "\"1\""))
            .answered(304)
            .gives(pass("GET")),
        when("a client's mistake", get("/"))
            .then(answer(404).data("no"))
            .answered(404)
            .gives(pass("GET").client_error("404")),
        when("a server's mistake", get("/"))
            .then(answer(500).data("oh"))
            .answered(500)
            .gives(pass("GET").error("500")),
        when("a redirection by the server", get("/"))
            .then(answer(302).field("location", "/there"))
            .answered(302)
            .gives(pass("GET")),
    ]
}

/// Bodies beyond every buffer.
pub fn large_bodies() -> Vec<Situation> {
    vec![
        when("a large download", get("/")).then(answer(200).much(4 * MIB)).answered(200).gives(pass("GET")),
        when("a large sized download", get("/"))
            .then(answer(200).field("content-length", (4 * MIB).to_string()).much(4 * MIB))
            .answered(200)
            .gives(pass("GET")),
        when("a large upload", request("POST", "/").much(4 * MIB))
            .then(answer(200))
            .answered(200)
            .gives(pass("POST")),
        when("many chunks", (0..40).fold(request("POST", "/"), |upload, _| upload.much(50)))
            .then((0..40).fold(answer(200), |download, _| download.much(60)))
            .answered(200)
            .gives(pass("POST")),
        when("large both ways at a time", request("POST", "/").much(MIB).see(MIB).much(MIB))
            .then(silent().answer(200).much(MIB).see_end().much(MIB))
            .answered(200)
            .gives(pass("POST")),
        when("an answer before the upload's end", request("POST", "/").data("some").see_gone())
            .then(silent().see(4).answer(413).data("stop").end().see_gone())
            .answered(413)
            .gives(pass("POST").client_error("413")),
    ]
}

/// Responses before the last one.
pub fn interim_responses() -> Vec<Situation> {
    let waiting = || request("POST", "/").field("expect", "100-continue").field("content-length", "4");
    vec![
        when("a body that waits for 100", waiting().meet().data("body"))
            .then(silent().answer(100).meet().see_end().answer(200).data("done"))
            .answered(200)
            .gives(pass("POST")),
        when("a body that is refused", waiting().see_gone())
            .then(silent().answer(417).end().see_gone())
            .answered(417)
            .gives(pass("POST").client_error("417")),
        when("early hints", get("/"))
            .then(silent().answer(103).field("link", "</a.css>; rel=preload").answer(200).data("done"))
            .answered(200)
            .gives(pass("GET")),
        when("processing, twice", get("/"))
            .then(silent().answer(102).answer(102).answer(200).data("done"))
            .answered(200)
            .gives(pass("GET")),
    ]
}
