//! Traces as a list of results shows them, and the services that took part.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Trace;
use super::units::nanos;

/// A service, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// Names of its spans, each once, sorted.
    pub operations: Vec<String>,
}

/// A trace as a list of results shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// Of the entry.
    pub service: String,
    /// Of the entry.
    pub name: String,
    /// As text: it exceeds what JavaScript's numbers hold.
    pub start_unix_nano: String,
    /// From the first start to the last end.
    pub duration_ns: u64,
    /// All of them.
    pub spans: usize,
    /// Those that ended with an error.
    pub errors: usize,
    /// Those whose parent is missing.
    pub orphans: usize,
    /// Who took part, by name.
    pub services: Vec<FoundService>,
}

/// How much of a trace is a service's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundService {
    /// `service.name`.
    pub name: String,
    /// Its spans.
    pub spans: usize,
    /// Those of them that ended with an error.
    pub errors: usize,
}

/// What a search gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchResult {
    /// The newest that fit, at most as many as asked for.
    pub traces: Vec<Found>,
    /// How many fit; if there are `more`, at least so many.
    pub total: usize,
    /// Whether further ones may fit: not all were looked into.
    pub more: bool,
}

impl Found {
    /// Its id.
    pub fn id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        // It is of our making.
        let _ = hex::decode_to_slice(&self.trace_id, &mut id);
        id
    }
}

impl From<&Trace> for Found {
    fn from(trace: &Trace) -> Self {
        let entry = trace.nodes.first().map(|node| &node.span);
        let mut services: BTreeMap<&str, FoundService> = BTreeMap::new();
        for node in &trace.nodes {
            let name = &node.span.service;
            let service = services.entry(name).or_insert_with(|| FoundService {
                name: name.clone(),
                spans: 0,
                errors: 0,
            });
            service.spans += 1;
            service.errors += usize::from(node.span.is_error());
        }
        Self {
            trace_id: hex::encode(trace.trace_id),
            service: entry.map(|span| span.service.clone()).unwrap_or_default(),
            name: entry.map(|span| span.name.clone()).unwrap_or_default(),
            start_unix_nano: trace.start.as_unix_nanos().to_string(),
            duration_ns: nanos(trace.duration()),
            spans: trace.nodes.len(),
            errors: trace.errors,
            orphans: trace.orphans(),
            services: services.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::{SpanKind, SpanRecord, Status};
    use crate::view::tests::{app, inbound};
    use crate::view::traces;

    #[test]
    fn a_result_says_who_took_part() {
        let failed = Status::Error(String::new());
        let spans = vec![
            app(1, None, SpanKind::Client, 1_000, 1_100),
            SpanRecord { status: failed, ..inbound(2, 1, SpanKind::Server, 1_010, 1_090) },
        ];
        let trace = traces(spans).remove(0);
        let found = Found::from(&trace);
        let service = |name: &str, errors| FoundService { name: name.to_owned(), spans: 1, errors };
        assert_eq!(found.services, [service("emoji", 1), service("web", 0)]);
        assert_eq!((found.service.as_str(), found.duration_ns, found.errors), ("web", 100, 1));
        assert_eq!(found.id(), trace.trace_id);
    }
}
