//! What goes in, what goes onward: rules 1 to 21 and 38 of trace context, by number.
//! Headers are written as lines of Latin-1 text, in which `{T}` and the like stand for ids.

#[cfg(not(target_arch = "wasm32"))]
mod differential;
mod linkerd;
mod losing;
#[cfg(not(target_arch = "wasm32"))]
mod properties;

use super::*;
use crate::context::{IncomingDecision, TraceFlags, TraceState};
use crate::ids::SpanId;
use Format::{B3, B3Multi, GrpcTraceBin, TraceContext as W3c};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The ids of the tables: the caller's trace and span, another caller's, those that we draw.
/// The binary contexts are OpenCensus's, made by hand: trace T, span P or S, sampled.
const WORDS: [(&str, &str); 9] = [
    ("{T}", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ("{P}", "00f067aa0ba902b7"),
    ("{O}", "80f198ee56343ba864fe8b2a57d3eff7"),
    ("{Q}", "e457b5a2e4d86bd1"),
    ("{N}", "0af7651916cd43dd8448eb211c80319c"),
    ("{S}", "53995c3f42cd8ad8"),
    ("{bin T-P-1}", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE"),
    ("{bin T-S-1}", "AABL+S81d7NNpqPOkp0ODkc2AVOZXD9CzYrYAgE"),
    ("{bin O-Q-1}", "AACA8ZjuVjQ7qGT+iypX0+/3AeRXtaLk2GvRAgE"),
];

fn expand(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (word, id)| text.replace(word, id))
}

/// A header map as text, and the names that were written to.
#[derive(Clone, Debug, Default, PartialEq)]
struct HeaderList {
    pairs: Vec<(String, Vec<u8>)>,
    touched: Vec<String>,
}

impl HeaderList {
    fn new(text: &str) -> Self {
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a header is `name: value`");
            (name.to_owned(), value.chars().map(|char| char as u8).collect())
        };
        Self { pairs: expand(text).lines().map(pair).collect(), touched: vec![] }
    }

    fn headers(&self) -> Headers<'static> {
        Headers::new(self.pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect())
    }

    fn text(&self) -> String {
        let line = |(name, value): &(String, Vec<u8>)| {
            format!("{name}: {}", value.iter().map(|byte| char::from(*byte)).collect::<String>())
        };
        self.pairs.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Injector for HeaderList {
    fn set(&mut self, name: &str, value: &[u8], is_repeated: bool) {
        let count = self.pairs.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count();
        assert_eq!(is_repeated, count > 1, "{name} is there {count} times");
        let at = self.pairs.iter().position(|(other, _)| other.eq_ignore_ascii_case(name));
        self.pairs.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        let at = at.unwrap_or(self.pairs.len());
        self.pairs.insert(at, (name.to_owned(), value.to_owned()));
        self.touched.push(name.to_owned());
    }

    fn remove(&mut self, name: &str) {
        assert!(self.headers().first(name).is_some(), "{name} is not there");
        self.pairs.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.touched.push(name.to_owned());
    }
}

fn propagator() -> Propagator {
    Propagator {
        extract: vec![W3c, GrpcTraceBin, B3, B3Multi],
        inject: Inject::Same,
        losing_headers: LosingHeaders::RemoveOtherTrace,
    }
}

fn extract(text: &str) -> Extraction<'static> {
    propagator().extract(&HeaderList::new(text).headers())
}

/// What left a proxy, and whether a span was recorded there.
struct Passed {
    list: HeaderList,
    recorded: bool,
}

/// One pass through a proxy whose span is S: continues the caller's trace, or starts N if `start`;
/// the local sampler keeps what is left to it.
fn pass(propagator: &Propagator, start: bool, text: &str) -> Passed {
    let mut list = HeaderList::new(text);
    let before = list.clone();
    let extraction = propagator.extract(&before.headers());
    let context = extraction.context.as_ref();
    if context.is_none() && !start {
        return Passed { list, recorded: false };
    }
    let parent = context.and_then(|context| context.parent);
    let recorded = context.is_none_or(|context| context.decision != IncomingDecision::Deny);
    let span = SpanContext {
        trace_id: parent.map_or(TraceId::parse(expand("{N}").as_bytes()).unwrap(), |parent| parent.trace_id),
        span_id: SpanId::parse(expand("{S}").as_bytes()).unwrap(),
        flags: TraceFlags::new(recorded, parent.is_none_or(|parent| parent.random)),
        trace_state: context.map_or_else(TraceState::default, |context| context.trace_state.clone()),
    };
    let debug = context.is_some_and(|context| context.decision == IncomingDecision::Debug);
    propagator.inject(&extraction, &span, debug, &mut list);
    Passed { list, recorded }
}

/// Checks rows of headers in, headers onward and the reason, with `start_traces` on.
fn check(propagator: &Propagator, rows: &[(&str, &str, &str)]) {
    for (input, output, reason) in rows {
        assert_eq!(pass(propagator, true, input).list.text(), expand(output), "{reason}: {input}");
    }
}

#[test]
fn rules_01_02_04_06_a_trace_starts_where_no_valid_one_came() {
    let new = "traceparent: 00-{N}-{S}-03";
    let rows = [
        ("", "no context at all"),
        ("tracestate: a=1", "rule 1: tracestate without traceparent is discarded"),
        ("traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-{P}-01\ntracestate: a=1", "rule 2: upper case"),
        ("traceparent: 00-00000000000000000000000000000000-{P}-01\ntracestate: a=1", "rule 2: zero trace"),
        ("traceparent: 00-{T}-0000000000000000-01\ntracestate: a=1\ntracestate: b=2", "rule 2: zero parent"),
        ("traceparent: ff-{T}-{P}-01\ntracestate: a=1", "rule 4: version ff"),
        ("traceparent: 00-{T}-{P}-01\ntraceparent: 00-{O}-{Q}-01\ntracestate: a=1", "rule 6: two"),
        ("traceparent: 00-{T}-{P}-01\nTraceParent: 00-{T}-{P}-01", "rule 6: two in different case"),
        ("traceparent: 00-{T}-{P}-01,00-{T}-{P}-01", "rule 6: two joined"),
        ("traceparent: \u{ff}\u{fe}", "not UTF-8"),
        ("traceparent: ", "empty"),
    ];
    check(&propagator(), &rows.map(|(input, reason)| (input, new, reason)));
}

#[test]
fn rules_05_to_09_a_valid_parent_is_continued() {
    let rows = [
        ("traceparent: 00-{T}-{P}-01", "traceparent: 00-{T}-{S}-01", "rule 9: a new parent id"),
        ("traceparent: 00-{T}-{P}-00", "traceparent: 00-{T}-{S}-00", "rule 9: unsampled too"),
        ("traceparent: cc-{T}-{P}-01", "traceparent: 00-{T}-{S}-01", "rule 5: a later version, sent as 00"),
        (
            "traceparent: cc-{T}-{P}-01-what-may-come",
            "traceparent: 00-{T}-{S}-01",
            "rule 5: with more fields",
        ),
        (
            "traceparent: cc-{T}-{P}-01.what-may-come",
            "traceparent: 00-{N}-{S}-03",
            "rule 5: no dash after flags",
        ),
        ("traceparent: \t 00-{T}-{P}-01 \t", "traceparent: 00-{T}-{S}-01", "rule 6: white space around"),
        ("TraceParent: 00-{T}-{P}-01", "traceparent: 00-{T}-{S}-01", "names have no case"),
        ("traceparent: 00-{T}-{P}-ff", "traceparent: 00-{T}-{S}-03", "rule 7: unknown flags are not sent"),
        ("traceparent: 00-{T}-{P}-fc", "traceparent: 00-{T}-{S}-00", "rule 7: by bit, not by number"),
        ("traceparent: 00-{T}-{P}-03", "traceparent: 00-{T}-{S}-03", "rule 8: random is kept"),
        ("traceparent: 00-{T}-{P}-02", "traceparent: 00-{T}-{S}-02", "rule 8: random without sampled"),
    ];
    check(&propagator(), &rows);
}

#[test]
fn rules_10_to_14_tracestate_goes_with_its_parent() {
    let ok = "traceparent: 00-{T}-{P}-01";
    let rows = [
        ("tracestate: a=1,b=2", "tracestate: a=1,b=2", "as it is"),
        ("TraceState: a=1", "TraceState: a=1", "unchanged, so its name is too"),
        (
            "tracestate: a=1\ntracestate: b=2\ntracestate: c=3",
            "tracestate: a=1,b=2,c=3",
            "rule 10: joined in order",
        ),
        ("tracestate: a=1,,b=2, ", "tracestate: a=1,b=2", "rule 10: empty members are accepted"),
        ("tracestate: ", "", "rule 10: an empty header is never sent"),
        ("tracestate: \ntracestate: a=1", "tracestate: a=1", "rule 10: an empty header beside a full one"),
        ("tracestate: A=1,b=2", "", "rule 12: one bad member drops all"),
        ("tracestate: a=\u{e9}", "", "rule 12: not ASCII"),
        ("trace-state: a=1", "trace-state: a=1", "another header is none of ours"),
    ];
    for (state, expected, reason) in rows {
        let passed = pass(&propagator(), true, &format!("{ok}\n{state}"));
        let expected = format!("traceparent: 00-{{T}}-{{S}}-01\n{expected}");
        assert_eq!(passed.list.text(), expand(expected.trim_end()), "{reason}");
    }
    let rows = [
        (33, "", "rule 11: more than 32 members drop all"),
        (32, "tracestate", "rule 11: 32 members are allowed"),
    ];
    for (members, expected, reason) in rows {
        let state: Vec<String> = (0..members).map(|n| format!("k{n}={n}")).collect();
        let passed = pass(&propagator(), true, &format!("{ok}\ntracestate: {}", state.join(",")));
        assert_eq!(
            passed.list.headers().all("tracestate").count(),
            usize::from(!expected.is_empty()),
            "{reason}"
        );
        assert!(passed.recorded, "rule 14: a bad tracestate never harms its traceparent");
    }
}

#[test]
fn rules_08_15_to_20_b3_is_continued() {
    let rows = [
        ("b3: {T}-{P}-1", "b3: {T}-{S}-1", "rule 15: single"),
        ("b3: {T}-{P}-0", "b3: {T}-{S}-0", "rule 17: deny"),
        ("b3: {T}-{P}", "b3: {T}-{S}-1", "rule 17: defer becomes our sampler's decision"),
        ("b3: {T}-{P}-d", "b3: {T}-{S}-d", "rule 18: debug is kept"),
        ("b3: {T}-{P}-1-{Q}", "b3: {T}-{S}-1", "rule 20: no parent span id goes onward"),
        ("b3: {P}-{Q}-1", "b3: 0000000000000000{P}-{S}-1", "rule 16: 64 bits are padded"),
        ("b3: 0", "b3: {N}-{S}-0", "rule 19: new ids, denied"),
        ("b3: 1", "b3: {N}-{S}-1", "rule 19: new ids, accepted"),
        ("b3: d", "b3: {N}-{S}-d", "rule 19: new ids, debug"),
        ("x-b3-sampled: 0", "x-b3-sampled: 0\nx-b3-traceid: {N}\nx-b3-spanid: {S}", "rule 19: multi, denied"),
        (
            "x-b3-sampled: 1",
            "x-b3-sampled: 1\nx-b3-traceid: {N}\nx-b3-spanid: {S}",
            "rule 19: multi, accepted",
        ),
        ("x-b3-flags: 1", "x-b3-flags: 1\nx-b3-traceid: {N}\nx-b3-spanid: {S}", "rule 19: multi, debug"),
        (
            "X-B3-TraceId: {T}\nX-B3-SpanId: {P}\nX-B3-ParentSpanId: {Q}\nX-B3-Sampled: 1",
            "X-B3-TraceId: {T}\nx-b3-spanid: {S}\nX-B3-Sampled: 1",
            "rule 20: the span id alone changes, the parent's goes",
        ),
        (
            "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: 0\nx-b3-flags: 1",
            "x-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-flags: 1",
            "rule 18: debug beats the decision, which is not sent beside it",
        ),
        (
            "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: 1\nx-b3-sampled: 0",
            "x-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-sampled: 1",
            "of two decisions the first counts, and one goes onward",
        ),
        (
            "b3: 1-2-3\nx-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: 1",
            "x-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-sampled: 1",
            "rule 15: an invalid b3 lets multi count, and goes",
        ),
        (
            "x-b3-traceid: {O}\nx-b3-spanid: {Q}\nb3: {T}-{P}-1",
            "b3: {T}-{S}-1",
            "rule 15: single beats multi",
        ),
        ("b3: {T}-{P}-1\nb3: {O}-{Q}-1", "traceparent: 00-{N}-{S}-03", "two b3 headers name no one parent"),
    ];
    check(&propagator(), &rows);
    for text in [
        "b3: {T}-{P}-1",
        "b3: {P}-{Q}-1",
        "x-b3-traceid: {T}\nx-b3-spanid: {P}",
        "grpc-trace-bin: {bin T-P-1}",
    ] {
        let random = extract(text).context.and_then(|context| context.parent).map(|parent| parent.random);
        assert_eq!(random, Some(false), "rule 8: only W3C can say that an id is random: {text}");
    }
}

#[test]
fn the_first_valid_format_counts_in_the_configured_order() {
    let all = "x-b3-sampled: d\nb3: 1\ngrpc-trace-bin: {bin T-P-1}\ntraceparent: 00-{T}-{P}-00";
    let orders = [
        (vec![W3c, GrpcTraceBin, B3, B3Multi], Some(W3c)),
        (vec![GrpcTraceBin, W3c], Some(GrpcTraceBin)),
        (vec![B3, B3Multi, W3c], Some(B3)),
        (vec![B3Multi, B3], Some(B3Multi)),
        (vec![], None),
    ];
    for (extract, expected) in orders {
        let propagator = Propagator { extract: extract.clone(), ..propagator() };
        let extraction = propagator.extract(&HeaderList::new(all).headers());
        assert_eq!(extraction.context.map(|context| context.format), expected, "{extract:?}");
        assert_eq!(extraction.invalid, 0);
    }
}

#[test]
fn invalid_formats_are_counted_once_each() {
    let rows = [
        ("", 0, "nothing there"),
        ("accept: */*\nbaggage: \u{ff}", 0, "other headers"),
        ("tracestate: A", 0, "a bad tracestate is not looked at without its parent"),
        ("traceparent: 00-{T}-{P}-01\ntracestate: A", 0, "nor does it make the context invalid"),
        ("x-b3-parentspanid: {Q}", 0, "says nothing by itself"),
        ("traceparent: x\nb3: x\nx-b3-traceid: x\nx-b3-sampled: x\ngrpc-trace-bin: x", 4, "one a format"),
        ("traceparent: 00-{T}-{P}-01\nb3: x", 1, "also beside a valid one"),
    ];
    for (text, invalid, reason) in rows {
        assert_eq!(extract(text).invalid, invalid, "{reason}");
    }
}
