//! Clock skew: spans that start before the call that caused them, or end after it, though that call waited
//! for them, were timed by another clock. Marked, never corrected here: who draws may add [`Skew::by`].
//!
//! `CLIENT 100 … 200` of web above `SERVER 350 … 430` of emoji → emoji's clock is 240 ahead

use std::time::Duration;

use super::{Node, Trace};
use crate::collect::SpanKind;

/// How a span's clock stands against the clock of the trace's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// Nanoseconds to add to the span's times to bring them to where they can have been: its caller's middle
    /// if the span is shorter, its caller's start if it is longer.
    pub by: i64,
    /// Whether the span itself shows it; else it shares the clock of one above it that does.
    pub is_shown_here: bool,
}

impl Trace {
    /// For each node, its skew, if it has one.
    pub fn skews(&self) -> Vec<Option<Skew>> {
        let mut skews: Vec<Option<Skew>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let above = node.parent.and_then(|parent| skews.get(parent).copied().flatten());
            let inherited = above.map_or(0, |skew| skew.by);
            let own =
                node.parent.and_then(|parent| self.nodes.get(parent)).and_then(|parent| shown(parent, node));
            let by = inherited.saturating_add(own.unwrap_or(0));
            skews.push((by != 0).then_some(Skew { by, is_shown_here: own.is_some() }));
        }
        skews
    }
}

/// What a span that another process timed shows against the call above it.
fn shown(call: &Node, served: &Node) -> Option<i64> {
    let (call, served) = (&call.span, &served.span);
    let is_waited_for = call.kind == SpanKind::Client && served.kind == SpanKind::Server;
    let is_within = call.start <= served.start && served.end <= call.end;
    if !is_waited_for || is_within || served.end < served.start {
        return None;
    }
    let slack = call.end.since(call.start).saturating_sub(served.end.since(served.start));
    let expected = call.start.plus(slack / 2);
    let by = signed(expected.since(served.start)) - signed(served.start.since(expected));
    // A response that streams on, or a caller that gave up, ends earlier than what it called: no clock's fault.
    let began_within = call.start <= served.start && served.start <= call.end;
    (by != 0 && !(began_within && slack.is_zero())).then_some(by)
}

fn signed(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{inbound, outbound};
    use crate::view::traces;

    fn skews(served: (u64, u64)) -> [Option<(i64, bool)>; 3] {
        let spans = vec![
            outbound(1, 9, SpanKind::Client, 100, 200),
            inbound(2, 1, SpanKind::Server, served.0, served.1),
            inbound(3, 2, SpanKind::Client, served.0, served.1),
        ];
        let skews = traces(spans).remove(0).skews();
        [0, 1, 2].map(|at| skews[at].map(|skew| (skew.by, skew.is_shown_here)))
    }

    #[test]
    fn a_server_outside_the_call_that_waited_for_it_has_another_clock() {
        let table = [
            ("within", (110, 190), None),
            ("just as long", (100, 200), None),
            ("later: brought to the middle", (350, 430), Some(-240)),
            ("earlier", (50, 130), Some(60)),
            ("ends too late though it is shorter", (150, 210), Some(-30)),
            ("longer, and begun within: a caller that gave up", (150, 900), None),
            ("longer, and begun before", (50, 900), Some(50)),
        ];
        for (reason, served, expected) in table {
            let below = expected.map(|by| (by, false));
            assert_eq!(skews(served), [None, expected.map(|by| (by, true)), below], "{reason}");
        }
    }
}
