//! What a store tells: its latest traces, or one of them.

use std::path::Path;

use meshspan::{
    collect::records,
    doctor::Visible,
    store::{Store, StoreError},
    view::{Query, Trace, traces},
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::cli::{error::CliError, stored::refused};

/// How many of the latest traces are looked at.
const MAX_TRACES: usize = 200;

/// The latest traces of all.
pub(super) fn latest(store: &Store, path: &Path) -> Result<Visible, CliError> {
    let query = Query { limit: MAX_TRACES, ..Query::default() };
    let found = store.search(&query).map_err(|error| unreadable(&error))?;
    let mut spans: Vec<ResourceSpans> = Vec::new();
    for trace in &found.traces {
        spans.extend(of_trace(store, &trace.trace_id)?);
    }
    let visible = Visible::of(&path.display().to_string(), "any trace", &traces(records(&spans)));
    Ok(Visible { more: found.more || found.total > found.traces.len(), ..visible })
}

/// The trace with this id, 32 hexadecimal digits; none if it is not there yet.
pub(super) fn trace(store: &Store, id: &str) -> Result<Vec<Trace>, CliError> {
    Ok(traces(records(&of_trace(store, id)?)))
}

fn of_trace(store: &Store, id: &str) -> Result<Vec<ResourceSpans>, CliError> {
    let mut bytes = [0; 16];
    // Ids are our own, or the store's.
    let is_id = hex::decode_to_slice(id, &mut bytes).is_ok();
    let found = if is_id { store.trace(bytes) } else { Ok(None) };
    Ok(found.map_err(|error| unreadable(&error))?.unwrap_or_default())
}

/// The store at `path`, also while `meshspan collect` has it.
pub(super) fn open(path: &Path) -> Result<Store, CliError> {
    Store::open_to_read(path).map_err(|error| unreadable(&error))
}

fn unreadable(error: &StoreError) -> CliError {
    refused(error).help("--store takes the file that `meshspan collect` keeps spans in")
}
