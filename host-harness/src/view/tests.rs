use super::*;
use crate::collect::{Direction, PROXY_SCOPE, SpanKind};

/// An application's span in trace 1; ids are one byte, repeated; times in ns.
pub(crate) fn app(id: u8, parent: Option<u8>, kind: SpanKind, start: u64, end: u64) -> SpanRecord {
    SpanRecord {
        trace_id: [1; 16],
        span_id: [id; 8],
        parent: parent.map(|parent| [parent; 8]),
        name: "GET".to_owned(),
        kind,
        start: Timestamp::from_unix_nanos(start),
        end: Timestamp::from_unix_nanos(end),
        status: Status::Unset,
        attributes: Vec::new(),
        service: "web".to_owned(),
        scope: "app".to_owned(),
        is_proxy: false,
        direction: None,
        resource: [].into(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

pub(crate) fn outbound(id: u8, parent: u8, kind: SpanKind, start: u64, end: u64) -> SpanRecord {
    let scope = PROXY_SCOPE.to_owned();
    let direction = Some(Direction::Outbound);
    SpanRecord { is_proxy: true, scope, direction, ..app(id, Some(parent), kind, start, end) }
}

pub(crate) fn inbound(id: u8, parent: u8, kind: SpanKind, start: u64, end: u64) -> SpanRecord {
    let service = "emoji".to_owned();
    SpanRecord { direction: Some(Direction::Inbound), service, ..outbound(id, parent, kind, start, end) }
}

/// Depth, id and whether it is an orphan, node by node.
fn shape(trace: &Trace) -> Vec<(usize, u8, bool)> {
    trace.nodes.iter().map(|node| (node.depth, node.span.span_id[0], node.is_orphan)).collect()
}

fn internal(id: u8, parent: Option<u8>, start: u64) -> SpanRecord {
    app(id, parent, SpanKind::Internal, start, start + 10)
}

/// ```text
/// 1
/// ├ 2
/// │ └ 4
/// └ 3
/// ```
#[test]
fn spans_in_any_order_make_one_tree() {
    let spans =
        [internal(3, Some(1), 30), internal(4, Some(2), 25), internal(2, Some(1), 20), internal(1, None, 5)];
    let traces = traces(spans.to_vec());
    assert_eq!(traces.len(), 1);
    let trace = &traces[0];
    assert_eq!(shape(trace), [(0, 1, false), (1, 2, false), (2, 4, false), (1, 3, false)]);
    assert_eq!(trace.nodes[0].children, [1, 3]);
    assert_eq!(trace.nodes[2].parent, Some(1));
    assert_eq!((trace.start.as_unix_nanos(), trace.end.as_unix_nanos()), (5, 40));
    assert_eq!(trace.duration(), Duration::from_nanos(35));
    assert_eq!(trace.roots().count(), 1);
}

#[test]
fn traces_come_in_the_order_of_their_start() {
    let late = SpanRecord { trace_id: [0; 16], ..internal(1, None, 50) };
    let error = SpanRecord { status: Status::Error(String::new()), ..internal(2, None, 7) };
    let traces = traces(vec![late, error]);
    assert_eq!(traces.iter().map(|trace| trace.trace_id[0]).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(traces.iter().map(|trace| trace.errors).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn a_missing_parent_makes_an_orphan_but_for_the_entry() {
    for (spans, expected, reason) in [
        (
            vec![internal(1, None, 5), internal(2, Some(9), 7)],
            vec![(0, 1, false), (0, 2, true)],
            "beside a root",
        ),
        (
            vec![internal(1, Some(9), 5), internal(2, Some(1), 7)],
            vec![(0, 1, false), (1, 2, false)],
            "the entry",
        ),
        (
            vec![internal(1, Some(8), 5), internal(2, Some(9), 7)],
            vec![(0, 1, false), (0, 2, true)],
            "one entry only",
        ),
        (
            vec![internal(2, Some(9), 3), internal(1, None, 5)],
            vec![(0, 2, true), (0, 1, false)],
            "before the root",
        ),
    ] {
        let trace = traces(spans).remove(0);
        assert_eq!(shape(&trace), expected, "{reason}");
        assert_eq!(trace.orphans(), expected.iter().filter(|(_, _, orphan)| *orphan).count(), "{reason}");
    }
}

#[test]
fn circles_and_repeated_ids_lose_no_span() {
    for (spans, expected, reason) in [
        (vec![internal(1, Some(1), 5)], vec![(0, 1, false)], "its own parent"),
        (
            vec![internal(1, None, 1), internal(2, Some(3), 5), internal(3, Some(2), 6)],
            vec![(0, 1, false), (0, 2, true), (1, 3, false)],
            "a circle of two",
        ),
        (
            vec![internal(1, None, 1), internal(1, None, 2), internal(2, Some(1), 3)],
            vec![(0, 1, false), (1, 2, false), (0, 1, false)],
            "one id twice: children belong to the first",
        ),
    ] {
        assert_eq!(shape(&traces(spans).remove(0)), expected, "{reason}");
    }
}

#[test]
fn a_deep_trace_does_not_exhaust_the_stack() {
    let chain = (0..100_000_u64).map(|at| SpanRecord {
        span_id: (at + 1).to_be_bytes(),
        parent: (at > 0).then(|| at.to_be_bytes()),
        ..internal(1, None, at)
    });
    let trace = traces(chain.collect()).remove(0);
    assert_eq!(trace.nodes.last().unwrap().depth, 99_999);
}
