//! Answers by the proxy itself: by its routes and by the filters before and behind ours.

use crate::situation::{Situation, answer, call, get, pass, request, rpc, when};

/// By routes.
pub fn answers_by_routes() -> Vec<Situation> {
    vec![
        when("a direct response", get("/direct")).answered(418).gives(pass("GET").client_error("418")),
        when("a direct response to a POST", request("POST", "/direct").data("some"))
            .answered(418)
            .gives(pass("POST").client_error("418")),
        when("a redirection", get("/redirect")).answered(302).gives(pass("GET")),
        when("no route", get("/").host("nowhere.test")).answered(404).gives(pass("GET").client_error("404")),
        when("a redirection that the proxy follows", get("/follow"))
            .then(answer(302).field("location", "http://meshspan.test/elsewhere"))
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET").status(302))
            .gives(pass("GET")),
    ]
}

/// By the filters before and behind ours.
pub fn answers_by_other_filters() -> Vec<Situation> {
    vec![
        when("a filter before ours, which sees no request", get("/").field("x-abort", "before"))
            .answered(403),
        when("a filter behind ours", get("/").field("x-abort", "after"))
            .answered(502)
            .gives(pass("GET").error("502")),
        when("a filter before ours, to a call", call("Get").field("x-abort", "before").message(1))
            .over_http2()
            .answered(200),
        when("a filter behind ours, to a call", call("Get").field("x-abort", "after").message(1))
            .over_http2()
            .answered(200)
            .gives(rpc("Get").grpc("UNAVAILABLE").error("UNAVAILABLE")),
        when("a body that a filter behind ours holds", request("POST", "/limited").data("some"))
            .then(answer(200))
            .answered(200)
            .gives(pass("POST")),
        when("a body that a filter behind ours refuses", request("POST", "/limited").much(2000))
            .answered(413)
            .gives(pass("POST").client_error("413")),
    ]
}
