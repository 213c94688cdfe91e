//! Where the trace's context was lost, as far as one trace can tell, and who has to mend it.
//!
//! `emoji's inbound SERVER span, whose parent is not there` → the caller's proxy or application

use std::cell::LazyCell;
use std::collections::HashMap;

use super::{Node, Trace};
use crate::collect::{Direction, SpanKind};

/// How many spans of a circle are named.
const SHOWN: usize = 4;

/// A place where the trace is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// Index in [`Trace::nodes`] of the span that shows it.
    pub node: usize,
    /// The workload to look at.
    pub workload: String,
    /// What is missing, and what to do.
    pub explanation: String,
}

impl Trace {
    /// The breaks, in the order of the nodes.
    pub fn breaks(&self) -> Vec<Break> {
        let orphans = self.nodes.iter().enumerate().filter(|(_, node)| node.is_orphan);
        let spans = LazyCell::new(|| self.nodes.iter().map(|node| (node.span.span_id, node)).collect());
        orphans.map(|(at, node)| circle(at, node, &spans).unwrap_or_else(|| orphan(at, node))).collect()
    }
}

/// What is wrong where a span's parent is there, and yet none is above the other.
fn circle(at: usize, node: &Node, spans: &HashMap<[u8; 8], &Node>) -> Option<Break> {
    let (mut members, mut places) = (Vec::new(), HashMap::new());
    let mut above = node;
    while !places.contains_key(&above.span.span_id) {
        places.insert(above.span.span_id, members.len());
        members.push(above);
        above = *spans.get(&above.span.parent?)?;
    }
    // What leads into it is not of it.
    let members: Vec<&Node> = members.split_off(places.remove(&above.span.span_id)?);
    let mut workloads: Vec<&str> = members.iter().map(|member| member.span.service.as_str()).collect();
    workloads.sort_unstable();
    workloads.dedup();
    let ids: Vec<String> =
        members.iter().take(SHOWN).map(|member| hex::encode(member.span.span_id)).collect();
    let ids = ids.join(" below ");
    let explanation = match members.len() {
        1 => format!("span {ids} names itself as its parent"),
        length => format!("{length} spans are each other's parents, a circle: {ids} below …"),
    };
    let explanation = format!(
        "{explanation}: look at what writes the spans of {}, such as a tracing library that uses an id twice",
        workloads.join(", ")
    );
    Some(Break { node: at, workload: node.span.service.clone(), explanation })
}

fn orphan(at: usize, node: &Node) -> Break {
    let span = &node.span;
    let parent = span.parent.map(hex::encode).unwrap_or_default();
    let workload = &span.service;
    let explanation = match (span.is_proxy, span.direction, span.kind) {
        (true, Some(Direction::Outbound), SpanKind::Server) => format!(
            "{workload} sent this request with a span of its own as parent ({parent}) that was never exported: \
             let its application export its spans to the same collector, or pass on the trace headers that it got"
        ),
        (true, _, SpanKind::Server) => format!(
            "whoever called {workload} named span {parent} as parent, which was never exported: look at the \
             caller's proxy (is it in the mesh, does it sample and reach the collector?) or at what lies between"
        ),
        (true, _, _) => format!(
            "the SERVER span {parent} of the same proxy of {workload} is missing: it was dropped before the \
             collector (look at meshspan_dropped_* of that proxy), or has not arrived yet"
        ),
        (false, ..) => format!(
            "span {parent} above this one of {workload} is missing: either its proxy did not export it (is \
             {workload} in the mesh?), or the application kept a context that it had from elsewhere"
        ),
    };
    Break { node: at, workload: workload.clone(), explanation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{app, inbound, outbound};
    use crate::view::traces;

    #[test]
    fn each_orphan_names_a_workload_and_what_to_do() {
        let table = [
            (outbound(2, 9, SpanKind::Server, 5, 9), "web", "let its application export its spans"),
            (inbound(2, 9, SpanKind::Server, 5, 9), "emoji", "look at the caller's proxy"),
            (inbound(2, 9, SpanKind::Client, 5, 9), "emoji", "meshspan_dropped_*"),
            (app(2, Some(9), SpanKind::Server, 5, 9), "web", "is web in the mesh?"),
        ];
        for (orphan, workload, help) in table {
            let trace = traces(vec![app(1, None, SpanKind::Server, 0, 10), orphan]).remove(0);
            let [found] = trace.breaks().try_into().unwrap();
            assert_eq!((found.node, found.workload.as_str()), (1, workload));
            assert!(found.explanation.contains(help), "{}", found.explanation);
            assert!(found.explanation.contains("0909090909090909"), "{}", found.explanation);
        }
    }

    #[test]
    fn a_circle_of_parents_is_called_one() {
        let root = || app(1, None, SpanKind::Server, 0, 10);
        let (one, other) = (app(2, Some(3), SpanKind::Server, 1, 9), inbound(3, 2, SpanKind::Client, 2, 8));
        let below = outbound(4, 3, SpanKind::Server, 3, 7);
        let trace = traces(vec![root(), one.clone(), other.clone(), below]).remove(0);
        let [found] = trace.breaks().try_into().unwrap();
        assert_eq!(trace.nodes[found.node].span.span_id, [2; 8], "cut at the first that started");
        let expected = "2 spans are each other's parents, a circle: 0202020202020202 below 0303030303030303 below …: \
                        look at what writes the spans of emoji, web,";
        assert!(found.explanation.starts_with(expected), "{}", found.explanation);

        let alone = traces(vec![one, other]).remove(0);
        assert_eq!(alone.breaks().len(), 1, "also without a root");
        let own = traces(vec![root(), app(5, Some(5), SpanKind::Server, 1, 2)]).remove(0);
        let [found] = own.breaks().try_into().unwrap();
        assert!(found.explanation.starts_with("span 0505050505050505 names itself"), "{}", found.explanation);
    }

    #[test]
    fn a_whole_trace_has_none() {
        let spans = vec![app(1, None, SpanKind::Server, 0, 10), outbound(2, 1, SpanKind::Server, 1, 9)];
        assert_eq!(traces(spans).remove(0).breaks(), []);
    }
}
