//! Rule 21 and its options: what becomes of the formats that did not count. Rule 38: baggage.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn with(losing_headers: LosingHeaders) -> Propagator {
    Propagator { losing_headers, ..propagator() }
}

fn injecting(formats: &[Format]) -> Propagator {
    Propagator { inject: Inject::Formats(formats.to_vec()), ..propagator() }
}

#[test]
fn rule_21_only_what_names_another_trace_is_removed() {
    let rows = [
        (
            "traceparent: 00-{T}-{P}-01\ngrpc-trace-bin: {bin T-P-1}=\nb3: {T}-{P}-0-{Q}",
            "traceparent: 00-{T}-{S}-01\ngrpc-trace-bin: {bin T-P-1}=\nb3: {T}-{P}-0-{Q}",
            "the same trace stays byte for byte, whatever it decides",
        ),
        (
            "traceparent: 00-{T}-{P}-01\ngrpc-trace-bin: {bin O-Q-1}\nb3: {O}-{Q}-1\nx-b3-traceid: {O}\n\
             x-b3-spanid: {Q}\nx-b3-parentspanid: {P}\nx-b3-sampled: 1\nx-b3-flags: 0\nx-b3-other: 1",
            "traceparent: 00-{T}-{S}-01\nx-b3-other: 1",
            "other traces go, B3 multi as a family; unknown headers stay",
        ),
        (
            "traceparent: 00-0000000000000000{P}-{P}-01\nb3: {P}-{Q}-1",
            "traceparent: 00-0000000000000000{P}-{S}-01\nb3: {P}-{Q}-1",
            "64 bits are the same trace if they are once padded",
        ),
        (
            "traceparent: 00-{T}-{P}-01\nb3: x\nx-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-spanid: {Q}",
            "traceparent: 00-{T}-{S}-01",
            "invalid headers may name anything, so they go",
        ),
        (
            "traceparent: 00-{T}-{P}-01\nb3: 0",
            "traceparent: 00-{T}-{S}-01\nb3: 0",
            "a decision names no trace",
        ),
        (
            "traceparent: x\ntracestate: a=1\nb3: 0",
            "b3: {N}-{S}-0",
            "nor does one that counts spare the rest",
        ),
        ("tracestate: a=1\nb3: {T}-{P}-1", "b3: {T}-{S}-1", "rule 1: a tracestate alone belongs to no trace"),
        (
            "b3: x\ngrpc-trace-bin: x",
            "traceparent: 00-{N}-{S}-03",
            "a new trace leaves nothing invalid beside",
        ),
    ];
    check(&propagator(), &rows);
}

#[test]
fn rule_21_a_losing_traceparent_takes_its_tracestate_along() {
    let b3_first = Propagator { extract: vec![B3, W3c], ..propagator() };
    let rows = [
        (
            "traceparent: 00-{O}-{Q}-01\ntracestate: a=1\nb3: {T}-{P}-1",
            "b3: {T}-{S}-1",
            "another trace: both go",
        ),
        (
            "traceparent: 00-{T}-{Q}-01\ntracestate: A=1, b=2\nb3: {T}-{P}-1",
            "traceparent: 00-{T}-{Q}-01\ntracestate: A=1, b=2\nb3: {T}-{S}-1",
            "the same trace: both stay as they are, even what we would not send ourselves",
        ),
        (
            "x-b3-traceid: {O}\nx-b3-spanid: {Q}\nb3: {T}-{P}-1",
            "x-b3-traceid: {O}\nx-b3-spanid: {Q}\nb3: {T}-{S}-1",
            "a format that is not in `extract` is none of ours",
        ),
    ];
    check(&b3_first, &rows);
}

#[test]
fn rule_21_leave_touches_nothing_but_the_format_that_counts() {
    let rows = [
        (
            "traceparent: x\ntracestate: a=1\nb3: {O}-{Q}-1\nx-b3-traceid: x\ngrpc-trace-bin: {bin T-P-1}",
            "traceparent: x\ntracestate: a=1\nb3: {O}-{Q}-1\nx-b3-traceid: x\ngrpc-trace-bin: {bin T-S-1}",
            "as Linkerd",
        ),
        ("tracestate: a=1\nb3: x", "b3: x\ntraceparent: 00-{N}-{S}-03", "a new trace discards tracestate"),
    ];
    check(&with(LosingHeaders::Leave), &rows);
}

#[test]
fn rule_21_rewrite_advances_all_that_are_there() {
    let rows = [
        (
            "traceparent: 00-{T}-{P}-01\nb3: {O}-{Q}-d\ngrpc-trace-bin: x",
            "traceparent: 00-{T}-{S}-01\nb3: {T}-{S}-1\ngrpc-trace-bin: {bin T-S-1}",
            "valid or not, they name the new span; the format that counts decides",
        ),
        (
            "x-b3-traceid: {O}\nx-b3-spanid: {Q}\nx-b3-flags: 1\nx-b3-parentspanid: {P}\nb3: {T}-{P}-0",
            "x-b3-traceid: {T}\nx-b3-spanid: {S}\nb3: {T}-{S}-0\nx-b3-sampled: 0",
            "a debug flag of a format that lost does not stay",
        ),
        ("tracestate: a=1\nb3: {T}-{P}-1", "tracestate: a=1\nb3: {T}-{S}-1", "no traceparent is no W3C"),
        (
            "x-b3-sampled: 0",
            "x-b3-sampled: 0\nx-b3-traceid: {N}\nx-b3-spanid: {S}",
            "formats that are not, stay so",
        ),
    ];
    check(&with(LosingHeaders::Rewrite), &rows);
}

#[test]
fn rules_08_21_exactly_the_configured_formats_are_written() {
    let rows = [
        ("", "b3: {N}-{S}-1", "a new trace"),
        ("traceparent: 00-{O}-{P}-01", "traceparent: 00-{O}-{P}-01\nb3: {O}-{S}-1", "the same trace stays"),
        ("traceparent: x\nb3: {T}-{P}-d", "b3: {T}-{S}-d", "what is invalid goes"),
    ];
    check(&injecting(&[B3]), &rows);
    check(
        &injecting(&[B3Multi]),
        &[("b3: {T}-{P}-1", "b3: {T}-{P}-1\nx-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-sampled: 1", "multi")],
    );
    check(
        &injecting(&[W3c]),
        &[
            (
                "b3: {P}-{Q}-1",
                "b3: {P}-{Q}-1\ntraceparent: 00-0000000000000000{P}-{S}-01",
                "rule 8: a widened id is not random",
            ),
            ("b3: 1", "b3: 1\ntraceparent: 00-{N}-{S}-03", "rule 8: a new one is"),
        ],
    );
    let all = "traceparent: 00-{T}-{S}-00\ngrpc-trace-bin: AABL+S81d7NNpqPOkp0ODkc2AVOZXD9CzYrYAgA\n\
               b3: {T}-{S}-0\nx-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-sampled: 0";
    check(&injecting(&FORMATS), &[("traceparent: 00-{T}-{P}-00", all, "all four, from one")]);
    let unread = Propagator { extract: vec![B3], ..injecting(&[W3c]) };
    check(
        &unread,
        &[("tracestate: a=1\nb3: x", "traceparent: 00-{N}-{S}-03", "no tracestate of another trace")],
    );
}

#[test]
fn rule_38_baggage_and_unknown_headers_are_never_touched() {
    let others =
        "baggage: k=v;p=1 , x=\u{ff}\nbaggage: \nx-request-id: 1\nx-b3: 1\nb3-: 2\nx-amzn-trace-id: Root=1";
    let contexts = [
        "",
        "traceparent: 00-{T}-{P}-01",
        "b3: {T}-{P}-d",
        "x-b3-flags: 1",
        "grpc-trace-bin: {bin T-P-1}",
        "b3: x",
    ];
    for losing in [LosingHeaders::RemoveOtherTrace, LosingHeaders::Leave, LosingHeaders::Rewrite] {
        for inject in [Inject::Same, Inject::Formats(FORMATS.to_vec())] {
            let propagator = Propagator { inject, ..with(losing) };
            for context in contexts {
                let passed = pass(&propagator, true, format!("{others}\n{context}").trim_end());
                assert!(passed.list.text().starts_with(others), "{context}: {}", passed.list.text());
                assert!(!passed.list.touched.contains(&baggage::NAME.to_owned()));
            }
        }
    }
}

#[test]
fn only_what_changes_is_written() {
    let rows: [(&str, &[&str], &str); 5] = [
        ("traceparent: 00-{T}-{P}-01\ntracestate: a=1,b=2", &["traceparent"], "the same tracestate"),
        ("traceparent: 00-{T}-{P}-01\ntracestate: a=1,", &["traceparent", "tracestate"], "a cleaned one"),
        (
            "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: 1",
            &["x-b3-spanid"],
            "the same trace and decision",
        ),
        ("x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-flags: 1", &["x-b3-spanid"], "the same debug flag"),
        ("b3: {T}-{P}-1", &["b3"], "nothing absent is removed"),
    ];
    for (text, expected, reason) in rows {
        assert_eq!(pass(&propagator(), true, text).list.touched, expected, "{reason}");
    }
}
