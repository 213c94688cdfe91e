//! Local replies and resets, from each callback and before and after the response has begun.

use super::*;

const REPLY: &str = "(call $reply (i32.const 403)) (i32.const 1)";
const SAY: (&str, &str) =
    ("response_body", "(call $say_body (i32.const 1) (local.get 1) (local.get 2)) (i32.const 0)");

#[test]
fn a_reply_in_the_request_passes_the_filters_response_side() {
    for callback in ["request_headers", "request_body", "request_trailers"] {
        let mut rig = Rig::new(&[(callback, REPLY), SAY]);
        let mut outputs = rig.head(Side::Request, false);
        outputs.extend(rig.data(Side::Request, "ab", false));
        outputs.extend(rig.trailers(Side::Request));
        outputs.retain(|line| !line.starts_with('>'));
        assert_eq!(outputs, ["answered why", "< head 403", "< 'no'."], "{callback}");
        assert_eq!(rig.seen(), ["2.no"], "{callback}");
        assert!(rig.flow.is_done());
        assert_eq!(rig.head(Side::Response, false), [""; 0], "the upstream's answer is nobody's");
        assert_eq!(rig.data(Side::Request, "more", true), [""; 0], "nor is the rest of the request");
    }
}

#[test]
fn a_reply_takes_what_was_held_with_it() {
    let mut rig = Rig::new(&[
        ("request_headers", "(i32.const 1)"),
        ("tick", "(drop (call $as (i32.const 2))) (call $reply (i32.const 401))"),
    ]);
    rig.head(Side::Request, false);
    rig.data(Side::Request, "ab", true);
    assert_eq!(rig.tick(), ["answered why", "< head 401", "< 'no'."]);
}

#[test]
fn a_reply_in_the_responses_head_replaces_it_unseen() {
    let mut rig = Rig::new(&[("response_headers", REPLY), SAY]);
    rig.head(Side::Request, true);
    assert_eq!(rig.head(Side::Response, false), ["answered why", "< head 403", "< 'no'."]);
    assert_eq!(rig.seen(), [""; 0]);
}

#[test]
fn a_reply_to_its_own_reply_is_the_last() {
    let again = "(call $reply (i32.const 500)) (i32.const 1)";
    let mut rig = Rig::new(&[("request_headers", REPLY), ("response_headers", again)]);
    let expected = ["answered why", "answered why", "< head 500", "< 'no'."];
    assert_eq!(rig.head(Side::Request, true), expected);
}

#[test]
fn a_reply_after_the_response_has_begun_resets() {
    for callback in ["response_body", "response_trailers"] {
        let mut rig = Rig::new(&[(callback, REPLY)]);
        rig.head(Side::Request, true);
        assert_eq!(rig.head(Side::Response, false), ["< head 200"]);
        let mut outputs = rig.data(Side::Response, "ab", false);
        outputs.extend(rig.trailers(Side::Response));
        outputs.retain(|line| line != "< 'ab'");
        assert_eq!(outputs, ["reset"], "{callback}");
        assert_eq!(rig.data(Side::Response, "cd", true), [""; 0]);
        assert!(rig.flow.is_done());
    }
}

#[test]
fn a_reply_while_the_responses_head_is_held_replaces_it() {
    let mut rig = Rig::new(&[
        ("response_headers", "(i32.const 1)"),
        ("tick", "(drop (call $as (i32.const 2))) (call $reply (i32.const 502))"),
    ]);
    rig.head(Side::Request, true);
    rig.head(Side::Response, false);
    rig.data(Side::Response, "ab", true);
    assert_eq!(rig.tick(), ["answered why", "< head 502", "< 'no'."]);
}

#[test]
fn a_closed_stream_is_reset_once() {
    for side in ["0", "1"] {
        let close = format!("(call $close (i32.const {side}))");
        let mut rig = Rig::new(&[("tick", &close)]);
        rig.head(Side::Request, false);
        assert_eq!(rig.tick(), ["reset"]);
        assert_eq!(rig.tick(), [""; 0]);
        assert_eq!(rig.data(Side::Request, "x", true), [""; 0]);
    }
}

#[test]
fn head_and_grpc_requests_are_answered_in_their_way() {
    let rows = [
        ("HEAD", "text/plain", ["answered why", "< head 403."]),
        ("POST", "application/grpc+proto", ["answered why", "< head 200."]),
    ];
    for (method, content_type, expected) in rows {
        let mut rig = Rig::new(&[("request_headers", REPLY)]);
        let head = [(":method", method), ("content-type", content_type)];
        assert_eq!(rig.head_of(Side::Request, &head, false), expected, "{method}");
    }
}

#[test]
fn a_body_held_beyond_the_limit_is_413_or_500_or_a_reset() {
    let hold_request = ("request_body", "(i32.const 1)");
    let hold_response = ("response_body", "(i32.const 1)");
    let mut rig = Rig::new(&[hold_request]);
    rig.head(Side::Request, false);
    assert_eq!(rig.data(Side::Request, "0123456789abcdef", false), [""; 0], "the limit itself is allowed");
    let expected = ["answered request_payload_too_large", "< head 413", "< 'Payload Too Large'."];
    assert_eq!(rig.data(Side::Request, "g", false), expected);

    let mut rig = Rig::new(&[hold_request]);
    rig.head(Side::Request, false);
    assert_eq!(rig.data(Side::Request, "0123456789abcdefg", false), expected, "in one piece");

    let mut rig = Rig::new(&[hold_response]);
    rig.head(Side::Request, true);
    assert_eq!(rig.head(Side::Response, false), ["< head 200"]);
    assert_eq!(rig.data(Side::Response, "0123456789abcdefg", false), ["reset"], "its head has gone");

    let hold_head = ("response_headers", "(i32.const 1)");
    let mut rig = Rig::new(&[hold_head, hold_response, ("tick", "(call $continue (i32.const 1))")]);
    rig.head(Side::Request, true);
    rig.head(Side::Response, false);
    assert_eq!(rig.data(Side::Response, "0123456789abcdefg", false), ["< stop"]);
    assert_eq!(rig.tick(), ["< resume", "< head 200", "reset"]);
}
