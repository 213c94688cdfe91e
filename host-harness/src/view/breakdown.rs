//! Where a trace's time went: in proxies, on the wire between them, in applications.

use std::time::Duration;

use crate::{
    collect::{Direction, SpanKind, SpanRecord},
    view::{Node, Trace},
};

/// One pass through a proxy: a SERVER span and the CLIENT spans below it, one an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Index of the SERVER span in [`Trace::nodes`].
    pub server: usize,
    /// How much longer the SERVER span is than the time covered by its CLIENT spans.
    pub overhead: Duration,
}

/// Sums over the trace of the time that each span spent on its own: the time that no child covers.
/// Work that went on in parallel counts as often as it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// In proxies: the overhead of the passes.
    pub proxy: Duration,
    /// Between a CLIENT span and the SERVER span that it reached.
    pub wire: Duration,
    /// The rest.
    pub application: Duration,
}

/// Where a span's own time is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Proxy,
    Wire,
    Application,
}

impl Trace {
    /// The passes through proxies that have both spans, in the order of the nodes.
    pub fn passes(&self) -> Vec<Pass> {
        let passes = self.nodes.iter().enumerate().filter(|(_, node)| self.is_pass(node));
        passes.map(|(server, node)| Pass { server, overhead: self.self_time(node) }).collect()
    }

    /// Where the time went.
    pub fn breakdown(&self) -> Breakdown {
        let mut sum = Breakdown::default();
        for node in &self.nodes {
            let own = self.self_time(node);
            match self.place(node) {
                Place::Proxy => sum.proxy += own,
                Place::Wire => sum.wire += own,
                Place::Application => sum.application += own,
            }
        }
        sum
    }

    /// Where the time is spent that no child of `node` covers.
    pub(super) fn place(&self, node: &Node) -> Place {
        if self.is_pass(node) {
            Place::Proxy
        } else if self.reached_somebody(node) {
            Place::Wire
        } else {
            Place::Application
        }
    }

    fn is_pass(&self, node: &Node) -> bool {
        let is_client = |child: &SpanRecord| child.is_proxy && child.kind == SpanKind::Client;
        node.span.is_proxy && node.span.kind == SpanKind::Server && self.children(node).any(is_client)
    }

    /// Whether a CLIENT span has the SERVER span at the other end below it. An inbound proxy's has not if
    /// what follows is an outbound proxy's: between them is an application that emits no spans.
    fn reached_somebody(&self, node: &Node) -> bool {
        let from_inbound = node.span.is_proxy && node.span.direction == Some(Direction::Inbound);
        let is_peer =
            |child: &SpanRecord| child.kind == SpanKind::Server && !(from_inbound && child.is_proxy);
        node.span.kind == SpanKind::Client && self.children(node).any(is_peer)
    }

    pub(super) fn children<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a SpanRecord> {
        node.children.iter().filter_map(|&child| self.nodes.get(child)).map(|child| &child.span)
    }

    /// The span's duration but for what its children cover.
    pub(super) fn self_time(&self, node: &Node) -> Duration {
        let (start, end) = (node.span.start, node.span.end);
        let (mut covered, mut until) = (Duration::ZERO, start);
        for child in self.children(node) {
            let from = child.start.clamp(until, end.max(until));
            let to = child.end.clamp(from, end.max(from));
            covered += to.since(from);
            until = to;
        }
        end.since(start).saturating_sub(covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{
        tests::{app, inbound, outbound},
        traces,
    };

    const US: u64 = 1_000;

    fn micros(trace: &Trace) -> (u128, u128, u128) {
        let sum = trace.breakdown();
        (sum.proxy.as_micros(), sum.wire.as_micros(), sum.application.as_micros())
    }

    /// ```text
    /// 1 app CLIENT                 0 ─ 1000
    /// └ 2 outbound SERVER         10 ─  990     pass 2: 20 µs
    ///   └ 3 outbound CLIENT       20 ─  980
    ///     └ 4 inbound SERVER     100 ─  900     pass 4: 10 µs
    ///       └ 5 inbound CLIENT   105 ─  895
    ///         └ 6 app SERVER     110 ─  890
    /// ```
    #[test]
    fn a_call_between_two_meshed_workloads_is_proxy_wire_and_application() {
        let spans = vec![
            app(1, None, SpanKind::Client, 0, 1_000 * US),
            outbound(2, 1, SpanKind::Server, 10 * US, 990 * US),
            outbound(3, 2, SpanKind::Client, 20 * US, 980 * US),
            inbound(4, 3, SpanKind::Server, 100 * US, 900 * US),
            inbound(5, 4, SpanKind::Client, 105 * US, 895 * US),
            app(6, Some(5), SpanKind::Server, 110 * US, 890 * US),
        ];
        let trace = traces(spans).remove(0);
        let overheads: Vec<_> = trace.passes().iter().map(|p| (p.server, p.overhead.as_micros())).collect();
        assert_eq!(overheads, [(1, 20), (3, 10)]);
        assert_eq!(micros(&trace), (30, 20 + 160 + 10, 780));
        let sum = trace.breakdown();
        assert_eq!(sum.proxy + sum.wire + sum.application, trace.duration(), "nothing is lost");
    }

    #[test]
    fn an_application_without_spans_is_no_wire() {
        let spans = vec![
            inbound(1, 9, SpanKind::Server, 0, 100 * US),
            inbound(2, 1, SpanKind::Client, 10 * US, 90 * US),
            outbound(3, 2, SpanKind::Server, 20 * US, 80 * US),
            outbound(4, 3, SpanKind::Client, 25 * US, 75 * US),
        ];
        assert_eq!(
            micros(&traces(spans).remove(0)),
            (30, 0, 20 + 50),
            "80 - 60 in the application, 50 beyond"
        );
    }

    #[test]
    fn overlapping_attempts_are_covered_once() {
        let spans = vec![
            outbound(1, 9, SpanKind::Server, 0, 100 * US),
            outbound(2, 1, SpanKind::Client, 10 * US, 60 * US),
            outbound(3, 1, SpanKind::Client, 50 * US, 120 * US),
        ];
        let passes = traces(spans).remove(0).passes();
        assert_eq!(passes, [Pass { server: 0, overhead: Duration::from_micros(10) }]);
    }

    #[test]
    fn a_server_span_alone_is_no_pass() {
        let trace = traces(vec![outbound(1, 9, SpanKind::Server, 0, 100 * US)]).remove(0);
        assert!(trace.passes().is_empty());
    }
}
