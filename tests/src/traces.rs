//! Traces as a test wants to see them, as OTLP JSON Lines.
//!
//! `Span::new("web", 2, Some(1), "GET", CLIENT, 10..90)`: span 2 below span 1, from 10 to 90 µs of the trace

use std::fmt::Write;
use std::ops::Range;

use serde_json::{Value, json};

/// OTLP's number for it.
pub const INTERNAL: u8 = 1;
/// OTLP's number for it.
pub const SERVER: u8 = 2;
/// OTLP's number for it.
pub const CLIENT: u8 = 3;

/// When all of these traces start: 2026-11-22T05:00:00Z.
const START_UNIX_NANO: u64 = 1_795_323_600_000_000_000;

/// One span, to be written.
#[derive(Clone, Debug)]
pub struct Span {
    service: String,
    scope: &'static str,
    span: Value,
}

impl Span {
    /// A span of an application. Times are microseconds from the trace's start.
    pub fn new(
        service: &str,
        id: u64,
        parent: Option<u64>,
        name: &str,
        kind: u8,
        micros: Range<u64>,
    ) -> Span {
        let at = |micros: u64| (START_UNIX_NANO + micros * 1_000).to_string();
        let span = json!({
            "spanId": format!("{id:016x}"),
            "parentSpanId": parent.map(|parent| format!("{parent:016x}")).unwrap_or_default(),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": at(micros.start),
            "endTimeUnixNano": at(micros.end),
            "attributes": [],
        });
        Span { service: service.to_owned(), scope: "application", span }
    }

    /// The same of the service's proxy, for traffic in that direction: `inbound` or `outbound`.
    #[must_use]
    pub fn of_proxy(self, direction: &str) -> Span {
        Span { scope: "meshspan", ..self }.attribute("direction", direction)
    }

    /// With an attribute more.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: &str) -> Span {
        let attributes = self.span["attributes"].as_array_mut().expect("a span has attributes");
        attributes.push(json!({ "key": key, "value": { "stringValue": value } }));
        self
    }

    /// Ended with an error.
    #[must_use]
    pub fn failed(mut self, message: &str) -> Span {
        self.span["status"] = json!({ "code": 2, "message": message });
        self
    }
}

/// The spans as one trace, each on its own line.
pub fn lines(trace_id: u128, spans: impl IntoIterator<Item = Span>) -> String {
    spans.into_iter().fold(String::new(), |mut lines, Span { service, scope, mut span }| {
        span["traceId"] = json!(format!("{trace_id:032x}"));
        let service = json!([{ "key": "service.name", "value": { "stringValue": service } }]);
        let scopes = json!([{ "scope": { "name": scope }, "spans": [span] }]);
        let line =
            json!({ "resourceSpans": [{ "resource": { "attributes": service }, "scopeSpans": scopes }] });
        writeln!(lines, "{line}").expect("a string grows");
        lines
    })
}
