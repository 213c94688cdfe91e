//! Spans of the same work, compared by field and attribute, and all counted by service, kind and name.
//!
//! Two spans belong together if they started at the same instant, at the same service, of the same kind and
//! instrumentation scope: instants come from the recording. Of several the one that is most like it is taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

use super::changes::{Changes, Values};
use super::mask;
use crate::collect::{SpanKind, Status, display, record, service_name};
use crate::traffic::Redactor;

/// The most spans that wait for their like in the other replay; beyond, the earliest are given up.
const MAX_WAITING: usize = 1 << 18;
/// Attributes that hold a header are named by it.
const HEADER_ATTRIBUTES: [&str; 2] = ["http.request.header.", "http.response.header."];
/// Attributes that hold a query behind a `?`.
const URL_ATTRIBUTES: [&str; 3] = ["url.full", "http.url", "http.target"];

/// By what a span is found in the other replay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    start_unix_nano: u64,
    service: String,
    scope: String,
    kind: SpanKind,
}

/// A span as it is compared.
#[derive(Debug)]
pub(super) struct SeenSpan {
    key: Key,
    id: [u8; 8],
    name: String,
    fields: Values,
    attributes: Values,
    resource: Arc<Values>,
}

/// Differences between spans.
#[derive(Debug, Default)]
pub(super) struct SpanDiff {
    /// By service, kind and name: how many in the baseline, and in the other.
    pub(super) counts: BTreeMap<(String, SpanKind, String), [u64; 2]>,
    pub(super) fields: Changes,
    pub(super) attributes: Changes,
    pub(super) resource: Changes,
    waiting: [BTreeMap<Key, Vec<SeenSpan>>; 2],
    /// How many wait.
    lengths: [usize; 2],
    given_up: [u64; 2],
}

/// All that came out of a replay, but for spans without proper ids.
pub(super) fn seen(spans: &[ResourceSpans]) -> Vec<SeenSpan> {
    let mut seen = Vec::new();
    for of_resource in spans {
        let service = service_name(of_resource);
        let resource = of_resource.resource.as_ref().map(|resource| values(&resource.attributes));
        let resource = Arc::new(resource.unwrap_or_default());
        for of_scope in &of_resource.scope_spans {
            let scope = of_scope.scope.as_ref().map(|scope| scope.name.as_str()).unwrap_or_default();
            let spans = of_scope.spans.iter();
            seen.extend(spans.filter_map(|span| SeenSpan::new(span, &service, scope, &resource)));
        }
    }
    seen
}

impl SeenSpan {
    fn new(span: &Span, service: &str, scope: &str, resource: &Arc<Values>) -> Option<Self> {
        let record = record(span, service, scope)?;
        let status = match record.status {
            Status::Unset => "unset".to_owned(),
            Status::Ok => "ok".to_owned(),
            Status::Error(message) => format!("error {message:?}"),
        };
        let events: Vec<&str> = span.events.iter().map(|event| event.name.as_str()).collect();
        let fields = [
            ("duration_ns", span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano).to_string()),
            ("events", events.join(", ")),
            ("links", span.links.len().to_string()),
            ("name", record.name.clone()),
            ("parent", if record.parent.is_some() { "another span" } else { "none" }.to_owned()),
            ("status", status),
            ("trace_state", mask::masked("tracestate", span.trace_state.as_bytes(), None)),
        ];
        let start_unix_nano = span.start_time_unix_nano;
        let (service, scope, kind) = (record.service, record.scope, record.kind);
        Some(Self {
            key: Key { start_unix_nano, service, scope, kind },
            id: record.span_id,
            name: record.name,
            fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
            attributes: values(&span.attributes),
            resource: Arc::clone(resource),
        })
    }

    /// How alike two spans are; the greater the more.
    fn likeness(&self, other: &Self) -> (bool, bool, usize) {
        let shared = self.attributes.iter().filter(|(key, value)| other.attributes.get(*key) == Some(value));
        (self.id == other.id, self.fields == other.fields, shared.count())
    }
}

fn values(attributes: &[KeyValue]) -> Values {
    let value = |KeyValue { key, value, .. }: &KeyValue| {
        let text = display(value.as_ref());
        let text = header(key).map(|name| mask::masked(name, text.as_bytes(), None)).unwrap_or(text);
        (key.clone(), text)
    };
    attributes.iter().map(value).collect()
}

/// The header that an attribute of this name holds.
fn header(attribute: &str) -> Option<&str> {
    HEADER_ATTRIBUTES.iter().find_map(|prefix| attribute.strip_prefix(prefix))
}

fn shown(redactor: &Redactor, name: &str, value: &str) -> String {
    match header(name) {
        Some(header) => redactor.shown(header, value),
        None if name == "url.query" => redactor.shown(":path", &format!("?{value}")).split_off(1),
        None if URL_ATTRIBUTES.contains(&name) => redactor.shown(":path", value),
        None => value.to_owned(),
    }
}

impl SpanDiff {
    /// Compares what came of a round with what came before, or waits: filters export when they like.
    pub(super) fn compare(&mut self, baseline: Vec<SeenSpan>, current: Vec<SeenSpan>, redactor: &Redactor) {
        for (side, spans) in [baseline, current].into_iter().enumerate() {
            for span in spans {
                self.add(side, span, redactor);
            }
        }
    }

    /// Spans that only the baseline has, and that only the other has, as far as is known.
    pub(super) fn unpaired(&self) -> [u64; 2] {
        let [baseline, current] = self.lengths.map(|length| u64::try_from(length).unwrap_or(u64::MAX));
        let [before, after] = self.given_up;
        [baseline + before, current + after]
    }

    /// `side` is 0 in the baseline and 1 in the other.
    fn add(&mut self, side: usize, span: SeenSpan, redactor: &Redactor) {
        let named = (span.key.service.clone(), span.key.kind, span.name.clone());
        self.counts.entry(named).or_default().iter_mut().skip(side).take(1).for_each(|count| *count += 1);
        match self.take_like(1 - side, &span) {
            None => self.wait(side, span),
            Some(other) if side == 0 => self.compare_two(&span, &other, redactor),
            Some(other) => self.compare_two(&other, &span, redactor),
        }
    }

    fn take_like(&mut self, side: usize, span: &SeenSpan) -> Option<SeenSpan> {
        let waiting = self.waiting.get_mut(side)?;
        let alike = waiting.get_mut(&span.key)?;
        let (at, _) = alike.iter().enumerate().max_by_key(|(_, other)| span.likeness(other))?;
        let found = alike.swap_remove(at);
        if alike.is_empty() {
            waiting.remove(&span.key);
        }
        self.lengths.iter_mut().skip(side).take(1).for_each(|length| *length -= 1);
        Some(found)
    }

    fn wait(&mut self, side: usize, span: SeenSpan) {
        let places = self.waiting.get_mut(side).zip(self.lengths.get_mut(side));
        let (Some((waiting, length)), Some(given_up)) = (places, self.given_up.get_mut(side)) else { return };
        waiting.entry(span.key.clone()).or_default().push(span);
        *length += 1;
        if *length > MAX_WAITING
            && let Some((_, earliest)) = waiting.pop_first()
        {
            *length -= earliest.len();
            *given_up += u64::try_from(earliest.len()).unwrap_or(u64::MAX);
        }
    }

    fn compare_two(&mut self, baseline: &SeenSpan, current: &SeenSpan, redactor: &Redactor) {
        let Key { service, kind, .. } = &baseline.key;
        let at = || format!("{service}, {} span {:?}", kind.as_str(), baseline.name);
        let shown = |name: &str, value: &str| shown(redactor, name, value);
        self.fields.compare(at, &baseline.fields, &current.fields, shown);
        self.attributes.compare(at, &baseline.attributes, &current.attributes, shown);
        self.resource.compare(at, &baseline.resource, &current.resource, shown);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
    use opentelemetry_proto::tonic::trace::v1::ScopeSpans;

    use super::*;

    fn span(id: u8, start: u64, name: &str, attribute: (&str, &str)) -> Vec<SeenSpan> {
        let value = Some(AnyValue { value: Some(Value::StringValue(attribute.1.to_owned())) });
        let attributes = vec![KeyValue { key: attribute.0.to_owned(), value, ..KeyValue::default() }];
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![id; 8],
            start_time_unix_nano: start,
            name: name.to_owned(),
            attributes,
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        seen(&[ResourceSpans { scope_spans, ..ResourceSpans::default() }])
    }

    #[test]
    fn spans_find_each_other_in_whatever_round_they_come() {
        let mut diff = SpanDiff::default();
        let redactor = Redactor::default();
        let mut both = span(1, 10, "a", ("k", "1"));
        both.extend(span(2, 10, "b", ("k", "2")));
        diff.compare(both, span(9, 20, "new", ("k", "1")), &redactor);
        diff.compare(span(3, 30, "lost", ("k", "1")), span(8, 10, "b", ("k", "2")), &redactor);
        diff.compare(Vec::new(), span(7, 10, "c", ("k", "1")), &redactor);
        assert_eq!(diff.unpaired(), [1, 1], "the one at 30, the one at 20");
        assert_eq!(diff.attributes.into_rows(), []);
        let [name] = diff.fields.into_rows().try_into().unwrap();
        assert_eq!((&*name.name, name.count), ("name", 1));
        assert_eq!((name.example.baseline, name.example.current), (Some("a".into()), Some("c".into())));
        assert_eq!(diff.counts.len(), 5);
    }

    #[test]
    fn attributes_show_no_secrets_and_no_ids() {
        let redactor = Redactor::default();
        for (name, value, expected) in [
            ("http.request.header.cookie", "a", "REDACTED"),
            ("http.request.header.b3", "1111111111111111-2222222222222222-1", "<16 hex>-<16 hex>-1"),
            ("url.query", "sig=x&a=b", "sig=REDACTED&a=b"),
            ("url.full", "http://a/?sig=x", "http://a/?sig=REDACTED"),
            ("url.path", "/x", "/x"),
        ] {
            let mut diff = SpanDiff::default();
            diff.compare(span(1, 1, "a", (name, value)), span(1, 1, "a", ("none", "")), &redactor);
            let rows = diff.attributes.into_rows();
            let removed = rows.iter().find(|row| row.name == name).unwrap();
            assert_eq!(removed.example.baseline.as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut diff = SpanDiff::default();
        let one = span(1, 1, "a", ("k", "v")).remove(0);
        for start in 0..=MAX_WAITING as u64 {
            let key = Key { start_unix_nano: start, ..one.key.clone() };
            let (name, resource) = (String::new(), Arc::clone(&one.resource));
            let (fields, attributes) = (Values::new(), Values::new());
            diff.wait(0, SeenSpan { key, id: one.id, name, fields, attributes, resource });
        }
        assert_eq!((diff.lengths, diff.given_up), ([MAX_WAITING, 0], [1, 0]));
        assert_eq!(diff.unpaired(), [MAX_WAITING as u64 + 1, 0]);
    }
}
