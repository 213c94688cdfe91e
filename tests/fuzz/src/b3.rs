//! B3 in one header and in several: what is written is read back, by either form alike.

use meshspan_filter::context::{Format, IncomingDecision, RemoteParent, SpanContext, TraceFlags, TraceState};
use meshspan_filter::propagation::{Inject, LosingHeaders, Propagator, b3};

use super::lines::HeaderList;

/// Headers, one a line.
pub fn check(input: &[u8]) {
    let list = HeaderList::parse(input);
    for (name, value) in list.headers().iter() {
        if name == b"b3" {
            check_single(value);
        }
    }
    let reading = propagator(vec![Format::B3, Format::B3Multi], vec![]).extract(&list.headers());
    assert!(reading.invalid <= 2);
    let Some(context) = reading.context else { return };
    assert!(context.trace_state.is_empty(), "B3 has none");
    assert!(context.parent.is_some() || context.decision != IncomingDecision::Defer, "it says nothing");
    if let Some(parent) = context.parent {
        assert!(!parent.random, "rule 8: widened ids say nothing of randomness");
        round_trip(parent, context.decision);
    }
}

fn check_single(value: &[u8]) {
    let Ok((parent, decision)) = b3::parse_single(value) else { return };
    let text = std::str::from_utf8(value).expect("what is valid is ASCII");
    match parent {
        None => assert!(!text.contains('-')),
        Some(parent) => {
            let mut fields = text.split('-');
            let trace_id = fields.next().expect("a first field");
            assert_eq!(
                parent.trace_id.to_string(),
                format!("{trace_id:0>32}"),
                "rule 16: padded on the left"
            );
            assert_eq!(Some(parent.span_id.to_string().as_str()), fields.next());
            round_trip(parent, decision);
        }
    }
}

/// Both forms carry ids and decision on.
fn round_trip(parent: RemoteParent, decision: IncomingDecision) {
    let sampled = decision != IncomingDecision::Deny;
    let debug = decision == IncomingDecision::Debug;
    let span = SpanContext {
        trace_id: parent.trace_id,
        span_id: parent.span_id,
        flags: TraceFlags::new(sampled, false),
        trace_state: TraceState::default(),
    };
    let expected = if decision == IncomingDecision::Defer { IncomingDecision::Accept } else { decision };
    for format in [Format::B3, Format::B3Multi] {
        let propagator = propagator(vec![format], vec![format]);
        let mut list = HeaderList::default();
        let none = HeaderList::default();
        propagator.inject(&propagator.extract(&none.headers()), &span, debug, &mut list);
        let read = propagator.extract(&list.headers());
        let context = read.context.expect("what is written is valid");
        assert_eq!((context.parent, context.decision), (Some(parent), expected), "{format:?} {list:?}");
    }
}

fn propagator(extract: Vec<Format>, inject: Vec<Format>) -> Propagator {
    Propagator { extract, inject: Inject::Formats(inject), losing_headers: LosingHeaders::Leave }
}
