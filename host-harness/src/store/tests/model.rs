//! The store against the simplest thing that could tell the same: all spans in memory, each once.

use std::collections::{BTreeMap, HashSet};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Status;
use proptest::prelude::*;

use super::*;
use crate::collect::{SpanRecord, records};
use crate::view::graph::Sums;
use crate::view::library::Found;
use crate::view::{Trace, traces};

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (1_u8..4, 1_u8..9, 0_u8..10);
    let what = ("[gp]", 1..4_i32, 0..3_i32, 0_u8..3);
    (ids, what, 1_000_u64..1_020, 0_u64..10).prop_map(
        |((trace, id, parent), (name, kind, code, attribute), start, length)| Span {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { vec![] } else { vec![parent; 8] },
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: start + length,
            attributes: (0..attribute).map(|at| text("key", &at.to_string())).collect(),
            status: Some(Status { code, ..Status::default() }),
            ..Span::default()
        },
    )
}

fn resource_spans() -> impl Strategy<Value = ResourceSpans> {
    ("[abc]", prop::collection::vec(prop::collection::vec(span(), 0..6), 0..3)).prop_map(
        |(service, scopes)| {
            let attributes = vec![text("service.name", &service), text("pod", &format!("{service}-1"))];
            let scope = |spans| ScopeSpans { spans, ..ScopeSpans::default() };
            ResourceSpans {
                resource: Some(Resource { attributes, ..Resource::default() }),
                scope_spans: scopes.into_iter().map(scope).collect(),
                ..ResourceSpans::default()
            }
        },
    )
}

/// A request, and whether the store is opened again after it.
fn step() -> impl Strategy<Value = (ExportTraceServiceRequest, bool)> {
    let request = prop::collection::vec(resource_spans(), 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans });
    (request, prop::bool::weighted(0.2))
}

fn query() -> impl Strategy<Value = Query> {
    let attribute = prop_oneof![
        Just(("key", "0")),
        Just(("key", "1")),
        Just(("key", "9")),
        Just(("pod", "a-1")),
        Just(("error", "true")),
        Just(("error", "false")),
    ];
    let attribute = attribute.prop_map(|(key, value)| (key.to_owned(), value.to_owned()));
    let span =
        (prop::option::of("[abcd]"), prop::option::of("[gpx]"), prop::collection::vec(attribute, 0..3));
    let at = || prop::option::of((1_000_u64..1_020).prop_map(Timestamp::from_unix_nanos));
    let long = || prop::option::of((0_u64..25).prop_map(Duration::from_nanos));
    (span, (at(), at(), long(), long()), any::<(bool, bool)>(), 1_usize..4).prop_map(
        |((service, operation, attributes), (from, to, min, max), (errors, orphans), limit)| Query {
            service,
            operation,
            attributes,
            from,
            to,
            min,
            max,
            errors: errors && orphans,
            orphans: orphans && !errors,
            limit,
        },
    )
}

/// Traces, the newest first.
struct Model(Vec<Trace>);

impl Model {
    fn new(records: Vec<SpanRecord>) -> Self {
        let mut traces = traces(records);
        traces.sort_by_key(|trace| (std::cmp::Reverse(trace.start), trace.trace_id));
        Self(traces)
    }

    fn search(&self, query: &Query) -> SearchResult {
        let fitting: Vec<&Trace> = self.0.iter().filter(|trace| query.fits(trace)).collect();
        let traces = fitting.iter().take(query.limit).map(|trace| Found::from(*trace)).collect();
        SearchResult { traces, total: fitting.len(), more: false }
    }

    fn spans(&self) -> impl Iterator<Item = &SpanRecord> {
        self.0.iter().flat_map(|trace| &trace.nodes).map(|node| &node.span)
    }

    fn services(&self) -> Vec<Service> {
        let mut services: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for span in self.spans() {
            services.entry(&span.service).or_default().insert(span.name.clone());
        }
        let service = |(name, operations): (&str, BTreeSet<String>)| Service {
            name: name.to_owned(),
            operations: operations.into_iter().collect(),
        };
        services.into_iter().map(service).collect()
    }

    fn operations(&self, service: &str) -> BTreeSet<(String, SpanKind)> {
        let own = self.spans().filter(|span| span.service == service);
        own.map(|span| (span.name.clone(), span.kind)).collect()
    }

    fn graph(&self) -> Graph {
        let mut sums = Sums::default();
        for trace in &self.0 {
            for node in &trace.nodes {
                let (span, failed) = (&node.span, u64::from(node.span.is_error()));
                sums.add_service(&span.service, 1, failed);
                let caller = node.parent.map(|parent| &trace.nodes[parent].span);
                if let Some(caller) = caller.filter(|caller| caller.service != span.service) {
                    let time = span.end.since(span.start);
                    sums.add_calls((&caller.service, &span.service), 1, failed, time);
                }
            }
        }
        sums.graph()
    }
}

/// All spans, each once, as records.
fn once(steps: &[(ExportTraceServiceRequest, bool)]) -> Vec<SpanRecord> {
    let mut seen = HashSet::new();
    let all = steps.iter().flat_map(|(request, _)| records(&request.resource_spans));
    all.filter(|span| seen.insert((span.trace_id, span.span_id, span.kind))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_all_spans_in_memory_do(
        steps in prop::collection::vec(step(), 1..8),
        queries in prop::collection::vec(query(), 1..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spans.db");
        let mut store = Store::open(&path, StoreOptions::default()).unwrap();
        for (request, is_opened_again) in &steps {
            let spans = span_count(&request.resource_spans);
            store.append_blocking(request.encode_to_vec().into(), spans).unwrap();
            if *is_opened_again {
                drop(store);
                store = Store::open(&path, StoreOptions::default()).unwrap();
            }
        }
        let model = Model::new(once(&steps));
        for query in &queries {
            prop_assert_eq!(store.search(query).unwrap(), model.search(query), "{:?}", query);
        }
        prop_assert_eq!(store.services().unwrap(), model.services());
        prop_assert_eq!(store.operations("a").unwrap(), model.operations("a"));
        prop_assert_eq!(store.graph(None, None).unwrap(), model.graph());
        for trace in &model.0 {
            let found = store.trace(trace.trace_id).unwrap().unwrap();
            prop_assert_eq!(&traces(records(&found))[0], trace);
        }
        let stats = store.stats().unwrap();
        let kept: usize = model.0.iter().map(|trace| trace.nodes.len()).sum();
        prop_assert_eq!(stats.kept, kept as u64);
        prop_assert_eq!(stats.received, stats.kept + stats.duplicates + stats.unreadable);
    }
}
