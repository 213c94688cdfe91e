//! However a body is cut, the same comes out.

use proptest::prelude::*;

use super::*;

const HOLD_HEAD: (&str, &str) = ("request_headers", "(i32.const 1)");
const CONTINUE: (&str, &str) = ("tick", "(call $continue (i32.const 0))");
const GATHER: &str = "(i32.eqz (local.get 2))";
const REWRITE: &str = "(if (local.get 2) (then (call $set (i32.const 0) (i32.const 0) (local.get 1))))
    (i32.eqz (local.get 2))";
const FRAME: &str = "(if (local.get 2) (then
    (call $set (i32.const 0) (i32.const 0) (i32.const 0))
    (call $set (i32.const 0) (i32.const 1000000) (i32.const 0))))
    (i32.eqz (local.get 2))";

/// A guest, whether it may go on in the middle of a body, and what it makes of the body.
type Row = (&'static str, Vec<(&'static str, &'static str)>, bool, fn(&str) -> String);

fn guests() -> Vec<Row> {
    let frame: fn(&str) -> String = |body| format!("XY{body}XY");
    let hold_body = ("request_body", "(i32.const 1)");
    vec![
        ("lets all go", vec![], true, str::to_owned),
        ("gathers", vec![("request_body", GATHER)], true, str::to_owned),
        ("replaces the whole", vec![("request_body", REWRITE)], true, |_| "XY".to_owned()),
        ("frames the whole", vec![("request_body", FRAME)], true, frame),
        ("holds the head", vec![HOLD_HEAD, CONTINUE], true, str::to_owned),
        ("holds the head and frames", vec![HOLD_HEAD, CONTINUE, ("request_body", FRAME)], false, frame),
        ("pauses all and goes on by the clock", vec![hold_body, CONTINUE], true, str::to_owned),
    ]
}

/// The body of all that came out; the head has to be in front and the end in its place.
fn collected(outputs: &[Output]) -> String {
    let mut body = String::new();
    for (index, output) in outputs.iter().enumerate() {
        match output {
            Output::Forward { side: Side::Request, part, end } => {
                assert_eq!(*end, index + 1 == outputs.len(), "the end is the last: {outputs:?}");
                match part {
                    Part::Data(bytes) => body.push_str(std::str::from_utf8(bytes).unwrap()),
                    Part::Head(_) => assert_eq!(index, 0),
                    Part::Trailers(_) => panic!("{outputs:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cutting_gives_the_same_body(
        body in "[a-z]{0,40}",
        cuts in proptest::collection::vec(0_usize..=40, 0..6),
        ends_empty in any::<bool>(),
        ticks in any::<bool>(),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let mut pieces: Vec<&str> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        if ends_empty {
            pieces.push("");
        }
        for (reason, callbacks, may_tick, expected) in guests() {
            let mut rig = Rig::with(&callbacks, FlowOptions::default(), PluginOptions::default());
            let head = HeaderMap::from_pairs([(":method", "POST")]);
            rig.flow.head(&mut rig.vm, Side::Request, head, false).unwrap();
            for (index, piece) in pieces.iter().enumerate() {
                let is_last = index + 1 == pieces.len();
                rig.flow.data(&mut rig.vm, Side::Request, (*piece).into(), is_last).unwrap();
                if ticks && may_tick {
                    rig.vm.tick().unwrap();
                    rig.flow.settle(&mut rig.vm).unwrap();
                }
            }
            rig.vm.tick().unwrap();
            rig.flow.settle(&mut rig.vm).unwrap();
            prop_assert_eq!(collected(&rig.flow.take_outputs()), expected(&body), "{}", reason);
        }
    }
}
