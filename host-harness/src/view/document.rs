//! One trace as the web page gets it: everything that it draws, computed here, in JSON.
//!
//! Times are nanoseconds from the trace's start, so that they are exact as JavaScript's numbers.
//! `Trace → Document { spans, hops, breaks, … }`

use serde::Serialize;

use super::units::nanos;
use super::{Break, Hop, Node, Segment, Skew, Trace};
use crate::collect::{Event, Link, SpanRecord, Status};
use crate::time::Timestamp;

/// A trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    trace_id: String,
    /// The entry's name.
    name: String,
    /// The entry's service.
    service: String,
    /// As text: it exceeds what JavaScript's numbers hold.
    start_unix_nano: String,
    duration_ns: u64,
    errors: usize,
    orphans: usize,
    proxy_ns: u64,
    wire_ns: u64,
    application_ns: u64,
    /// Sets of attributes that spans share: their resources'.
    resources: Vec<Attributes>,
    /// Depth first.
    spans: Vec<DocumentSpan>,
    hops: Vec<DocumentHop>,
    breaks: Vec<DocumentBreak>,
    /// Latest first: span, begin, end.
    critical_path: Vec<(usize, u64, u64)>,
}

type Attributes = Vec<(String, String)>;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentSpan {
    span_id: String,
    /// The parent's id, there or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    /// The parent's place in `spans`.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<usize>,
    depth: usize,
    name: String,
    service: String,
    scope: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    proxy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    /// Negative never: the trace starts with its first span.
    start_ns: u64,
    duration_ns: u64,
    self_ns: u64,
    status: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "is_false")]
    orphan: bool,
    /// Of a pass's SERVER span: what the proxy took.
    #[serde(skip_serializing_if = "Option::is_none")]
    overhead_ns: Option<u64>,
    /// What would bring it to the root's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    skew_ns: Option<i64>,
    /// Whether the span itself shows the skew.
    #[serde(skip_serializing_if = "is_false")]
    shows_skew: bool,
    attributes: Attributes,
    /// Its place in `resources`.
    resource: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<DocumentEvent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<DocumentLink>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentEvent {
    name: String,
    /// Before the trace's start if negative.
    at_ns: i64,
    attributes: Attributes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentLink {
    trace_id: String,
    span_id: String,
    attributes: Attributes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentHop {
    from: String,
    to: String,
    first: usize,
    spans: Vec<usize>,
    sending_proxy_ns: u64,
    wire_ns: u64,
    receiving_proxy_ns: u64,
    application_ns: u64,
}

#[derive(Debug, Serialize)]
struct DocumentBreak {
    span: usize,
    workload: String,
    explanation: String,
}

impl From<&Trace> for Document {
    fn from(trace: &Trace) -> Self {
        let entry = trace.nodes.first().map(|node| &node.span);
        let sum = trace.breakdown();
        let mut resources = Resources::default();
        let spans = spans(trace, &mut resources);
        Self {
            trace_id: hex::encode(trace.trace_id),
            name: entry.map(|span| span.name.clone()).unwrap_or_default(),
            service: entry.map(|span| span.service.clone()).unwrap_or_default(),
            start_unix_nano: trace.start.as_unix_nanos().to_string(),
            duration_ns: nanos(trace.duration()),
            errors: trace.errors,
            orphans: trace.orphans(),
            proxy_ns: nanos(sum.proxy),
            wire_ns: nanos(sum.wire),
            application_ns: nanos(sum.application),
            resources: resources.0.into_iter().map(|resource| resource.to_vec()).collect(),
            spans,
            hops: trace.hops().into_iter().map(DocumentHop::from).collect(),
            breaks: trace.breaks().into_iter().map(DocumentBreak::from).collect(),
            critical_path: trace.critical_path().iter().map(|segment| part(trace, segment)).collect(),
        }
    }
}

fn spans(trace: &Trace, resources: &mut Resources) -> Vec<DocumentSpan> {
    let mut overheads = vec![None; trace.nodes.len()];
    for pass in trace.passes() {
        if let Some(place) = overheads.get_mut(pass.server) {
            *place = Some(nanos(pass.overhead));
        }
    }
    let parts = trace.nodes.iter().zip(overheads).zip(trace.skews());
    parts
        .map(|((node, overhead), skew)| {
            let resource = resources.place(&node.span);
            DocumentSpan { overhead_ns: overhead, resource, ..span(trace, node, skew) }
        })
        .collect()
}

fn span(trace: &Trace, node: &Node, skew: Option<Skew>) -> DocumentSpan {
    let span = &node.span;
    let (status, message) = match &span.status {
        Status::Unset => ("unset", String::new()),
        Status::Ok => ("ok", String::new()),
        Status::Error(message) => ("error", message.clone()),
    };
    DocumentSpan {
        span_id: hex::encode(span.span_id),
        parent_span_id: span.parent.map(hex::encode),
        parent: node.parent,
        depth: node.depth,
        name: span.name.clone(),
        service: span.service.clone(),
        scope: span.scope.clone(),
        kind: span.kind.as_str(),
        proxy: span.is_proxy,
        direction: span.direction.map(|direction| direction.as_str()),
        start_ns: nanos(span.start.since(trace.start)),
        duration_ns: nanos(span.end.since(span.start)),
        self_ns: nanos(trace.self_time(node)),
        status,
        message,
        orphan: node.is_orphan,
        overhead_ns: None,
        skew_ns: skew.map(|skew| skew.by),
        shows_skew: skew.is_some_and(|skew| skew.is_shown_here),
        attributes: span.attributes.clone(),
        resource: 0,
        events: span.events.iter().map(|event| document_event(trace.start, event)).collect(),
        links: span.links.iter().map(document_link).collect(),
    }
}

/// Each resource once.
#[derive(Default)]
struct Resources(Vec<std::sync::Arc<[(String, String)]>>);

impl Resources {
    fn place(&mut self, span: &SpanRecord) -> usize {
        let known = self.0.iter().rposition(|known| *known == span.resource);
        known.unwrap_or_else(|| {
            self.0.push(span.resource.clone());
            self.0.len() - 1
        })
    }
}

fn document_event(start: Timestamp, event: &Event) -> DocumentEvent {
    let after = i64::try_from(nanos(event.at.since(start))).unwrap_or(i64::MAX);
    let before = i64::try_from(nanos(start.since(event.at))).unwrap_or(i64::MAX);
    DocumentEvent { name: event.name.clone(), at_ns: after - before, attributes: event.attributes.clone() }
}

fn document_link(link: &Link) -> DocumentLink {
    DocumentLink {
        trace_id: hex::encode(link.trace_id),
        span_id: hex::encode(link.span_id),
        attributes: link.attributes.clone(),
    }
}

fn part(trace: &Trace, segment: &Segment) -> (usize, u64, u64) {
    let offset = |at: Timestamp| nanos(at.since(trace.start));
    (segment.node, offset(segment.from), offset(segment.to))
}

impl From<Hop> for DocumentHop {
    fn from(hop: Hop) -> Self {
        Self {
            sending_proxy_ns: nanos(hop.sending_proxy),
            wire_ns: nanos(hop.wire),
            receiving_proxy_ns: nanos(hop.receiving_proxy),
            application_ns: nanos(hop.application),
            from: hop.from,
            to: hop.to,
            first: hop.first,
            spans: hop.spans,
        }
    }
}

impl From<Break> for DocumentBreak {
    fn from(found: Break) -> Self {
        Self { span: found.node, workload: found.workload, explanation: found.explanation }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collect::SpanKind;
    use crate::view::tests::{app, inbound, outbound};
    use crate::view::traces;

    #[test]
    fn a_document_says_what_the_page_draws() {
        let event = Event {
            name: "request.end".to_owned(),
            at: Timestamp::from_unix_nanos(1_030),
            attributes: Vec::new(),
        };
        let server = SpanRecord {
            status: Status::Error("no".to_owned()),
            attributes: vec![("url.path".to_owned(), "/".to_owned())],
            events: vec![event],
            ..outbound(2, 1, SpanKind::Server, 1_010, 1_090)
        };
        let spans = vec![
            app(1, None, SpanKind::Client, 1_000, 1_100),
            server,
            outbound(3, 2, SpanKind::Client, 1_020, 1_080),
            inbound(4, 9, SpanKind::Server, 1_030, 1_040),
        ];
        let document = serde_json::to_value(Document::from(&traces(spans).remove(0))).unwrap();
        assert_eq!(document["startUnixNano"], "1000");
        assert_eq!(
            [&document["durationNs"], &document["orphans"], &document["errors"]],
            [&json!(100), &json!(1), &json!(1)]
        );
        let span = &document["spans"][1];
        let expected = json!({
            "spanId": "0202020202020202", "parentSpanId": "0101010101010101", "parent": 0, "depth": 1,
            "name": "GET", "service": "web", "scope": "meshspan", "kind": "server", "proxy": true,
            "direction": "outbound", "startNs": 10, "durationNs": 80, "selfNs": 20, "status": "error",
            "message": "no", "overheadNs": 20, "attributes": [["url.path", "/"]], "resource": 0,
            "events": [{ "name": "request.end", "atNs": 30, "attributes": [] }],
        });
        assert_eq!(span, &expected);
        assert_eq!(document["resources"], json!([[]]), "each once");
        assert_eq!(document["hops"][0]["sendingProxyNs"], 20);
        assert_eq!(document["breaks"][0]["span"], 3);
        assert_eq!(document["criticalPath"][0], json!([0, 90, 100]));
    }
}
