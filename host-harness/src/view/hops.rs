//! A trace's hops: one call from one workload to another, split into the sending proxy, the wire, the
//! receiving proxy and the application. What the parts are is [`Breakdown`](super::Breakdown)'s affair.
//!
//! `app CLIENT → outbound SERVER → CLIENT → inbound SERVER → CLIENT → app SERVER` is one hop

use std::time::Duration;

use super::breakdown::Place;
use super::{Node, Trace};
use crate::collect::{Direction, SpanKind};

/// One call, and where its own time went: what further calls cover belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who called: the service of the first span, or of the workload that it stands for.
    pub from: String,
    /// Who answered, as far as the trace tells.
    pub to: String,
    /// Index in [`Trace::nodes`] of the span that the hop begins with.
    pub first: usize,
    /// Indices of all its spans, in the order of the nodes.
    pub spans: Vec<usize>,
    /// In the proxy beside the caller.
    pub sending_proxy: Duration,
    /// Between a CLIENT span and the SERVER span that it reached.
    pub wire: Duration,
    /// In the proxy beside the one who answered.
    pub receiving_proxy: Duration,
    /// The rest.
    pub application: Duration,
}

impl Trace {
    /// The calls, in the order of their first spans. Spans before the first call, such as an application's
    /// own root, belong to none.
    pub fn hops(&self) -> Vec<Hop> {
        let mut hops: Vec<Hop> = Vec::new();
        // For each node, the hop that it belongs to.
        let mut places: Vec<Option<usize>> = Vec::with_capacity(self.nodes.len());
        for (at, node) in self.nodes.iter().enumerate() {
            let parent = node.parent.and_then(|parent| self.nodes.get(parent));
            let inherited = node.parent.and_then(|parent| places.get(parent).copied().flatten());
            let place = if self.begins_hop(node, parent) {
                hops.push(Hop::new(at, node, parent));
                Some(hops.len() - 1)
            } else {
                inherited
            };
            if let Some(hop) = place.and_then(|place| hops.get_mut(place)) {
                hop.add(at, node, self.place(node), self.self_time(node));
            }
            places.push(place);
        }
        hops
    }

    /// An application's call that somebody served; else the first proxy that saw the call.
    fn begins_hop(&self, node: &Node, parent: Option<&Node>) -> bool {
        let span = &node.span;
        match (span.kind, span.is_proxy) {
            (SpanKind::Client, false) => self.children(node).any(|child| child.kind == SpanKind::Server),
            (SpanKind::Server, true) => parent.is_none_or(|parent| {
                let sender = &parent.span;
                let is_call = sender.kind == SpanKind::Client
                    && (!sender.is_proxy || sender.direction == Some(Direction::Outbound));
                // An outbound proxy calls a proxy; an inbound proxy's next call is the application's.
                !is_call || (sender.is_proxy && span.direction == Some(Direction::Outbound))
            }),
            _ => false,
        }
    }
}

impl Hop {
    fn new(first: usize, node: &Node, parent: Option<&Node>) -> Self {
        let is_receiver = node.span.is_proxy && node.span.direction == Some(Direction::Inbound);
        let caller =
            if is_receiver { parent.map(|parent| &parent.span.service) } else { Some(&node.span.service) };
        Self {
            from: caller.cloned().unwrap_or_default(),
            to: String::new(),
            first,
            spans: Vec::new(),
            sending_proxy: Duration::ZERO,
            wire: Duration::ZERO,
            receiving_proxy: Duration::ZERO,
            application: Duration::ZERO,
        }
    }

    fn add(&mut self, at: usize, node: &Node, place: Place, own: Duration) {
        let span = &node.span;
        self.spans.push(at);
        let is_sender = span.is_proxy && span.direction == Some(Direction::Outbound);
        if span.kind == SpanKind::Server && !is_sender {
            self.to.clone_from(&span.service);
        }
        match place {
            Place::Proxy if is_sender => self.sending_proxy += own,
            Place::Proxy => self.receiving_proxy += own,
            Place::Wire => self.wire += own,
            Place::Application => self.application += own,
        }
    }

    /// All of its parts.
    pub fn total(&self) -> Duration {
        self.sending_proxy + self.wire + self.receiving_proxy + self.application
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::SpanRecord;
    use crate::view::tests::{app, inbound, outbound};
    use crate::view::traces;

    const US: u64 = 1_000;

    fn hops(spans: Vec<SpanRecord>) -> Vec<(String, String, Vec<usize>, [u128; 4])> {
        let parts = |hop: &Hop| {
            [hop.sending_proxy, hop.wire, hop.receiving_proxy, hop.application].map(|part| part.as_micros())
        };
        let trace = traces(spans).remove(0);
        let hops = trace.hops();
        hops.iter().map(|hop| (hop.from.clone(), hop.to.clone(), hop.spans.clone(), parts(hop))).collect()
    }

    fn emoji(span: SpanRecord) -> SpanRecord {
        SpanRecord { service: "emoji".to_owned(), ..span }
    }

    #[test]
    fn a_call_between_two_meshed_workloads_is_one_hop() {
        let spans = vec![
            app(1, None, SpanKind::Client, 0, 1_000 * US),
            outbound(2, 1, SpanKind::Server, 10 * US, 990 * US),
            outbound(3, 2, SpanKind::Client, 20 * US, 980 * US),
            inbound(4, 3, SpanKind::Server, 100 * US, 900 * US),
            inbound(5, 4, SpanKind::Client, 105 * US, 895 * US),
            emoji(app(6, Some(5), SpanKind::Server, 110 * US, 890 * US)),
        ];
        let expected =
            ("web".to_owned(), "emoji".to_owned(), vec![0, 1, 2, 3, 4, 5], [20, 20 + 160 + 10, 10, 780]);
        assert_eq!(hops(spans), [expected]);
    }

    /// ```text
    /// web inbound 1, 2 ─ (application without spans) ─ web outbound 3, 4 ─ emoji inbound 5, 6
    /// ```
    #[test]
    fn what_an_application_without_spans_calls_is_a_hop_of_its_own() {
        let web = |span: SpanRecord| SpanRecord { service: "web".to_owned(), ..span };
        let spans = vec![
            web(inbound(1, 9, SpanKind::Server, 0, 100 * US)),
            web(inbound(2, 1, SpanKind::Client, 10 * US, 90 * US)),
            outbound(3, 2, SpanKind::Server, 20 * US, 80 * US),
            outbound(4, 3, SpanKind::Client, 25 * US, 75 * US),
            inbound(5, 4, SpanKind::Server, 30 * US, 70 * US),
            inbound(6, 5, SpanKind::Client, 31 * US, 69 * US),
        ];
        let first = (String::new(), "web".to_owned(), vec![0, 1], [0, 0, 20, 20]);
        let second = ("web".to_owned(), "emoji".to_owned(), vec![2, 3, 4, 5], [10, 10, 2, 38]);
        assert_eq!(hops(spans), [first, second]);
    }

    #[test]
    fn a_root_that_calls_nobody_is_in_no_hop() {
        assert_eq!(hops(vec![app(1, None, SpanKind::Server, 0, 10)]), []);
    }
}
