//! Spans as everybody shows them, reduced to what must agree: ids, parent, name and kind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What identifies a span and its place in the trace; ids in lower-case hex, a root's parent empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The trace's id, 32 digits.
    pub trace_id: String,
    /// The span's id, 16 digits.
    pub span_id: String,
    /// The parent's id, 16 digits, or nothing.
    pub parent: String,
    /// The span's name.
    pub name: String,
    /// OTLP's number of the kind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: u8,
}

/// OTLP's number of SERVER.
pub const SERVER: u8 = 2;
/// OTLP's number of CLIENT.
pub const CLIENT: u8 = 3;

impl Span {
    /// A span of OTLP JSON; `None` where a key is missing or of a wrong type.
    pub fn from_json(span: &Value) -> Option<Span> {
        let text = |key: &str| span.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Span {
            trace_id: text("traceId")?,
            span_id: text("spanId")?,
            parent: text("parentSpanId").unwrap_or_default(),
            name: text("name")?,
            kind: span.get("kind")?.as_u64()?.try_into().ok()?,
        })
    }
}

/// Every span of a file of OTLP JSON Lines, one `TracesData` a line.
pub fn of_json_lines(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of OTLP JSON");
        for resource in array(&line, "resourceSpans") {
            for scope in array(resource, "scopeSpans") {
                spans.extend(array(scope, "spans").iter().map(|span| Span::from_json(span).expect("a span")));
            }
        }
    }
    spans
}

/// The spans of one trace from the one whose parent is `ancestor` down, each the only child of the one before.
///
/// Panics where a span has two children or one hangs on nothing: then the trace is no chain.
pub fn chain<'a>(spans: &'a [Span], trace_id: &str, ancestor: &str) -> Vec<&'a Span> {
    let mut by_parent: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    let ours: BTreeSet<&Span> = spans.iter().filter(|span| span.trace_id == trace_id).collect();
    for span in &ours {
        by_parent.entry(&span.parent).or_default().push(span);
    }
    let mut chain = Vec::new();
    let mut parent = ancestor;
    while let Some(children) = by_parent.get(parent) {
        assert_eq!(children.len(), 1, "children of {parent} in {ours:#?}");
        chain.push(children[0]);
        parent = &children[0].span_id;
    }
    assert_eq!(chain.len(), ours.len(), "some spans hang on nothing: {ours:#?}");
    chain
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
