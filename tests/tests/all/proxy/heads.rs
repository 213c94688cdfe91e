//! Heads up to Envoy's limits and beyond, and those before the last, beside Envoy.

use meshspan_tests::client::Request;
use meshspan_tests::situation::{
    Script, answer, get, request, silent, stage_beside_live, stage_beside_live_without_interim, when,
};

use super::before_echo;

/// Envoy's limit of all headers of a message is 60 KiB, names included.
const JUST_UNDER: usize = 61_000;
const JUST_OVER: usize = 61_500;

fn many(head: Script, fields: usize) -> Script {
    (0..fields).fold(head, |head, number| head.field(&format!("x-{number}"), "v"))
}

#[test]
fn heads_are_limited_as_in_envoy() {
    let large = |size| get("/").field("x-large", vec![b'v'; size]);
    stage_beside_live(&[
        when("as large as allowed", large(JUST_UNDER)).then(answer(200)).answered(200),
        when("as many as allowed", many(get("/"), 90)).then(answer(200)).answered(200),
        when("too large", large(JUST_OVER)).over_http1().answered(431),
        when("much too large", large(70_000)).over_http1().answered(431),
        when("too large", large(JUST_OVER)).over_http2(),
        when("too many", many(get("/"), 101)).over_http2(),
        when("an answer as large as allowed", get("/"))
            .then(answer(200).field("x-large", vec![b'v'; JUST_UNDER]))
            .answered(200),
        when("too large an answer", get("/"))
            .over_http1()
            .then(answer(200).field("x-large", vec![b'v'; 2 * JUST_OVER]).end().see_gone())
            .answered(502),
    ]);
}

#[test]
fn too_many_fields_are_refused_by_the_library() {
    let (proxy, _echo) = before_echo(&[]);
    let with = |fields| {
        let request = (0..fields).fold(Request::get("/"), |head, at| head.header(&format!("x-{at}"), "v"));
        request.send_http1(proxy.port()).status
    };
    assert_eq!((with(90), with(101)), (200, 431));
}

#[test]
fn interim_responses_end_at_the_proxy() {
    let waiting = || request("POST", "/").field("expect", "100-continue").field("content-length", "4");
    let continues = || silent().answer(100).meet().see(4).answer(200).data("done");
    let waits =
        || when("a body that waits for 100", waiting().meet().data("body")).then(continues()).answered(200);
    stage_beside_live(&[waits().over_http1()]);
    stage_beside_live_without_interim(&[
        waits().over_http2(),
        when("early hints", get("/"))
            .then(silent().answer(103).field("link", "</a.css>; rel=preload").answer(200).data("done"))
            .answered(200),
        when("processing, twice", get("/"))
            .then(silent().answer(102).answer(102).answer(200).data("done"))
            .answered(200),
        when("100 that nobody waits for", get("/"))
            .then(silent().answer(100).answer(200).data("done"))
            .answered(200),
    ]);
}
