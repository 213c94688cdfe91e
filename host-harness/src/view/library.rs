//! Traces to look at, in memory: which services and operations there are, which traces fit a question.
//!
//! `Library::new(traces(records)).search(&Query { service: Some("web".into()), ..Query::default() })`

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::{Query, Trace};
use crate::collect::SpanKind;

/// Traces, the newest first.
#[derive(Debug, Default)]
pub struct Library {
    traces: Vec<Trace>,
    by_id: HashMap<[u8; 16], usize>,
}

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

impl Library {
    /// Keeps `traces`, whatever their order.
    pub fn new(mut traces: Vec<Trace>) -> Self {
        traces.sort_by_key(|trace| (std::cmp::Reverse(trace.start), trace.trace_id));
        let by_id = traces.iter().enumerate().map(|(at, trace)| (trace.trace_id, at)).collect();
        Self { traces, by_id }
    }

    /// The services, sorted by name, each with its operations.
    pub fn services(&self) -> Vec<Service> {
        let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for node in self.traces.iter().flat_map(|trace| &trace.nodes) {
            services.entry(&node.span.service).or_default().insert(&node.span.name);
        }
        let service = |(name, operations): (&str, BTreeSet<&str>)| Service {
            name: name.to_owned(),
            operations: operations.into_iter().map(str::to_owned).collect(),
        };
        services.into_iter().map(service).collect()
    }

    /// The operations of a service with the kinds of their spans, sorted.
    pub fn operations(&self, service: &str) -> BTreeSet<(String, SpanKind)> {
        let nodes = self.traces.iter().flat_map(|trace| &trace.nodes);
        let own = nodes.filter(|node| node.span.service == service);
        own.map(|node| (node.span.name.clone(), node.span.kind)).collect()
    }

    /// The newest traces that fit.
    pub fn search(&self, query: &Query) -> SearchResult {
        let fitting: Vec<&Trace> = self.fitting(query).collect();
        let traces = fitting.iter().take(query.limit).map(|trace| Found::from(*trace)).collect();
        SearchResult { traces, total: fitting.len(), more: false }
    }

    /// All traces that fit, the newest first, whatever the limit.
    pub fn fitting<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a Trace> {
        self.traces.iter().filter(|trace| query.fits(trace))
    }

    /// The trace with that id.
    pub fn trace(&self, id: [u8; 16]) -> Option<&Trace> {
        self.by_id.get(&id).and_then(|&at| self.traces.get(at))
    }

    /// All traces, the newest first.
    pub fn traces(&self) -> &[Trace] {
        &self.traces
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
            duration_ns: u64::try_from(trace.duration().as_nanos()).unwrap_or(u64::MAX),
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
    use crate::collect::{SpanRecord, Status};
    use crate::view::tests::{app, inbound};
    use crate::view::traces;

    fn library() -> Library {
        let second = |span: SpanRecord| SpanRecord { trace_id: [2; 16], ..span };
        Library::new(traces(vec![
            app(1, None, SpanKind::Client, 1_000, 1_100),
            SpanRecord {
                status: Status::Error(String::new()),
                ..inbound(2, 1, SpanKind::Server, 1_010, 1_090)
            },
            second(app(3, None, SpanKind::Client, 5_000, 5_010)),
        ]))
    }

    #[test]
    fn the_newest_come_first_and_all_are_counted() {
        let found = library().search(&Query { limit: 1, ..Query::default() });
        assert_eq!(found.total, 2);
        assert_eq!(found.traces.iter().map(|t| t.start_unix_nano.as_str()).collect::<Vec<_>>(), ["5000"]);
    }

    #[test]
    fn a_result_says_who_took_part() {
        let found = Found::from(library().trace([1; 16]).unwrap());
        let service = |name: &str, errors| FoundService { name: name.to_owned(), spans: 1, errors };
        assert_eq!(found.services, [service("emoji", 1), service("web", 0)]);
        assert_eq!((found.service.as_str(), found.duration_ns, found.errors), ("web", 100, 1));
        assert!(library().trace([9; 16]).is_none());
    }

    #[test]
    fn services_have_operations_of_every_kind() {
        let service = |name: &str| Service { name: name.to_owned(), operations: vec!["GET".to_owned()] };
        assert_eq!(library().services(), [service("emoji"), service("web")]);
        assert_eq!(library().operations("web"), [("GET".to_owned(), SpanKind::Client)].into());
    }
}
