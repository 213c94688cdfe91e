//! Requests → the spans that are looked at, each once.

use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;

use super::StoreError;
use super::file::File;

/// All spans.
pub(super) fn all(file: &File) -> Result<Vec<ResourceSpans>, StoreError> {
    fitting(file, |_| true)
}

/// The spans of one trace.
pub(super) fn trace(file: &File, id: [u8; 16]) -> Result<Vec<ResourceSpans>, StoreError> {
    fitting(file, |span| span.trace_id == id)
}

fn fitting(file: &File, fits: impl Fn(&Span) -> bool) -> Result<Vec<ResourceSpans>, StoreError> {
    let requests = file.read(|connection| {
        let mut select = connection.prepare("SELECT request FROM batches ORDER BY seq")?;
        select.query_map([], |row| row.get::<_, Vec<u8>>(0))?.collect::<rusqlite::Result<Vec<_>>>()
    })?;
    // A request that was sent again brings its spans again.
    let mut seen = HashSet::new();
    let mut spans = Vec::new();
    for request in requests {
        // What was appended is valid.
        let Ok(request) = ExportTraceServiceRequest::decode(request.as_slice()) else { continue };
        for mut resource in request.resource_spans {
            for scope in &mut resource.scope_spans {
                scope.spans.retain(|span| {
                    fits(span) && seen.insert((span.trace_id.clone(), span.span_id.clone(), span.kind))
                });
            }
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
            if !resource.scope_spans.is_empty() {
                spans.push(resource);
            }
        }
    }
    Ok(spans)
}
