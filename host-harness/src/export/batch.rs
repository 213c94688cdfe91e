//! Spans → requests of bounded number and size, each with the resource and scope that its spans had.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::{Message, bytes::Bytes};

use crate::collect::span_count;

/// Tag and length of one embedded message: 1 byte and at most 5.
const FRAME_BYTES: usize = 6;

pub(crate) struct Batches {
    pub(crate) requests: Vec<ExportTraceServiceRequest>,
    /// Spans that alone are larger than a request may be.
    pub(crate) oversize: u64,
}

/// Splits `spans` into requests of at most `max_spans` spans and `max_bytes` bytes, in order.
pub(crate) fn split(spans: Vec<ResourceSpans>, max_spans: usize, max_bytes: usize) -> Batches {
    let mut batches = Batches { requests: Vec::new(), oversize: 0 };
    let mut open = Open { max_spans, max_bytes, ..Open::default() };
    for resource in spans {
        let ResourceSpans { resource, scope_spans, schema_url } = resource;
        let resource_head = ResourceSpans { resource, scope_spans: Vec::new(), schema_url };
        open.resource_is_new = true;
        for scope in scope_spans {
            let ScopeSpans { scope, spans, schema_url } = scope;
            let scope_head = ScopeSpans { scope, spans: Vec::new(), schema_url };
            open.scope_is_new = true;
            for span in spans {
                open.push(&mut batches, &resource_head, &scope_head, span);
            }
        }
    }
    open.close(&mut batches);
    batches
}

/// An encoded request as two of half as many spans each; `None` if it has one span, or cannot be read.
pub(crate) fn halves(request: &Bytes) -> Option<Vec<ExportTraceServiceRequest>> {
    let request = ExportTraceServiceRequest::decode(request.clone()).ok()?;
    let spans = usize::try_from(span_count(&request.resource_spans)).unwrap_or(usize::MAX);
    (spans > 1).then(|| split(request.resource_spans, spans.div_ceil(2), usize::MAX).requests)
}

#[derive(Default)]
struct Open {
    max_spans: usize,
    max_bytes: usize,
    request: ExportTraceServiceRequest,
    spans: usize,
    bytes: usize,
    resource_is_new: bool,
    scope_is_new: bool,
}

impl Open {
    fn push(&mut self, batches: &mut Batches, resource: &ResourceSpans, scope: &ScopeSpans, span: Span) {
        let alone = framed(&span) + framed(scope) + framed(resource);
        if alone > self.max_bytes {
            batches.oversize += 1;
            return;
        }
        if self.spans == self.max_spans || self.bytes + alone > self.max_bytes {
            self.close(batches);
        }
        if self.resource_is_new || self.request.resource_spans.is_empty() {
            self.request.resource_spans.push(resource.clone());
            self.bytes += framed(resource);
            (self.resource_is_new, self.scope_is_new) = (false, true);
        }
        let Some(last) = self.request.resource_spans.last_mut() else { return };
        if self.scope_is_new || last.scope_spans.is_empty() {
            last.scope_spans.push(scope.clone());
            self.bytes += framed(scope);
            self.scope_is_new = false;
        }
        let Some(last) = last.scope_spans.last_mut() else { return };
        self.bytes += framed(&span);
        self.spans += 1;
        last.spans.push(span);
    }

    fn close(&mut self, batches: &mut Batches) {
        if self.spans > 0 {
            batches.requests.push(std::mem::take(&mut self.request));
        }
        (self.spans, self.bytes) = (0, 0);
    }
}

fn framed(message: &impl Message) -> usize {
    message.encoded_len() + FRAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u8, name_bytes: usize) -> Span {
        Span { span_id: vec![id; 8], name: "n".repeat(name_bytes), ..Span::default() }
    }

    fn resource(name: &str, scopes: Vec<Vec<Span>>) -> ResourceSpans {
        let scope_spans =
            scopes.into_iter().map(|spans| ScopeSpans { spans, ..ScopeSpans::default() }).collect();
        ResourceSpans { schema_url: name.to_owned(), scope_spans, ..ResourceSpans::default() }
    }

    fn ids(requests: &[ExportTraceServiceRequest]) -> Vec<(String, u8)> {
        let each = requests.iter().flat_map(|request| &request.resource_spans).flat_map(|resource| {
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.map(|span| (resource.schema_url.clone(), span.span_id[0]))
        });
        each.collect()
    }

    #[test]
    fn rule_45_a_request_holds_no_more_than_its_number_of_spans() {
        let spans = vec![
            resource("a", vec![vec![span(1, 1), span(2, 1)], vec![span(3, 1)]]),
            resource("b", vec![vec![span(4, 1), span(5, 1)]]),
        ];
        for (max, sizes) in [(1, vec![1, 1, 1, 1, 1]), (2, vec![2, 2, 1]), (3, vec![3, 2]), (9, vec![5])] {
            let batches = split(spans.clone(), max, 1 << 20);
            let found: Vec<u64> = batches.requests.iter().map(|r| span_count(&r.resource_spans)).collect();
            assert_eq!(found, sizes, "at most {max}");
            let expected = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5)];
            assert_eq!(ids(&batches.requests), expected.map(|(name, id)| (name.to_owned(), id)));
        }
        assert_eq!(split(spans.clone(), 9, 1 << 20).requests[0].resource_spans, spans, "nothing is reshaped");
    }

    #[test]
    fn rule_44_a_request_holds_no_more_than_its_bytes_and_oversize_is_counted() {
        let spans =
            vec![resource("a", vec![(0..20).map(|id| span(id, 100)).chain([span(99, 900)]).collect()])];
        let batches = split(spans, 512, 800);
        assert_eq!(batches.oversize, 1);
        assert_eq!(ids(&batches.requests).len(), 20);
        assert!(batches.requests.len() > 2);
        for request in &batches.requests {
            assert!(request.encoded_len() <= 800, "{} bytes", request.encoded_len());
        }
    }

    #[test]
    fn nothing_to_send_is_no_request() {
        assert!(split(vec![resource("a", vec![vec![]])], 512, 800).requests.is_empty());
    }
}
