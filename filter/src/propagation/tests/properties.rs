//! What holds for all ids and for any bytes.

use super::*;
use crate::propagation::tracestate::{MAX_LEN, MAX_MEMBERS};
use proptest::collection::vec;
use proptest::prelude::*;

pub(super) fn spans() -> impl Strategy<Value = SpanContext> {
    let trace_id = any::<[u8; 16]>().prop_filter_map("zero", |bytes| TraceId::from_bytes(bytes).ok());
    let span_id = any::<[u8; 8]>().prop_filter_map("zero", |bytes| SpanId::from_bytes(bytes).ok());
    (trace_id, span_id, any::<bool>(), any::<bool>()).prop_map(|(trace_id, span_id, sampled, random)| {
        SpanContext {
            trace_id,
            span_id,
            flags: TraceFlags::new(sampled, random),
            trace_state: TraceState::default(),
        }
    })
}

/// Bytes of which many are nearly right.
fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..80),
        "[0-9a-fd]{0,2}-?[0-9a-f]{30,34}-[0-9a-f]{15,17}-[0-9a-fd]{0,3}(-.*)?".prop_map(String::into_bytes),
        "[01d-]{0,4}".prop_map(String::into_bytes),
        "A[AB][A-Za-z0-9+/]{0,60}={0,2}".prop_map(String::into_bytes),
        "([a-z@*]{1,9}=[ -~]{0,9}[ \t]*,?){0,40}".prop_map(String::into_bytes),
    ]
}

const NAMES: [&str; 10] = [
    w3c::TRACEPARENT,
    w3c::TRACESTATE,
    grpc_bin::NAME,
    b3::B3,
    b3::TRACE_ID,
    b3::SPAN_ID,
    b3::PARENT_SPAN_ID,
    b3::SAMPLED,
    b3::FLAGS,
    baggage::NAME,
];

fn header_lists() -> impl Strategy<Value = HeaderList> {
    let pair =
        (proptest::sample::select(&NAMES[..]), values()).prop_map(|(name, value)| (name.to_owned(), value));
    vec(pair, 0..8).prop_map(|pairs| HeaderList { pairs, touched: vec![] })
}

fn propagators() -> impl Strategy<Value = Propagator> {
    let formats = || proptest::sample::subsequence(FORMATS.to_vec(), 0..=4).prop_shuffle();
    let inject = prop_oneof![Just(Inject::Same), formats().prop_map(Inject::Formats)];
    let losing = [LosingHeaders::RemoveOtherTrace, LosingHeaders::Leave, LosingHeaders::Rewrite];
    (formats(), inject, proptest::sample::select(losing.to_vec()))
        .prop_map(|(extract, inject, losing_headers)| Propagator { extract, inject, losing_headers })
}

#[test]
fn every_name_of_every_format_is_likely_in_any_case() {
    for name in NAMES.iter().filter(|name| **name != baggage::NAME) {
        assert!(is_likely(name.as_bytes()) && is_likely(name.to_ascii_uppercase().as_bytes()), "{name}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(span in spans(), debug: bool) {
        let (trace_id, span_id, flags) = w3c::parse(&w3c::format(&span)).unwrap();
        prop_assert_eq!((trace_id, span_id, flags), (span.trace_id, span.span_id, span.flags));

        let (parent, sampled) = grpc_bin::parse(&grpc_bin::format(&span)).unwrap();
        prop_assert_eq!((parent.trace_id, parent.span_id), (span.trace_id, span.span_id));
        prop_assert_eq!(sampled, span.flags.sampled());

        let (parent, decision) = b3::parse_single(&b3::format_single(&span, debug)).unwrap();
        prop_assert_eq!(parent.map(|p| (p.trace_id, p.span_id)), Some((span.trace_id, span.span_id)));
        let expected = match (debug, span.flags.sampled()) {
            (true, _) => IncomingDecision::Debug,
            (false, true) => IncomingDecision::Accept,
            (false, false) => IncomingDecision::Deny,
        };
        prop_assert_eq!(decision, expected);
    }

    #[test]
    fn every_format_carries_a_span_through_headers(span in spans(), format in 0..4_usize) {
        let propagator = Propagator { inject: Inject::Formats(vec![FORMATS[format]]), ..propagator() };
        let mut list = HeaderList::default();
        propagator.inject(&Extraction::default(), &span, false, &mut list);
        let extraction = propagator.extract(&list.headers());
        let context = extraction.context.unwrap();
        prop_assert_eq!(extraction.invalid, 0);
        prop_assert_eq!(context.format, FORMATS[format]);
        prop_assert_eq!(context.parent.map(|p| (p.trace_id, p.span_id)), Some((span.trace_id, span.span_id)));
        prop_assert_eq!(context.decision == IncomingDecision::Accept, span.flags.sampled());
    }

    #[test]
    fn no_parser_panics_and_what_it_takes_is_stable(value in values()) {
        if let Ok((trace_id, span_id, flags)) = w3c::parse(&value) {
            let span = SpanContext { trace_id, span_id, flags, trace_state: TraceState::default() };
            prop_assert_eq!(w3c::parse(&w3c::format(&span)), Ok((trace_id, span_id, flags)));
        }
        let _ = (b3::parse_single(&value), grpc_bin::parse(&value));
        if let Ok(state) = tracestate::parse([value.as_slice()]) {
            prop_assert!(state.as_str().len() <= MAX_LEN);
            prop_assert!(state.as_str().split(',').count() <= MAX_MEMBERS);
            prop_assert_eq!(tracestate::parse([state.as_str().as_bytes()]), Ok(state));
        }
    }

    /// The law behind rule 21, for any headers at all: what leaves names the new span's trace only.
    #[test]
    fn no_request_leaves_with_two_traces(list in header_lists(), span in spans()) {
        let propagator = propagator();
        let mut out = list.clone();
        let extraction = propagator.extract(&list.headers());
        let parent = extraction.context.as_ref().and_then(|context| context.parent);
        let trace_id = parent.map_or(span.trace_id, |parent| parent.trace_id);
        let span = SpanContext { trace_id, ..span };
        propagator.inject(&extraction, &span, false, &mut out);
        for format in FORMATS {
            let alone = Propagator { extract: vec![format], ..propagator.clone() };
            let left = alone.extract(&out.headers());
            prop_assert_eq!(left.invalid, 0, "{:?} {}", format, out.text());
            if let Some(parent) = left.context.and_then(|context| context.parent) {
                prop_assert_eq!(parent.trace_id, trace_id, "{:?} {}", format, out.text());
            }
        }
    }

    /// Headers of formats that are neither read nor written, and baggage, pass under every policy.
    #[test]
    fn nothing_foreign_is_touched(list in header_lists(), propagator in propagators(), span in spans()) {
        let mut out = list.clone();
        let extraction = propagator.extract(&list.headers());
        propagator.inject(&extraction, &span, false, &mut out);
        let written = |format: &Format| matches!(&propagator.inject, Inject::Formats(f) if f.contains(format));
        for format in FORMATS.iter().filter(|format| !propagator.extract.contains(format) && !written(format)) {
            let prefix = match format {
                W3c => "trace",
                GrpcTraceBin => "grpc-trace-bin",
                B3 => "b3",
                B3Multi => "x-b3-",
            };
            prop_assert!(!out.touched.iter().any(|name| name.starts_with(prefix)), "{:?}", out.touched);
        }
        prop_assert!(!out.touched.contains(&baggage::NAME.to_owned()));
    }
}
