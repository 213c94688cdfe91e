//! What leaves HTTP, beside Envoy: CONNECT to another proxy, and WebSockets over HTTP/1.1 and HTTP/2.

use std::time::Duration;

use meshspan_tests::situation::{Situation, request, silent, stage_beside_live, when};

const WHILE: Duration = Duration::from_millis(50);

/// Over HTTP/2 as RFC 8441 has it. A client's reset is not among them: the HTTP library tells it as an orderly end,
/// and so it goes to the upstream, where Envoy resets.
fn web_sockets() -> [Situation; 2] {
    let upgrade = || {
        let request = request("CONNECT", "/chat").host("meshspan.test").field(":protocol", "websocket");
        request.field("sec-websocket-version", "13")
    };
    [
        when(
            "a web socket, ended by both in turn",
            upgrade().data("ping!").see(5).pause(WHILE).data("bye").end(),
        )
        .over_http2()
        .then(silent().answer(200).see(5).data("pong!").see_end().data("bye").end())
        .answered(200),
        when("a web socket, refused", upgrade().see_end())
            .over_http2()
            .then(silent().answer(403).data("no").end())
            .answered(403),
    ]
}

/// `x-onward` has Envoy send CONNECT on, as the proxy does; otherwise it ends the tunnel itself.
fn tunnels() -> [Situation; 4] {
    let connect = || request("CONNECT", "target.test:80").field("x-onward", "1").data("ping!");
    [
        when("a tunnel, ended by the client", connect().see(5).pause(WHILE).close())
            .over_http1()
            .then(silent().answer(200).see(5).data("pong!").see_gone())
            .answered(200),
        when("a tunnel, ended in turn", connect().see(5).pause(WHILE).end())
            .over_http2()
            .then(silent().answer(200).see(5).data("pong!").see_end())
            .answered(200),
        when("a tunnel, ended by the server", connect().see(5).see_end())
            .over_http2()
            .then(silent().answer(200).see(5).data("pong!").pause(WHILE).end())
            .answered(200),
        when("a tunnel, refused", connect().see_end())
            .over_http2()
            .then(silent().answer(403).data("no").end())
            .answered(403),
    ]
}

#[test]
fn what_leaves_http_is_carried_as_envoy_carries_it() {
    stage_beside_live(&[web_sockets().as_slice(), &tunnels()].concat());
}
