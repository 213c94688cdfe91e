//! Spans by trace, each still below its own resource and scope.

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

/// The spans of each trace by its id, whatever that is.
pub fn by_trace(spans: Vec<ResourceSpans>) -> BTreeMap<Vec<u8>, Vec<ResourceSpans>> {
    let mut traces = BTreeMap::new();
    for resource in spans {
        split(resource, &mut traces);
    }
    traces
}

/// Puts each span to its trace, below its own resource and scope.
fn split(resource: ResourceSpans, traces: &mut BTreeMap<Vec<u8>, Vec<ResourceSpans>>) {
    let ResourceSpans { resource, scope_spans, schema_url } = resource;
    // For each trace, the index of this resource and of the scope that is split now.
    let mut places: HashMap<Vec<u8>, (usize, Option<usize>)> = HashMap::new();
    for scope in scope_spans {
        places.values_mut().for_each(|place| place.1 = None);
        let ScopeSpans { scope, spans, schema_url: scope_url } = scope;
        for span in spans {
            let trace = traces.entry(span.trace_id.clone()).or_default();
            let place = places.entry(span.trace_id.clone()).or_insert_with(|| {
                let resource = resource.clone();
                trace.push(ResourceSpans {
                    resource,
                    scope_spans: Vec::new(),
                    schema_url: schema_url.clone(),
                });
                (trace.len() - 1, None)
            });
            let Some(own) = trace.get_mut(place.0) else { continue };
            let at = *place.1.get_or_insert_with(|| {
                let scope = scope.clone();
                own.scope_spans.push(ScopeSpans { scope, spans: Vec::new(), schema_url: scope_url.clone() });
                own.scope_spans.len() - 1
            });
            if let Some(scope) = own.scope_spans.get_mut(at) {
                scope.spans.push(span);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::Span;

    use super::*;

    #[test]
    fn each_trace_keeps_its_own_spans_below_their_resource_and_scope() {
        let span =
            |trace: u8, id: u8| Span { trace_id: vec![trace; 16], span_id: vec![id; 8], ..Span::default() };
        let scope =
            |url: &str, spans| ScopeSpans { schema_url: url.to_owned(), spans, ..ScopeSpans::default() };
        let resource = ResourceSpans {
            scope_spans: vec![
                scope("a", vec![span(1, 1), span(2, 2), span(1, 3)]),
                scope("b", vec![span(1, 4)]),
            ],
            schema_url: "r".to_owned(),
            ..ResourceSpans::default()
        };
        let traces = by_trace(vec![resource]);
        let own = |trace: u8| {
            let resources = &traces[&vec![trace; 16]];
            assert!(resources.iter().all(|resource| resource.schema_url == "r"));
            let scopes = resources.iter().flat_map(|resource| &resource.scope_spans);
            let ids = |scope: &ScopeSpans| scope.spans.iter().map(|span| span.span_id[0]).collect::<Vec<_>>();
            scopes.map(|scope| (scope.schema_url.clone(), ids(scope))).collect::<Vec<_>>()
        };
        assert_eq!(own(1), [("a".to_owned(), vec![1, 3]), ("b".to_owned(), vec![4])]);
        assert_eq!(own(2), [("a".to_owned(), vec![2])]);
        assert_eq!(traces.len(), 2);
    }
}
