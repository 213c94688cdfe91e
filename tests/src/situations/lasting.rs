//! Streams that last: their spans end when they end.

use std::time::Duration;

use crate::situation::{Script, Situation, answer, get, pass, request, silent, tunnel, when};

const WHILE: Duration = Duration::from_millis(300);

fn events() -> Script {
    answer(200).field("content-type", "text/event-stream").data("data: 1\n\n")
}

/// Messages that take their time.
pub fn bodies_that_take_their_time() -> Vec<Situation> {
    vec![
        when("events until the server ends", get("/").field("accept", "text/event-stream"))
            .then(events().pause(WHILE).data("data: 2\n\n").pause(WHILE).data("data: 3\n\n"))
            .answered(200)
            .gives(pass("GET").lasts(2 * WHILE)),
        when("events until the client leaves", get("/").end().see(9).pause(WHILE).reset())
            .then(events().see_gone())
            .answered(200)
            .gives(pass("GET").lasts(WHILE)),
        when("a long poll", get("/"))
            .then(silent().pause(WHILE).answer(200).data("news"))
            .answered(200)
            .gives(pass("GET").lasts(WHILE)),
        when("a slow upload", request("POST", "/").data("some").pause(WHILE).data("more"))
            .then(answer(200))
            .answered(200)
            .gives(pass("POST").lasts(WHILE)),
    ]
}

/// `WebSocket` over HTTP/1.1.
pub fn web_sockets() -> Vec<Situation> {
    let upgrade = || {
        let request = get("/chat").field("connection", "Upgrade").field("upgrade", "websocket");
        request.field("sec-websocket-version", "13").field("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let switch = || silent().answer(101).field("connection", "Upgrade").field("upgrade", "websocket");
    vec![
        when(
            "ended by the client",
            upgrade().see_answer().data("ping!").see(5).pause(WHILE).data("bye").meet().close(),
        )
        .over_http1()
        .then(switch().see(5).data("pong!").see(8).meet().see_gone())
        .answered(101)
        .gives(pass("GET").lasts(WHILE)),
        when("ended by the server", upgrade().see_answer().data("ping!").see_gone())
            .over_http1()
            .then(switch().see(5).pause(WHILE).data("bye").close())
            .answered(101)
            .gives(pass("GET").lasts(WHILE)),
        when("refused", upgrade())
            .over_http1()
            .then(silent().answer(403).data("no"))
            .answered(403)
            .gives(pass("GET").client_error("403")),
    ]
}

/// The same as RFC 8441 has it.
pub fn web_sockets_over_http2() -> Vec<Situation> {
    // RFC 8441; Envoy's filters see it as the upgrade that it is over HTTP/1.
    let upgrade = || {
        let request = request("CONNECT", "/chat").host("meshspan.test").field(":protocol", "websocket");
        request.field("sec-websocket-version", "13")
    };
    vec![
        when(
            "ended by both in turn",
            upgrade().see_answer().data("ping!").see(5).pause(WHILE).data("bye").end(),
        )
        .over_http2()
        .then(silent().answer(200).see(5).data("pong!").see_end().data("bye").end())
        .answered(200)
        .gives(pass("GET").status(101).lasts(WHILE)),
        when("broken off by the client", upgrade().see_answer().data("ping!").see(5).pause(WHILE).reset())
            .over_http2()
            .then(silent().answer(200).see(5).data("pong!").see_gone())
            .answered(200)
            .gives(pass("GET").status(101).lasts(WHILE)),
        when("refused", upgrade().see_answer().data("ping!").see_end())
            .over_http2()
            .then(silent().answer(403).data("no").end())
            .answered(403)
            .gives(pass("GET").client_error("403")),
    ]
}

/// CONNECT, ended here or by another proxy.
pub fn tunnels() -> Vec<Situation> {
    let connect = || request("CONNECT", "target.test:80");
    vec![
        when("ended by the client", connect().data("ping!").see(5).pause(WHILE).close())
            .over_http1()
            .then(tunnel().see(5).data("pong!").see_end())
            .answered(200)
            .gives(pass("CONNECT").lasts(WHILE)),
        when("ended by both in turn", connect().data("ping!").see(5).pause(WHILE).end())
            .over_http2()
            .then(tunnel().see(5).data("pong!").see_end().close())
            .answered(200)
            .gives(pass("CONNECT").lasts(WHILE)),
        when("ended by the server", connect().data("ping!").see_gone())
            .over_http1()
            .then(tunnel().see(5).data("pong!").pause(WHILE).close())
            .answered(200)
            .gives(pass("CONNECT").lasts(WHILE)),
        when(
            "to another proxy",
            connect().field("x-onward", "1").see_answer().data("ping!").see(5).pause(WHILE).close(),
        )
        .over_http1()
        .then(silent().answer(200).see(5).data("pong!").see_gone())
        .answered(200)
        .gives(pass("CONNECT").lasts(WHILE)),
        when(
            "to another proxy",
            connect().field("x-onward", "1").see_answer().data("ping!").see(5).pause(WHILE).end(),
        )
        .over_http2()
        .then(silent().answer(200).see(5).data("pong!").see_end())
        .answered(200)
        .gives(pass("CONNECT").lasts(WHILE)),
        when(
            "refused by another proxy",
            connect().field("x-onward", "1").see_answer().data("ping!").see_end(),
        )
        .over_http2()
        .then(silent().answer(403).data("no").end().see_gone())
        .answered(403)
        .gives(pass("CONNECT").client_error("403")),
    ]
}
