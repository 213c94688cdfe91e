//! Pauses and what ends them, at each phase of both sides.

use super::*;
use crate::vm::HostProfile;

/// A side, its number in the ABI (of its buffer as of its stream), and its arrow in what is shown.
const SIDES: [(Side, &str, &str, &str); 2] =
    [(Side::Request, "request", "0", ">"), (Side::Response, "response", "1", "<")];

/// What a side's exchange shows, from lines without its arrow.
type Expected<'a> = &'a dyn Fn(&[&str]) -> Vec<String>;

/// The same test for both sides: `{k}` is the side's number, `{on}` its callbacks' prefix.
fn on_both_sides(callbacks: &[(&str, &str)], test: impl Fn(&mut Rig, Side, Expected<'_>)) {
    for (side, name, kind, arrow) in SIDES {
        let named: Vec<(String, String)> = callbacks
            .iter()
            .map(|(callback, body)| (callback.replace("{on}", name), body.replace("{k}", kind)))
            .collect();
        let named: Vec<(&str, &str)> =
            named.iter().map(|(callback, body)| (callback.as_str(), body.as_str())).collect();
        let mut rig = Rig::new(&named);
        if side == Side::Response {
            assert_eq!(rig.head(Side::Request, true), ["> head POST."]);
        }
        rig.seen();
        let first = if side == Side::Request { "head POST" } else { "head 200" };
        let expected = |lines: &[&str]| {
            lines.iter().map(|line| format!("{arrow} {}", line.replace("head", first))).collect::<Vec<_>>()
        };
        test(&mut rig, side, &expected);
    }
}

const SAY: (&str, &str) =
    ("{on}_body", "(call $say_body (i32.const {k}) (local.get 1) (local.get 2)) (i32.const 0)");
const CONTINUE: (&str, &str) = ("tick", "(call $continue (i32.const {k}))");
const HOLD_HEAD: (&str, &str) = ("{on}_headers", "(i32.const 1)");
const HOLD_BODY: (&str, &str) =
    ("{on}_body", "(call $say_body (i32.const {k}) (local.get 1) (local.get 2)) (i32.const 1)");
const HOLD_TRAILERS: (&str, &str) = ("{on}_trailers", "(i32.const 1)");

#[test]
fn what_is_not_paused_goes_straight_through() {
    on_both_sides(&[SAY], |rig, side, expected| {
        assert_eq!(rig.head(side, false), expected(&["head"]));
        assert_eq!(rig.data(side, "ab", false), expected(&["'ab'"]));
        assert_eq!(rig.data(side, "c", true), expected(&["'c'", "''."]), "the end is a piece of its own");
        assert_eq!(rig.seen(), ["2 ab", "1 c", "0."]);
        assert_eq!(rig.data(side, "d", true), expected(&[]), "after the end nothing comes");
    });
}

#[test]
fn http2_and_nginx_end_a_body_with_its_last_piece() {
    let say = ("request_body", "(call $say_body (i32.const 0) (local.get 1) (local.get 2)) (i32.const 0)");
    let http2 = FlowOptions { is_downstream_http2: true, ..FlowOptions::default() };
    let nginx = PluginOptions { profile: HostProfile::Nginx, ..PluginOptions::default() };
    for (flow, plugin) in [(http2, PluginOptions::default()), (FlowOptions::default(), nginx)] {
        let mut rig = Rig::with(&[say], flow, plugin);
        rig.head(Side::Request, false);
        assert_eq!(rig.data(Side::Request, "ab", true), ["> 'ab'."]);
        assert_eq!(rig.seen(), ["2.ab"]);
    }
}

#[test]
fn a_paused_head_holds_everything_behind_it() {
    on_both_sides(&[HOLD_HEAD, SAY, CONTINUE], |rig, side, expected| {
        assert_eq!(rig.head(side, false), expected(&[]));
        assert_eq!(rig.data(side, "ab", false), expected(&[]));
        assert_eq!(rig.data(side, "cd", false), expected(&[]));
        assert_eq!(rig.trailers(side), expected(&[]));
        assert_eq!(rig.seen(), [""; 0], "the guest sees no body");
        assert_eq!(rig.tick(), expected(&["head", "'abcd'", "trailers 1."]));
        assert_eq!(rig.seen(), ["4 abcd"], "in one piece, which is not the last: trailers follow");
        assert_eq!(rig.tick(), expected(&[]), "to go on when nothing is held is nothing");
    });
}

#[test]
fn a_paused_head_without_a_body_ends_as_it_came() {
    on_both_sides(&[HOLD_HEAD, SAY, CONTINUE], |rig, side, expected| {
        assert_eq!(rig.head(side, true), expected(&[]));
        assert_eq!(rig.tick(), expected(&["head."]));
    });
    on_both_sides(&[HOLD_HEAD, SAY, CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        rig.data(side, "", true);
        assert_eq!(rig.tick(), expected(&["head", "''."]), "an empty body is not none");
        assert_eq!(rig.seen(), ["0."]);
    });
}

#[test]
fn behind_a_paused_head_reading_stops_at_the_limit() {
    on_both_sides(&[HOLD_HEAD, CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        assert_eq!(rig.data(side, "0123456789abcdef", false), expected(&[]), "the limit itself is allowed");
        assert_eq!(rig.data(side, "g", false), expected(&["stop"]));
        assert_eq!(rig.data(side, "h", false), expected(&[]), "said once");
        assert_eq!(rig.tick(), expected(&["resume", "head", "'0123456789abcdefgh'"]));
        assert_eq!(rig.data(side, "i", true), expected(&["'i'", "''."]));
    });
}

#[test]
fn behind_a_head_that_is_held_by_a_buffer_too_much_is_refused() {
    on_both_sides(&[("{on}_headers", "(i32.const 3)"), CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        rig.data(side, "0123456789abcdef", false);
        assert_eq!(rig.tick(), expected(&["head", "'0123456789abcdef'"]), "the limit itself is allowed");
    });
    on_both_sides(&[("{on}_headers", "(i32.const 3)")], |rig, side, _| {
        rig.head(side, false);
        let answer = rig.data(side, "0123456789abcdefg", false);
        assert!(answer[0].starts_with("answered "), "{answer:?}");
    });
}

#[test]
fn actions_that_envoy_does_not_know_are_what_it_takes_them_for() {
    let head = |action: &str| [("{on}_headers".to_owned(), format!("(i32.const {action})"))];
    for (action, goes_on) in
        [("0", true), ("1", false), ("2", true), ("3", false), ("4", false), ("77", false)]
    {
        let callbacks = head(action);
        let callbacks = callbacks.each_ref().map(|(name, body)| (name.as_str(), body.as_str()));
        on_both_sides(&callbacks, |rig, side, expected| {
            let lines: &[&str] = if goes_on { &["head"] } else { &[] };
            assert_eq!(rig.head(side, false), expected(lines), "head {action}");
        });
    }
    for action in ["1", "2", "77"] {
        on_both_sides(&[("{on}_trailers", &format!("(i32.const {action})"))], |rig, side, expected| {
            rig.head(side, false);
            assert_eq!(rig.trailers(side), expected(&[]), "trailers {action}");
        });
    }
}

#[test]
fn a_body_behind_a_watermark_is_shown_piece_by_piece() {
    let hold = "(call $say_body (i32.const {k}) (local.get 1) (local.get 2)) (i32.mul (i32.const 2) (i32.eqz (local.get 2)))";
    on_both_sides(&[("{on}_body", hold), CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        assert_eq!(rig.data(side, "ab", false), expected(&[]));
        assert_eq!(rig.data(side, "cd", true), expected(&["'abcd'."]), "the last lets all of it go");
        assert_eq!(rig.seen(), ["2 ab", "2 cd", "0."]);
    });
    on_both_sides(&[("{on}_body", hold), CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        rig.data(side, "0123456789", false);
        assert_eq!(rig.data(side, "abcdefg", false), expected(&["stop"]), "no more than the limit is read");
        assert_eq!(rig.tick(), expected(&["resume", "'0123456789abcdefg'"]));
        assert_eq!(rig.trailers(side), expected(&["trailers 1."]));
    });
}

#[test]
fn a_body_that_is_not_buffered_is_lost() {
    let lose = |action: u32| format!("(select (i32.const 0) (i32.const {action}) (local.get 2))");
    for action in [3, 4, 77] {
        on_both_sides(&[("{on}_body", &lose(action)), CONTINUE], |rig, side, expected| {
            rig.head(side, false);
            assert_eq!(rig.data(side, "ab", false), expected(&[]));
            assert_eq!(rig.data(side, "0123456789abcdefg", false), expected(&[]), "more than the limit, too");
            assert_eq!(rig.tick(), expected(&[]), "nothing is there to go on");
            assert_eq!(rig.data(side, "c", false), expected(&[]));
            assert_eq!(rig.data(side, "", true), expected(&["''."]));
        });
    }
    // Held first, and lost from then on: what was shown with the first is kept.
    let first =
        "(if (result i32) (i32.eq (local.get 1) (i32.const 2)) (then (i32.const 1)) (else (i32.const 3)))";
    on_both_sides(&[("{on}_body", first), CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        rig.data(side, "ab", false);
        rig.data(side, "c", false);
        rig.data(side, "d", false);
        assert_eq!(rig.tick(), expected(&["'abc'"]));
    });
}

#[test]
fn a_paused_body_is_shown_whole_with_each_piece() {
    let gather =
        ("{on}_body", "(call $say_body (i32.const {k}) (local.get 1) (local.get 2)) (i32.eqz (local.get 2))");
    on_both_sides(&[gather], |rig, side, expected| {
        assert_eq!(rig.head(side, false), expected(&["head"]), "the head is not held");
        assert_eq!(rig.data(side, "ab", false), expected(&[]));
        assert_eq!(rig.data(side, "cd", true), expected(&["'abcd'."]));
        assert_eq!(rig.seen(), ["2 ab", "4 abcd", "4.abcd"]);
    });
}

#[test]
fn a_paused_body_goes_on_by_continue_unseen() {
    on_both_sides(&[HOLD_BODY, CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        rig.data(side, "ab", false);
        assert_eq!(rig.tick(), expected(&["'ab'"]));
        assert_eq!(rig.data(side, "cd", true), expected(&[]));
        assert_eq!(rig.tick(), expected(&["'cd'."]));
        assert_eq!(rig.seen(), ["2 ab", "2 cd", "2.cd"], "what has gone on is not shown again");
    });
}

#[test]
fn continuing_the_other_side_leaves_a_paused_body_whole() {
    let gather = ("request_body", "(i32.eqz (local.get 2))");
    let mut rig = Rig::new(&[gather, ("tick", "(call $continue (i32.const 1))")]);
    rig.head(Side::Request, false);
    rig.data(Side::Request, "ab", false);
    assert_eq!(rig.tick(), [""; 0]);
    assert_eq!(rig.data(Side::Request, "cd", true), ["> 'abcd'."]);
}

#[test]
fn bodies_are_replaced_prepended_and_appended() {
    let table = [
        ("replace", "(call $set (i32.const {k}) (i32.const 0) (local.get 1))", "'XY'."),
        ("prepend", "(call $set (i32.const {k}) (i32.const 0) (i32.const 0))", "'XYabcd'."),
        ("append", "(call $set (i32.const {k}) (local.get 1) (i32.const 0))", "'abcdXY'."),
    ];
    for (reason, set, result) in table {
        let body = format!("(if (local.get 2) (then {set})) (i32.eqz (local.get 2))");
        on_both_sides(&[("{on}_body", &body)], |rig, side, expected| {
            rig.head(side, false);
            rig.data(side, "ab", false);
            assert_eq!(rig.data(side, "cd", true), expected(&[result]), "{reason}");
        });
    }
}

#[test]
fn trailers_release_a_paused_body_or_stay_with_it() {
    on_both_sides(&[HOLD_BODY], |rig, side, expected| {
        rig.head(side, false);
        rig.data(side, "ab", false);
        assert_eq!(rig.trailers(side), expected(&["'ab'", "trailers 1."]));
    });
    on_both_sides(&[HOLD_BODY, HOLD_TRAILERS, CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        rig.data(side, "ab", false);
        assert_eq!(rig.trailers(side), expected(&[]));
        assert_eq!(rig.tick(), expected(&["'ab'", "trailers 1."]));
    });
    on_both_sides(&[HOLD_TRAILERS, CONTINUE], |rig, side, expected| {
        rig.head(side, false);
        assert_eq!(rig.data(side, "ab", false), expected(&["'ab'"]));
        assert_eq!(rig.trailers(side), expected(&[]), "trailers alone");
        assert_eq!(rig.tick(), expected(&["trailers 1."]));
    });
}

#[test]
fn headers_that_the_guest_adds_while_it_holds_them_go_on() {
    for (callback, kind) in [("request_headers", 0), ("request_trailers", 1)] {
        let add = format!(
            "(drop (call $as (i32.const 2)))
             (drop (call $add (i32.const {kind}) (i32.const 1024) (i32.const 1) (i32.const 1025) (i32.const 1)))
             (call $continue (i32.const 0))"
        );
        let mut rig = Rig::new(&[(callback, "(i32.const 1)"), ("tick", &add)]);
        rig.head(Side::Request, false);
        rig.trailers(Side::Request);
        rig.vm.tick().unwrap();
        rig.flow.settle(&mut rig.vm).unwrap();
        let outputs = rig.flow.take_outputs();
        let has_new = |output: &Output| match output {
            Output::Forward { part: Part::Head(map) | Part::Trailers(map), .. } => {
                map.first("x") == Some(b"Y")
            }
            _ => false,
        };
        assert!(outputs.iter().any(has_new), "{callback}: {outputs:?}");
    }
}

#[test]
fn a_response_may_overtake_a_request_that_is_held() {
    let mut rig = Rig::new(&[("request_body", "(i32.const 1)"), ("tick", "(call $continue (i32.const 0))")]);
    rig.head(Side::Request, false);
    rig.data(Side::Request, "ab", false);
    assert_eq!(rig.head(Side::Response, true), ["< head 200."]);
    assert!(rig.flow.is_done());
    assert_eq!(rig.tick(), ["> 'ab'"]);
}

#[test]
fn nginx_is_not_told_of_trailers() {
    let nginx = PluginOptions { profile: HostProfile::Nginx, ..PluginOptions::default() };
    let mut rig = Rig::with(&[("response_trailers", "(i32.const 1)")], FlowOptions::default(), nginx);
    rig.head(Side::Request, true);
    rig.head(Side::Response, false);
    assert_eq!(rig.trailers(Side::Response), ["< trailers 1."]);
}

#[test]
fn to_go_on_from_within_the_pause_itself_means_nothing() {
    let hold = "(call $continue (i32.const {k})) (i32.eqz (local.get 2))";
    on_both_sides(&[("{on}_body", hold)], |rig, side, expected| {
        rig.head(side, false);
        assert_eq!(rig.data(side, "ab", false), expected(&[]), "nothing was held yet, so nothing goes on");
        assert_eq!(rig.data(side, "c", true), expected(&["'abc'."]), "all of it, at the end");
    });
}

#[test]
fn trailers_can_be_made_with_the_last_piece_of_a_body() {
    let add =
        "(drop (call $add (i32.const {m}) (i32.const 1024) (i32.const 1) (i32.const 1025) (i32.const 1)))";
    for (side, callback, map, arrow) in
        [(Side::Request, "request_body", "1", ">"), (Side::Response, "response_body", "3", "<")]
    {
        let body = format!("{} (i32.const 0)", add.replace("{m}", map));
        let mut rig = Rig::new(&[(callback, &body)]);
        rig.head(Side::Request, side == Side::Response);
        if side == Side::Response {
            rig.head(side, false);
        }
        assert_eq!(rig.data(side, "ab", false), [format!("{arrow} 'ab'")], "not yet");
        assert_eq!(rig.data(side, "", true), [format!("{arrow} trailers 1.")]);
    }
}
