//! Where the trace's context was lost, as far as one trace can tell, and who has to mend it.
//!
//! `emoji's inbound SERVER span, whose parent is not there` → the caller's proxy or application

use super::{Node, Trace};
use crate::collect::{Direction, SpanKind};

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
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.is_orphan).map(|(at, node)| orphan(at, node)).collect()
    }
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
    fn a_whole_trace_has_none() {
        let spans = vec![app(1, None, SpanKind::Server, 0, 10), outbound(2, 1, SpanKind::Server, 1, 9)];
        assert_eq!(traces(spans).remove(0).breaks(), []);
    }
}
