//! One span as the viewers want it: flat, owned, every value displayed.

use std::sync::Arc;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span, span, status},
};

use crate::time::Timestamp;

/// The instrumentation scope's name by which the filter's own spans are known.
pub const PROXY_SCOPE: &str = "meshspan";

/// The attribute that says which way a proxy's traffic goes, as Linkerd names it.
const DIRECTION: &str = "direction";

const SERVICE_NAME: &str = "service.name";

/// What OpenTelemetry calls a service that gave no name.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The role of a span in the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanKind {
    /// Neither sent nor received; also what an unspecified kind means.
    Internal,
    /// Handles a request.
    Server,
    /// Makes a request.
    Client,
    /// Puts a message into a queue.
    Producer,
    /// Takes a message from a queue.
    Consumer,
}

impl SpanKind {
    /// As OpenTelemetry writes it, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// How a span ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody said.
    Unset,
    /// The application says that it went well.
    Ok,
    /// It failed; the message may be empty.
    Error(String),
}

/// Which way traffic goes through a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// To the workload beside the proxy.
    Inbound,
    /// From the workload beside the proxy.
    Outbound,
}

impl Direction {
    /// As the attribute `direction` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanRecord {
    /// Of the whole trace.
    pub trace_id: [u8; 16],
    /// Of this span.
    pub span_id: [u8; 8],
    /// The span that caused this one; `None` for a root.
    pub parent: Option<[u8; 8]>,
    /// Low-cardinality.
    pub name: String,
    /// Its role.
    pub kind: SpanKind,
    /// When it started.
    pub start: Timestamp,
    /// When it ended, by the same clock.
    pub end: Timestamp,
    /// How it ended.
    pub status: Status,
    /// In the order of the wire, values as text.
    pub attributes: Vec<(String, String)>,
    /// `service.name` of the resource.
    pub service: String,
    /// The instrumentation scope's name.
    pub scope: String,
    /// Whether the filter made it: its scope is [`PROXY_SCOPE`].
    pub is_proxy: bool,
    /// Which way the proxy's traffic goes, if the span says so.
    pub direction: Option<Direction>,
    /// The resource's attributes, values as text; shared by all spans of the resource.
    pub resource: Arc<[(String, String)]>,
    /// What happened while it ran, in the order of the wire.
    pub events: Vec<Event>,
    /// Other spans that it names, in the order of the wire.
    pub links: Vec<Link>,
}

/// Something that happened while a span ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// In the order of the wire, values as text.
    pub attributes: Vec<(String, String)>,
}

/// Another span that a span names beside its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other span's trace.
    pub trace_id: [u8; 16],
    /// The other span.
    pub span_id: [u8; 8],
    /// In the order of the wire, values as text.
    pub attributes: Vec<(String, String)>,
}

impl SpanRecord {
    /// Whether it ended with an error.
    pub fn is_error(&self) -> bool {
        matches!(self.status, Status::Error(_))
    }

    /// The first attribute named `key`.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// Every span, in the order of the wire. One whose ids are not 16 and 8 bytes is left out: `decode_call`
/// has refused it before.
pub fn records(spans: &[ResourceSpans]) -> Vec<SpanRecord> {
    let mut records = Vec::new();
    for resource in spans {
        let service = service_name(resource);
        let attributes = resource.resource.as_ref().map(|r| r.attributes.as_slice()).unwrap_or_default();
        let attributes: Arc<[(String, String)]> = displayed(attributes).into();
        for scope in &resource.scope_spans {
            let name = scope.scope.as_ref().map(|s| s.name.as_str()).unwrap_or_default();
            let own = scope.spans.iter().filter_map(|span| record(span, &service, name));
            records.extend(own.map(|record| SpanRecord { resource: Arc::clone(&attributes), ..record }));
        }
    }
    records
}

/// `service.name` of the spans' resource.
pub(crate) fn service_name(spans: &ResourceSpans) -> String {
    let attributes = spans.resource.as_ref().map(|r| r.attributes.as_slice()).unwrap_or_default();
    attributes
        .iter()
        .find(|attribute| attribute.key == SERVICE_NAME)
        .map_or_else(|| UNKNOWN_SERVICE.to_owned(), |attribute| display(attribute.value.as_ref()))
}

/// One span, without its resource's attributes; `None` if its ids are not 16 and 8 bytes.
pub(crate) fn record(span: &Span, service: &str, scope: &str) -> Option<SpanRecord> {
    let attributes = displayed(&span.attributes);
    let direction = attributes.iter().find(|(key, _)| key == DIRECTION).and_then(|(_, value)| {
        [Direction::Inbound, Direction::Outbound].into_iter().find(|direction| direction.as_str() == value)
    });
    let parent = match span.parent_span_id.is_empty() {
        true => None,
        false => Some(span.parent_span_id.as_slice().try_into().ok()?),
    };
    Some(SpanRecord {
        trace_id: span.trace_id.as_slice().try_into().ok()?,
        span_id: span.span_id.as_slice().try_into().ok()?,
        parent,
        name: span.name.clone(),
        kind: kind(span),
        start: Timestamp::from_unix_nanos(span.start_time_unix_nano),
        end: Timestamp::from_unix_nanos(span.end_time_unix_nano),
        status: status(span),
        attributes,
        service: service.to_owned(),
        scope: scope.to_owned(),
        is_proxy: scope == PROXY_SCOPE,
        direction,
        resource: [].into(),
        events: span.events.iter().map(event).collect(),
        links: span.links.iter().filter_map(link).collect(),
    })
}

fn event(event: &span::Event) -> Event {
    let at = Timestamp::from_unix_nanos(event.time_unix_nano);
    Event { name: event.name.clone(), at, attributes: displayed(&event.attributes) }
}

/// `None` if its ids are not 16 and 8 bytes.
fn link(link: &span::Link) -> Option<Link> {
    Some(Link {
        trace_id: link.trace_id.as_slice().try_into().ok()?,
        span_id: link.span_id.as_slice().try_into().ok()?,
        attributes: displayed(&link.attributes),
    })
}

fn displayed(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().map(|pair| (pair.key.clone(), display(pair.value.as_ref()))).collect()
}

pub(crate) fn kind(span: &Span) -> SpanKind {
    match span.kind() {
        span::SpanKind::Unspecified | span::SpanKind::Internal => SpanKind::Internal,
        span::SpanKind::Server => SpanKind::Server,
        span::SpanKind::Client => SpanKind::Client,
        span::SpanKind::Producer => SpanKind::Producer,
        span::SpanKind::Consumer => SpanKind::Consumer,
    }
}

fn status(span: &Span) -> Status {
    match span.status.as_ref().map(|status| (status.code(), &status.message)) {
        None | Some((status::StatusCode::Unset, _)) => Status::Unset,
        Some((status::StatusCode::Ok, _)) => Status::Ok,
        Some((status::StatusCode::Error, message)) => Status::Error(message.clone()),
    }
}

/// An attribute's value as people read it; bytes in hex, arrays and maps as JSON would have them.
pub(crate) fn display(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BytesValue(bytes)) => hex::encode(bytes),
        Some(Value::ArrayValue(array)) => {
            let values: Vec<String> = array.values.iter().map(|value| display(Some(value))).collect();
            format!("[{}]", values.join(", "))
        }
        Some(Value::KvlistValue(list)) => {
            let pairs: Vec<String> = list
                .values
                .iter()
                .map(|pair| format!("{}: {}", pair.key, display(pair.value.as_ref())))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Some(Value::StringValueStrindex(index)) => format!("string #{index}"),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        common::v1::{ArrayValue, InstrumentationScope, KeyValueList},
        resource::v1::Resource,
        trace::v1::ScopeSpans,
    };

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    fn text(text: &str) -> Value {
        Value::StringValue(text.to_owned())
    }

    fn one(resource: Option<Resource>, scope: &str, span: Span) -> Vec<SpanRecord> {
        let scope = InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: vec![span], ..ScopeSpans::default() }];
        records(&[ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }])
    }

    fn span() -> Span {
        Span { trace_id: vec![1; 16], span_id: vec![2; 8], kind: 3, ..Span::default() }
    }

    #[test]
    fn a_proxy_span_is_known_by_its_scope_and_says_its_direction() {
        let resource =
            Resource { attributes: vec![attribute("service.name", text("web"))], ..Resource::default() };
        let inbound = Span { attributes: vec![attribute("direction", text("inbound"))], ..span() };
        let [record] = one(Some(resource), "meshspan", inbound).try_into().unwrap();
        assert!(record.is_proxy);
        assert_eq!(record.service, "web");
        assert_eq!(record.kind, SpanKind::Client);
        assert_eq!(record.direction, Some(Direction::Inbound));
        assert_eq!(record.attribute("direction"), Some("inbound"));

        let sideways = Span { attributes: vec![attribute("direction", text("sideways"))], ..span() };
        let [record] = one(None, "meshspan2", sideways).try_into().unwrap();
        assert!(!record.is_proxy);
        assert_eq!(record.service, "unknown_service");
        assert_eq!(record.direction, None);
    }

    #[test]
    fn a_span_with_ids_of_another_shape_is_left_out() {
        assert!(one(None, "", Span { trace_id: vec![1; 15], ..span() }).is_empty());
        assert!(one(None, "", Span { span_id: vec![1; 9], ..span() }).is_empty());
        assert!(one(None, "", Span { parent_span_id: vec![1; 9], ..span() }).is_empty());
        assert_eq!(one(None, "", Span { parent_span_id: vec![9; 8], ..span() })[0].parent, Some([9; 8]));
    }

    #[test]
    fn resource_events_and_links_are_kept() {
        let resource =
            Resource { attributes: vec![attribute("k8s.pod.name", text("web-1"))], ..Resource::default() };
        let event =
            span::Event { time_unix_nano: 7, name: "request.end".to_owned(), ..span::Event::default() };
        let link = |id| span::Link { trace_id: vec![3; 16], span_id: vec![4; id], ..span::Link::default() };
        let span = Span { events: vec![event], links: vec![link(8), link(7)], ..span() };
        let [record] = one(Some(resource), "app", span).try_into().unwrap();
        assert_eq!(*record.resource, [("k8s.pod.name".to_owned(), "web-1".to_owned())]);
        assert_eq!((record.events[0].name.as_str(), record.events[0].at.as_unix_nanos()), ("request.end", 7));
        assert_eq!(record.links.len(), 1, "one with an id of 7 bytes is left out");
    }

    #[test]
    fn values_are_displayed_by_their_type() {
        let list = KeyValueList { values: vec![attribute("k", Value::BoolValue(true))] };
        let array =
            ArrayValue { values: vec![AnyValue { value: Some(Value::IntValue(-1)) }, AnyValue::default()] };
        for (value, expected) in [
            (text("x"), "x"),
            (Value::IntValue(200), "200"),
            (Value::DoubleValue(0.5), "0.5"),
            (Value::BytesValue(vec![0xde, 0xad]), "dead"),
            (Value::ArrayValue(array), "[-1, ]"),
            (Value::KvlistValue(list), "{k: true}"),
        ] {
            assert_eq!(display(Some(&AnyValue { value: Some(value) })), expected);
        }
        assert_eq!(display(None), "");
    }
}
