//! A guest that fails in the middle of an exchange: nothing of the traffic is lost, or all of it is refused.

use super::*;

#[test]
fn a_bypassed_exchange_goes_on_with_all_that_was_held() {
    for callback in ["request_headers", "request_body", "request_trailers"] {
        let mut rig = Rig::new(&[(callback, "(i32.const 1)"), ("tick", "(unreachable)")]);
        let mut outputs = rig.head(Side::Request, false);
        outputs.extend(rig.data(Side::Request, "ab", false));
        if callback != "request_body" {
            outputs.extend(rig.trailers(Side::Request));
        }
        rig.vm.tick().unwrap_err();
        rig.flow.bypass(&mut rig.vm);
        outputs.extend(rig.outputs());
        outputs.extend(rig.trailers(Side::Request));
        assert_eq!(outputs, ["> head POST", "> 'ab'", "> trailers 1."], "{callback}");
        assert_eq!(rig.head(Side::Response, false), ["< head 200"]);
        assert_eq!(rig.data(Side::Response, "cd", true), ["< 'cd'."]);
        rig.flow.close(&mut rig.vm).unwrap();
    }
}

#[test]
fn what_a_guest_traps_on_goes_on_too() {
    for callback in ["request_headers", "request_body", "request_trailers"] {
        let Rig { mut vm, mut flow } = Rig::new(&[(callback, "(unreachable)")]);
        let mut failures = 0;
        let mut after = |flow: &mut Flow, vm: &mut Vm, result: Result<(), VmError>| {
            if result.is_err() {
                failures += 1;
                flow.bypass(vm);
            }
        };
        let shown = flow.head(&mut vm, Side::Request, HeaderMap::from_pairs([(":method", "POST")]), false);
        after(&mut flow, &mut vm, shown);
        let shown = flow.data(&mut vm, Side::Request, b"ab".to_vec(), false);
        after(&mut flow, &mut vm, shown);
        let shown = flow.trailers(&mut vm, Side::Request, HeaderMap::from_pairs([("t", "1")]));
        after(&mut flow, &mut vm, shown);
        assert_eq!(failures, 1, "{callback}");
        let outputs: Vec<String> = flow.take_outputs().iter().map(shown_output).collect();
        assert_eq!(outputs, ["> head POST", "> 'ab'", "> trailers 1."], "{callback}");
    }
}

#[test]
fn an_answer_whose_guest_fails_is_still_given_whole() {
    let mut rig = Rig::new(&[
        ("request_headers", "(call $reply (i32.const 403)) (i32.const 1)"),
        ("response_headers", "(unreachable)"),
    ]);
    let head = HeaderMap::from_pairs([(":method", "GET")]);
    rig.flow.head(&mut rig.vm, Side::Request, head, true).unwrap_err();
    rig.flow.bypass(&mut rig.vm);
    assert_eq!(rig.outputs(), ["answered why", "< head 403", "< 'no'."]);
}

#[test]
fn a_refused_exchange_is_answered_503_or_reset() {
    let mut rig = Rig::new(&[("request_headers", "(i32.const 1)")]);
    rig.head(Side::Request, true);
    rig.flow.refuse(&mut rig.vm);
    assert_eq!(rig.outputs(), ["answered wasm_fail_stream", "< head 503."]);

    let mut rig = Rig::new(&[]);
    rig.head(Side::Request, true);
    assert_eq!(rig.head(Side::Response, false), ["< head 200"]);
    rig.flow.refuse(&mut rig.vm);
    assert_eq!(rig.outputs(), ["reset"]);
}

#[test]
fn a_closed_flow_ends_its_stream() {
    let mut rig = Rig::new(&[]);
    rig.head(Side::Request, false);
    let stream = rig.flow.stream();
    rig.flow.close(&mut rig.vm).unwrap();
    assert!(matches!(rig.vm.close_stream(stream), Err(VmError::UnknownStream(_))));
}
