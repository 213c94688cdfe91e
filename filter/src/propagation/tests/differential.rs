//! Our extraction and injection beside those of other people: `opentelemetry_sdk`'s W3C propagator and
//! `opentelemetry-zipkin`'s B3 propagator. Where they differ a row says why, by the rule that they miss.

#![expect(deprecated, reason = "the B3 propagator lives in the crate of the Zipkin exporter, which is")]

use super::*;
use Seen::{Accept, DebugUnsampled, Defer, Deny};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{self as other, TraceContextExt};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::HashMap;

/// What headers say, in words that both sides have.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    trace_id: String,
    span_id: String,
    decision: Seen,
    random: bool,
    trace_state: String,
}

/// A decision as either side sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Accept,
    Debug,
    /// The library has a debug flag that does not sample.
    DebugUnsampled,
    Deny,
    Defer,
}

/// One side of a comparison.
type Side = fn(&HeaderList) -> Option<Said>;

/// What the library does otherwise: the rule that it misses, headers that show it, and which headers may.
struct Difference {
    rule: u8,
    reason: &'static str,
    example: &'static str,
    may_differ: fn(&HeaderList) -> bool,
}

/// The headers as HTTP libraries show them: text, and the first of a name.
impl Extractor for HeaderList {
    fn get(&self, key: &str) -> Option<&str> {
        self.headers().first(key).and_then(|value| std::str::from_utf8(value).ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.pairs.iter().map(|(name, _)| name.as_str()).collect()
    }
}

fn ours(list: &HeaderList, extract: &[Format]) -> Option<Said> {
    let propagator = Propagator { extract: extract.to_vec(), ..propagator() };
    let context = propagator.extract(&list.headers()).context?;
    let parent = context.parent;
    Some(Said {
        trace_id: parent.map_or(String::new(), |parent| parent.trace_id.to_string()),
        span_id: parent.map_or(String::new(), |parent| parent.span_id.to_string()),
        decision: match context.decision {
            IncomingDecision::Accept => Accept,
            IncomingDecision::Debug => Seen::Debug,
            IncomingDecision::Deny => Deny,
            IncomingDecision::Defer => Defer,
        },
        random: parent.is_some_and(|parent| parent.random),
        trace_state: context.trace_state.as_str().to_owned(),
    })
}

fn our_w3c(list: &HeaderList) -> Option<Said> {
    ours(list, &[W3c])
}

fn our_b3(list: &HeaderList) -> Option<Said> {
    ours(list, &[B3, B3Multi])
}

fn their_w3c(list: &HeaderList) -> Option<Said> {
    theirs(&opentelemetry_sdk::propagation::TraceContextPropagator::new(), list)
}

fn their_b3(list: &HeaderList) -> Option<Said> {
    let both = opentelemetry_zipkin::B3Encoding::SingleAndMultiHeader;
    theirs(&opentelemetry_zipkin::Propagator::with_encoding(both), list)
}

fn theirs(propagator: &dyn TextMapPropagator, list: &HeaderList) -> Option<Said> {
    let context = propagator.extract_with_context(&Context::new(), list);
    let span = context.span().span_context().clone();
    let flag = |bit: u8| span.trace_flags().to_u8() & bit != 0;
    span.is_valid().then(|| Said {
        trace_id: span.trace_id().to_string(),
        span_id: span.span_id().to_string(),
        // The B3 propagator keeps its own two bits above the sampled one.
        decision: match (flag(4), flag(2), span.is_sampled()) {
            (true, _, true) => Seen::Debug,
            (true, _, false) => DebugUnsampled,
            (_, true, _) => Defer,
            (.., true) => Accept,
            (.., false) => Deny,
        },
        random: false,
        trace_state: span.trace_state().header(),
    })
}

fn value<'a>(list: &'a HeaderList, name: &str) -> &'a [u8] {
    list.headers().first(name).unwrap_or_default()
}

fn repeated(list: &HeaderList, names: &[&str]) -> bool {
    names.iter().any(|name| list.headers().all(name).count() > 1)
}

fn not_text(list: &HeaderList) -> bool {
    list.pairs.iter().any(|(_, value)| std::str::from_utf8(value).is_err())
}

/// Members of the first `tracestate`, as the library counts them.
fn members(list: &HeaderList) -> Vec<&[u8]> {
    value(list, w3c::TRACESTATE).split(|byte| *byte == b',').collect()
}

fn trimmed_members(list: &HeaderList) -> impl Iterator<Item = &[u8]> {
    members(list).into_iter().map(trim).filter(|member| !member.is_empty())
}

fn key(member: &[u8]) -> &[u8] {
    member.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Everything about which `opentelemetry_sdk` 0.33 and we differ.
const W3C_DIFFERENCES: [Difference; 13] = [
    Difference {
        rule: 2,
        reason: "lengths are not checked, and a sign passes for a digit",
        example: "traceparent: 00-+1-+2-01",
        may_differ: |list| {
            let value = value(list, w3c::TRACEPARENT).trim_ascii();
            let lengths: Vec<_> = value.split(|byte| *byte == b'-').map(<[u8]>::len).take(4).collect();
            lengths != [2, 32, 16, 2] || value.contains(&b'+')
        },
    },
    Difference {
        rule: 2,
        reason: "a version in upper case passes",
        example: "traceparent: CC-{T}-{P}-01",
        may_differ: |list| trim(value(list, w3c::TRACEPARENT)).iter().take(2).any(u8::is_ascii_uppercase),
    },
    Difference {
        rule: 3,
        reason: "a dash at the end passes",
        example: "traceparent: 00-{T}-{P}-01-",
        may_differ: |list| value(list, w3c::TRACEPARENT).trim_ascii().ends_with(b"-"),
    },
    Difference {
        rule: 5,
        reason: "what is no text is not there, though fields of the future may be anything",
        example: "traceparent: cc-{T}-{P}-01-\u{ff}",
        may_differ: not_text,
    },
    Difference {
        rule: 6,
        reason: "of two headers the first counts",
        example: "traceparent: 00-{T}-{P}-01\ntraceparent: 00-{O}-{Q}-01",
        may_differ: |list| repeated(list, &[w3c::TRACEPARENT]),
    },
    Difference {
        rule: 6,
        reason: "more than spaces and tabs counts as white space",
        example: "traceparent: \u{c}00-{T}-{P}-01",
        may_differ: |list| {
            let value = String::from_utf8_lossy(value(list, w3c::TRACEPARENT)).into_owned();
            value.trim() != value.trim_matches([' ', '\t'])
        },
    },
    Difference {
        rule: 8,
        reason: "the random flag is dropped",
        example: "traceparent: 00-{T}-{P}-03",
        may_differ: |list| our_w3c(list).is_some_and(|said| said.random),
    },
    Difference {
        rule: 10,
        reason: "of several headers the first counts",
        example: "traceparent: 00-{T}-{P}-01\ntracestate: a=1\ntracestate: b=2",
        may_differ: |list| repeated(list, &[w3c::TRACESTATE]),
    },
    Difference {
        rule: 10,
        reason: "entries with the same key all stay, though the first is the most recent",
        example: "traceparent: 00-{T}-{P}-01\ntracestate: a=1,a=2",
        may_differ: |list| {
            let mut keys: Vec<_> = trimmed_members(list).map(key).collect();
            keys.sort_unstable();
            keys.windows(2).any(|pair| pair[0] == pair[1])
        },
    },
    Difference {
        rule: 11,
        reason: "from the 33rd on entries are cut instead of all dropped",
        example: "traceparent: 00-{T}-{P}-01\ntracestate: a0=1,a1=1,a2=1,a3=1,a4=1,a5=1,a6=1,a7=1,a8=1,a9=1,\
                  b0=1,b1=1,b2=1,b3=1,b4=1,b5=1,b6=1,b7=1,b8=1,b9=1,c0=1,c1=1,c2=1,c3=1,c4=1,c5=1,c6=1,c7=1,\
                  c8=1,c9=1,d0=1,d1=1,d2=1",
        may_differ: |list| members(list).len() > 32,
    },
    Difference {
        rule: 12,
        reason: "`@` in a key divides tenant and vendor, as in Level 1",
        example: "traceparent: 00-{T}-{P}-01\ntracestate: a@b@c=1",
        may_differ: |list| trimmed_members(list).any(|member| key(member).contains(&b'@')),
    },
    Difference {
        rule: 12,
        reason: "values and empty keys are not checked",
        example: "traceparent: 00-{T}-{P}-01\ntracestate: a=,b==1,=c",
        may_differ: |list| trimmed_members(list).any(|member| tracestate::parse([member]).is_err()),
    },
    Difference {
        rule: 13,
        reason: "a list may be as long as its sender likes",
        example: "traceparent: 00-{T}-{P}-01\ntracestate: {long}",
        may_differ: |list| value(list, w3c::TRACESTATE).len() > tracestate::MAX_LEN,
    },
];

/// Everything about which `opentelemetry-zipkin` 0.33 and we differ.
const B3_DIFFERENCES: [Difference; 11] = [
    Difference {
        rule: 15,
        reason: "of two b3 headers the first counts, though they name no one parent",
        example: "b3: {T}-{P}-1\nb3: {O}-{Q}-1",
        may_differ: |list| repeated(list, &[b3::B3]),
    },
    Difference {
        rule: 15,
        reason: "of two ids the first counts",
        example: "x-b3-traceid: {T}\nx-b3-traceid: {O}\nx-b3-spanid: {P}",
        may_differ: |list| repeated(list, &[b3::TRACE_ID, b3::SPAN_ID]),
    },
    Difference {
        rule: 15,
        reason: "a dash at the end passes",
        example: "b3: {T}-{P}-",
        may_differ: |list| value(list, b3::B3).ends_with(b"-"),
    },
    Difference {
        rule: 6,
        reason: "white space around values is not taken off",
        example: "b3: {T}-{P}-1 ",
        may_differ: |list| list.pairs.iter().any(|(_, value)| trim(value) != value.as_slice()),
    },
    Difference {
        rule: 16,
        reason: "a sign passes for a digit",
        example: "b3: {T}-+0f067aa0ba902b7-1",
        may_differ: |list| list.pairs.iter().any(|(_, value)| value.contains(&b'+')),
    },
    Difference {
        rule: 17,
        reason: "`true` and `false` in other cases, or in the single header, are invalid",
        example: "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: True",
        may_differ: |list| {
            let word =
                |state: &[u8]| state.eq_ignore_ascii_case(b"true") || state.eq_ignore_ascii_case(b"false");
            word(value(list, b3::SAMPLED)) || value(list, b3::B3).split(|byte| *byte == b'-').any(word)
        },
    },
    Difference {
        rule: 17,
        reason: "an empty state is invalid instead of none",
        example: "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: ",
        may_differ: |list| list.headers().first(b3::SAMPLED).is_some() && value(list, b3::SAMPLED).is_empty(),
    },
    Difference {
        rule: 17,
        reason: "a state that is no text is none instead of invalid",
        example: "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: \u{ff}",
        may_differ: not_text,
    },
    Difference {
        rule: 18,
        reason: "`d` does not sample",
        example: "b3: {T}-{P}-d",
        may_differ: |list| our_b3(list).is_some_and(|said| said.decision == Seen::Debug),
    },
    Difference {
        rule: 18,
        reason: "flags of 0 deny, whatever the sampled header says",
        example: "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: 1\nx-b3-flags: 0",
        may_differ: |list| value(list, b3::FLAGS) == b"0",
    },
    Difference {
        rule: 19,
        reason: "a decision alone is not read",
        example: "b3: 0",
        may_differ: |list| our_b3(list).is_some_and(|said| said.trace_id.is_empty()),
    },
];

fn example(difference: &Difference) -> HeaderList {
    let long = (0..8).map(|n| format!("k{n}={}", "v".repeat(80))).collect::<Vec<_>>().join(",");
    HeaderList::new(&difference.example.replace("{long}", &long))
}

/// Each row shows a difference that is still there, of which no other row knows.
fn assert_rows_are_needed(rows: &[Difference], ours: Side, theirs: Side) {
    for (n, row) in rows.iter().enumerate() {
        let list = example(row);
        let (ours, theirs) = (ours(&list), theirs(&list));
        assert_ne!(ours, theirs, "rule {}: no difference any more: {}", row.rule, row.reason);
        let others = rows.iter().enumerate().filter(|(other, row)| *other != n && (row.may_differ)(&list));
        let others: Vec<_> = others.map(|(_, row)| row.reason).collect();
        assert_eq!(others, Vec::<&str>::new(), "rule {}: {} is no row of its own", row.rule, row.reason);
        assert!((row.may_differ)(&list), "rule {}: {} does not fit its example", row.rule, row.reason);
    }
}

#[test]
fn rules_02_to_13_every_difference_from_the_w3c_propagator_is_real() {
    assert_rows_are_needed(&W3C_DIFFERENCES, our_w3c, their_w3c);
}

#[test]
fn rules_06_15_to_19_every_difference_from_the_b3_propagator_is_real() {
    assert_rows_are_needed(&B3_DIFFERENCES, our_b3, their_b3);
}

/// Asserts agreement, unless a row knows why not.
fn compare(list: &HeaderList, rows: &[Difference], ours: Side, theirs: Side) -> Result<(), TestCaseError> {
    let (ours, theirs) = (ours(list), theirs(list));
    if ours != theirs && !rows.iter().any(|row| (row.may_differ)(list)) {
        prop_assert_eq!(ours, theirs, "{}", list.text());
    }
    Ok(())
}

/// Valid values and almost valid ones: a valid text with up to three bytes changed, added or taken away.
fn near(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edit =
        (any::<prop::sample::Index>(), 0..4_u8, prop_oneof![select(b"0f-+=,@ \tdD1".to_vec()), any::<u8>()]);
    (select(texts.to_vec()), vec(edit, 0..3), any::<bool>()).prop_map(|(text, edits, is_valid)| {
        let mut bytes = expand(text).into_bytes();
        for (at, kind, byte) in edits.into_iter().filter(|_| !is_valid) {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes.insert(at, byte),
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.make_ascii_uppercase(),
                _ => bytes[at] = byte,
            }
        }
        bytes
    })
}

fn lists(headers: &'static [(&'static str, &'static [&'static str])]) -> impl Strategy<Value = HeaderList> {
    let pair = select((0..headers.len()).collect::<Vec<_>>()).prop_flat_map(move |n| {
        let (name, texts) = headers[n];
        prop_oneof![9 => near(texts).boxed(), 1 => vec(any::<u8>(), 0..60).boxed()]
            .prop_map(move |value| (name.to_owned(), value))
    });
    vec(pair, 0..5).prop_map(|pairs| HeaderList { pairs, touched: vec![] })
}

const PARENTS: &[&str] = &[
    "00-{T}-{P}-01",
    "00-{O}-{Q}-00",
    "00-{T}-{P}-03",
    "cc-{T}-{P}-01",
    "fe-{T}-{P}-01-more",
    "ff-{T}-{P}-01",
];
const STATES: &[&str] = &["a=1,b=2", "rojo=00f067aa0ba902b7, congo=t61", "a=1,,b= 2", "t@v=1", "ot=th:8", ""];
const SINGLE: &[&str] =
    &["{T}-{P}-1", "{T}-{P}-0", "{T}-{P}-d", "{T}-{P}", "{P}-{Q}-1", "{T}-{P}-1-{Q}", "0"];
const TRACES: &[&str] = &["{T}", "{O}", "{P}"];
const SPANS: &[&str] = &["{P}", "{Q}"];
const DECISIONS: &[&str] = &["0", "1", "d", "true", "false", ""];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn rules_02_to_14_the_w3c_propagator_agrees_but_for_the_rows(
        list in lists(&[("traceparent", PARENTS), ("traceparent", PARENTS), ("tracestate", STATES)]),
    ) {
        compare(&list, &W3C_DIFFERENCES, our_w3c, their_w3c)?;
    }

    #[test]
    fn rules_15_to_19_the_b3_propagator_agrees_but_for_the_rows(
        list in lists(&[
            (b3::B3, SINGLE), (b3::TRACE_ID, TRACES), (b3::SPAN_ID, SPANS), (b3::SAMPLED, DECISIONS),
            (b3::FLAGS, DECISIONS), (b3::PARENT_SPAN_ID, SPANS),
        ]),
    ) {
        compare(&list, &B3_DIFFERENCES, our_b3, their_b3)?;
    }

    /// What we write, they write: but for the random flag (rule 8) and an empty tracestate (rule 10).
    #[test]
    fn rules_07_to_10_18_the_libraries_write_the_same(span in super::properties::spans(), state in select(STATES)) {
        let trace_state = tracestate::parse([expand(state).as_bytes()]).unwrap_or_default();
        let span = SpanContext { trace_state, ..span };
        let mut written = HeaderList::default();
        let all = Propagator { inject: Inject::Formats(vec![W3c, B3, B3Multi]), ..propagator() };
        all.inject(&Extraction::default(), &span, false, &mut written);

        let context = Context::new().with_remote_span_context(other::SpanContext::new(
            other::TraceId::from_bytes(*span.trace_id.as_bytes()),
            other::SpanId::from_bytes(*span.span_id.as_bytes()),
            other::TraceFlags::new(u8::from(span.flags.sampled())),
            true,
            span.trace_state.as_str().parse().unwrap(),
        ));
        let mut theirs: HashMap<String, String> = HashMap::new();
        let both = opentelemetry_zipkin::B3Encoding::SingleAndMultiHeader;
        opentelemetry_sdk::propagation::TraceContextPropagator::new().inject_context(&context, &mut theirs);
        opentelemetry_zipkin::Propagator::with_encoding(both).inject_context(&context, &mut theirs);

        let empty_state = theirs.get(w3c::TRACESTATE).is_some_and(String::is_empty);
        prop_assert_eq!(empty_state, span.trace_state.is_empty(), "rule 10: they send an empty one");
        theirs.retain(|_, value| !value.is_empty());
        let mut ours: HashMap<String, String> = HashMap::new();
        for (name, value) in &written.pairs {
            ours.insert(name.clone(), String::from_utf8(value.clone()).unwrap());
        }
        if span.flags.random() {
            let flags = if span.flags.sampled() { "03" } else { "02" };
            prop_assert!(ours[w3c::TRACEPARENT].ends_with(flags), "rule 8: they drop the random flag");
            theirs.insert(w3c::TRACEPARENT.to_owned(), ours[w3c::TRACEPARENT].clone());
        }
        prop_assert_eq!(ours, theirs);
    }
}
