//! All formats together under every policy: no header list leaves with two traces, nothing foreign is touched.

use meshspan_filter::context::{Format, IncomingDecision, SpanContext, TraceFlags, TraceState};
use meshspan_filter::ids::{SpanId, TraceId};
use meshspan_filter::propagation::{Extraction, Inject, LosingHeaders, Propagator};

use super::lines::HeaderList;

const FORMATS: [Format; 4] = [Format::TraceContext, Format::GrpcTraceBin, Format::B3, Format::B3Multi];

/// A byte that chooses the policy, then headers, one a line.
pub fn check(input: &[u8]) {
    let Some((policy, lines)) = input.split_first() else { return };
    let list = HeaderList::parse(lines);
    let propagator = propagator(*policy);
    let extraction = propagator.extract(&list.headers());
    assert!(extraction.invalid <= 4);
    let span = span(&extraction);
    let debug =
        extraction.context.as_ref().is_some_and(|context| context.decision == IncomingDecision::Debug);
    let mut out = list.clone();
    propagator.inject(&extraction, &span, debug, &mut out);
    assert_eq!(out.foreign(), list.foreign(), "nothing foreign is touched");
    for format in FORMATS {
        let alone = Propagator { extract: vec![format], ..propagator.clone() }.extract(&out.headers());
        if propagator.goes_onward(format, &extraction) {
            assert_eq!(alone.invalid, 0, "{format:?} {out:?}");
            let parent = alone.context.and_then(|context| context.parent).expect("what is written is valid");
            assert_eq!((parent.trace_id, parent.span_id), (span.trace_id, span.span_id));
        } else if propagator.extract.contains(&format)
            && propagator.losing_headers == LosingHeaders::RemoveOtherTrace
        {
            assert_eq!(alone.invalid, 0, "{format:?} {out:?}");
            let other = alone.context.and_then(|context| context.parent);
            assert!(other.is_none_or(|parent| parent.trace_id == span.trace_id), "two traces: {out:?}");
        }
    }
    let again = propagator.extract(&out.headers());
    if !propagator.extract.is_empty() && extraction.context.is_some() {
        let parent = again.context.and_then(|context| context.parent);
        assert!(
            parent.is_none_or(|parent| parent.trace_id == span.trace_id) || propagator.inject != Inject::Same
        );
    }
}

fn propagator(policy: u8) -> Propagator {
    let mut extract = FORMATS.to_vec();
    extract.rotate_left(usize::from(policy & 3));
    extract.truncate(4 - usize::from(policy >> 2 & 1));
    let inject = match policy >> 3 & 3 {
        0 | 1 => Inject::Same,
        2 => Inject::Formats(FORMATS.to_vec()),
        _ => Inject::Formats(vec![FORMATS[usize::from(policy & 3)]]),
    };
    let losing_headers = match policy >> 5 & 3 {
        0 | 1 => LosingHeaders::RemoveOtherTrace,
        2 => LosingHeaders::Leave,
        _ => LosingHeaders::Rewrite,
    };
    Propagator { extract, inject, losing_headers }
}

/// The span that the proxy would begin.
fn span(extraction: &Extraction) -> SpanContext {
    let context = extraction.context.as_ref();
    let parent = context.and_then(|context| context.parent);
    SpanContext {
        trace_id: parent
            .map_or_else(|| TraceId::from_bytes([7; 16]).expect("not zero"), |parent| parent.trace_id),
        span_id: SpanId::from_bytes([9; 8]).expect("not zero"),
        flags: TraceFlags::new(
            context.is_none_or(|context| context.decision != IncomingDecision::Deny),
            parent.is_none_or(|parent| parent.random),
        ),
        trace_state: context.map_or_else(TraceState::default, |context| context.trace_state.clone()),
    }
}
