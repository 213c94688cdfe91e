//! Exchanges that do not come to their end, or not at the first attempt.

use std::time::Duration;

use crate::situation::{Situation, accept, answer, call, get, pass, request, rpc, silent, when};

/// The limits of the routes, less what a timer may be early.
const LIMIT: Duration = Duration::from_millis(190);
const TRY_LIMIT: Duration = Duration::from_millis(290);

/// Clients that leave before the end.
pub fn clients_that_leave() -> Vec<Situation> {
    vec![
        when("before the answer's head", get("/").end().meet().reset())
            .over_http1()
            .then(silent().meet().see_gone())
            .gives(pass("GET").error("downstream_remote_disconnect")),
        when("before the answer's head", get("/").end().meet().reset())
            .over_http2()
            .then(silent().meet().see_gone())
            .gives(pass("GET").error("http2.remote_reset")),
        when("in the midst of an upload", request("POST", "/").data("some").meet().reset())
            .over_http1()
            .then(silent().see(4).meet().see_gone())
            .gives(pass("POST").error("downstream_remote_disconnect")),
        when("in the midst of an upload", request("POST", "/").data("some").meet().reset())
            .over_http2()
            .then(silent().see(4).meet().see_gone())
            .gives(pass("POST").error("http2.remote_reset")),
        when("after the answer's head", get("/").end().see(4).reset())
            .then(answer(200).data("some").see_gone())
            .answered(200)
            .gives(pass("GET")),
        when("in order, after the answer's head", get("/").end().see(4).close())
            .then(answer(200).data("some").see_gone())
            .answered(200)
            .gives(pass("GET")),
        when("a call", call("Watch").message(1).end().see(7).reset())
            .over_http2()
            .then(accept().message(2).see_gone())
            .answered(200)
            .gives(rpc("Watch")),
    ]
}

/// Servers that break off before the end.
pub fn servers_that_break_off() -> Vec<Situation> {
    let after_head = "upstream_reset_after_response_started";
    vec![
        when("before the head", get("/"))
            .then(silent().reset())
            .answered(503)
            .gives(pass("GET").error("503")),
        when("in order, before the head", get("/"))
            .then(silent().close())
            .answered(503)
            .gives(pass("GET").error("503")),
        when("after the head", get("/").see(4).meet())
            .then(answer(200).data("half").meet().reset())
            .answered(200)
            .gives(pass("GET").error(after_head)),
        when("in order, in the midst of a sized body", get("/").see(4).meet())
            .then(answer(200).field("content-length", "10").data("half").meet().close())
            .answered(200)
            .gives(pass("GET").error(after_head)),
        when("a call, before the head", call("Get").message(1))
            .over_http2()
            .then(silent().see_end().reset())
            .answered(200)
            .gives(rpc("Get").grpc("UNAVAILABLE").error("UNAVAILABLE")),
        when("a call, after the head", call("List").message(1).end().see(7).meet())
            .over_http2()
            .then(accept().message(2).meet().reset())
            .answered(200)
            .gives(rpc("List").error(after_head)),
        when("nonsense", get("/"))
            .over_http1()
            .then(silent().raw("nonsense\r\n\r\n").see_gone())
            .answered(502)
            .gives(pass("GET").error("502")),
    ]
}

/// Routes with a time limit.
pub fn time_limits() -> Vec<Situation> {
    vec![
        when("no head in time", get("/timeout"))
            .then(silent().see_gone())
            .answered(504)
            .gives(pass("GET").error("504").lasts(LIMIT)),
        when("no end in time", get("/timeout"))
            .then(answer(200).data("half").see_gone())
            .answered(200)
            .gives(pass("GET").error("response_timeout").lasts(LIMIT)),
        when("no head for too long", get("/idle"))
            .then(silent().see_gone())
            .answered(504)
            .gives(pass("GET").error("504").lasts(LIMIT)),
        when("nothing more for too long", get("/idle"))
            .then(answer(200).data("half").see_gone())
            .answered(200)
            .gives(pass("GET").error("stream_idle_timeout").lasts(LIMIT)),
        when("a stream that lasts too long", get("/longest"))
            .then(answer(200).data("half").see_gone())
            .answered(200)
            .gives(pass("GET").error("max_duration_timeout").lasts(LIMIT)),
    ]
}

/// Upstreams that are not there.
pub fn nobody_to_answer() -> Vec<Situation> {
    let grpc = request("POST", "/nobody").field("content-type", "application/grpc");
    vec![
        when("no healthy host", get("/nobody")).answered(503).gives(pass("GET").error("503")),
        when("a host that refuses", get("/refused")).answered(503).gives(pass("GET").error("503")),
        when("no such cluster", get("/missing").field("x-cluster", "absent"))
            .answered(503)
            .gives(pass("GET").error("503")),
        when("no healthy host for a call", grpc.data([0; 5]))
            .over_http2()
            .answered(200)
            .gives(pass("grpc").grpc("UNAVAILABLE").error("UNAVAILABLE")),
    ]
}

/// Several attempts, of which a filter above them sees nothing.
pub fn retries_and_hedges() -> Vec<Situation> {
    vec![
        when("success at the third attempt", get("/retry"))
            .then(answer(503))
            .then(answer(500).data("no"))
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET").resends(2)),
        when("success after a reset", get("/retry"))
            .then(silent().reset())
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET").resends(1)),
        when("success after an attempt that took too long", get("/retry"))
            .then(silent().see_gone())
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET").lasts(TRY_LIMIT).resends(1)),
        when("three failures", get("/retry"))
            .then(answer(503))
            .then(answer(503))
            .then(answer(503))
            .answered(503)
            .gives(pass("GET").error("503").resends(2)),
        when("a body that is sent again", request("POST", "/retry").data("some"))
            .then(answer(503))
            .then(answer(200))
            .answered(200)
            .gives(pass("POST").resends(1)),
        when("a hedge that wins", get("/hedge"))
            .then(silent().meet().see_gone())
            .then(silent().see_end().meet().answer(200).data("second"))
            .answered(200)
            .gives(pass("GET").lasts(TRY_LIMIT).resends(1)),
        when("a hedge that loses", get("/hedge"))
            .then(silent().see_end().meet().answer(200).data("first"))
            .then(silent().meet().see_gone())
            .answered(200)
            .gives(pass("GET").lasts(TRY_LIMIT).resends(1)),
    ]
}
