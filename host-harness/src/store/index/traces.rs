//! The traces whose spans came lately, in memory, and their rows.

use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::filter::{Token, Tokens, filter, tokens, tokens_of_outcome};
use super::super::names::Names;
use super::super::summary::{Digest, Glance, digest};
use super::super::{int, unsigned};
use super::Aside;
use super::rest::Rest;
use super::returning::Returning;
use crate::collect::{self, service_name};
use crate::time::Timestamp;
use crate::view::Bond;

/// Spans and attributes of the traces that are kept in memory: some tens of megabytes. One that comes again later is
/// read from its requests; when that one leaves again, what is known of it rests in the file.
const MAX_WEIGHT: usize = 1_000_000;

/// The traces in memory.
pub(super) struct Traces {
    by_id: HashMap<[u8; 16], Trace>,
    next_row: i64,
    /// Of all that is in memory, and how much that may be.
    weight: usize,
    max_weight: usize,
    /// Those whose rows are to be written.
    due: HashSet<[u8; 16]>,
}

/// One trace.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) row: i64,
    /// The first of its requests.
    pub(super) first: u64,
    /// The last of its requests.
    pub(super) last: u64,
    pub(super) spans: Vec<Glance>,
    /// A span that comes again is known by its id and its kind: the two ends of a call may share an id.
    pub(super) seen: HashSet<([u8; 8], i32)>,
    pub(super) tokens: Tokens,
    /// Its requests that the file does not tell of yet.
    pub(super) places: Vec<u64>,
    /// It came again when it was not in memory any more: it may do so often.
    pub(super) has_returned: bool,
}

/// A span, and what its resource says.
pub(super) struct Found<'a> {
    pub(super) trace_id: [u8; 16],
    bond: Bond,
    span: &'a Span,
    service: &'a str,
    resource: &'a [Token],
}

impl Traces {
    /// None in memory yet.
    pub(super) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT coalesce(max(row), 0) + 1 FROM traces";
        let next_row = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Self { by_id: HashMap::new(), next_row, weight: 0, max_weight: MAX_WEIGHT, due: HashSet::new() })
    }

    /// Adds the spans of request `seq`.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        seq: u64,
        request: &ExportTraceServiceRequest,
    ) -> rusqlite::Result<Aside> {
        self.load(connection, names, seq, request)?;
        let mut aside = Aside::default();
        aside.unreadable = each_span(request, &mut |found| {
            let Some(trace) = self.by_id.get_mut(&found.trace_id) else { return Ok(()) };
            let before = trace.weight();
            if trace.add(connection, names, seq, &found)? {
                self.due.insert(found.trace_id);
            } else {
                aside.duplicates += 1;
            }
            self.weight += trace.weight() - before;
            Ok(())
        })?;
        Ok(aside)
    }

    /// Takes the traces of a request into memory: new ones, and those that the file knows.
    fn load(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        seq: u64,
        request: &ExportTraceServiceRequest,
    ) -> rusqlite::Result<()> {
        let mut returning = Returning::default();
        let mut known = connection.prepare("SELECT row, first FROM traces WHERE id = ?1")?;
        for span in collect::each_span(&request.resource_spans) {
            let Ok(id) = <[u8; 16]>::try_from(span.trace_id.as_slice()) else { continue };
            if self.by_id.contains_key(&id) || returning.has(&id) {
                continue;
            }
            let found = known.query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get(1).map(unsigned)?)));
            match found.optional()? {
                Some((row, first)) => returning.take(connection, id, (row, first))?,
                None => {
                    self.by_id.insert(id, Trace { row: self.next_row, first: seq, ..Trace::default() });
                    self.next_row += 1;
                }
            }
        }
        for (id, trace) in returning.read(connection, names)? {
            self.weight += trace.weight();
            self.by_id.insert(id, trace);
        }
        Ok(())
    }

    /// Writes what has changed.
    pub(super) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut row = connection.prepare(
            "INSERT INTO traces VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (row) DO UPDATE SET start = excluded.start, duration = excluded.duration,
                 spans = excluded.spans, errors = excluded.errors, orphans = excluded.orphans,
                 entry = excluded.entry, operations = excluded.operations, summary = excluded.summary",
        )?;
        let mut place = connection.prepare("INSERT OR IGNORE INTO places VALUES (?1, ?2)")?;
        let mut attributes = connection.prepare("INSERT OR REPLACE INTO filters VALUES (?1, ?2)")?;
        // In the order of the rows, which is that of the file.
        let mut due: Vec<(i64, [u8; 16])> =
            self.due.drain().filter_map(|id| Some((self.by_id.get(&id)?.row, id))).collect();
        due.sort_unstable();
        for (_, id) in due {
            let Some(trace) = self.by_id.get_mut(&id) else { continue };
            let Digest { start, duration_ns, errors, orphans, entry, operations, summary } =
                digest(&trace.spans);
            let operations: Vec<u8> =
                operations.into_iter().flat_map(|id| number(id).to_le_bytes()).collect();
            row.execute(params![
                trace.row,
                id,
                int(trace.first),
                int(start.as_unix_nanos()),
                int(duration_ns),
                count(trace.spans.len()),
                count(errors),
                count(orphans),
                entry,
                operations,
                summary.encode_to_vec(),
            ])?;
            for batch in trace.places.drain(..) {
                place.execute([trace.row, int(batch)])?;
            }
            attributes.execute(params![trace.row, filter(&trace.tokens)])?;
        }
        self.shrink(connection)
    }

    /// Lets go of the traces that got no span for longest, until the weight is half of what may be.
    fn shrink(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.weight <= self.max_weight {
            return Ok(());
        }
        let mut rest = connection.prepare("INSERT OR REPLACE INTO rests VALUES (?1, ?2, ?3)")?;
        let mut all: Vec<(u64, [u8; 16])> = self.by_id.iter().map(|(id, trace)| (trace.last, *id)).collect();
        all.sort_unstable();
        for (_, id) in all {
            if self.weight <= self.max_weight / 2 {
                break;
            }
            let Some(trace) = self.by_id.remove(&id) else { continue };
            self.weight -= trace.weight();
            if trace.has_returned {
                rest.execute(params![trace.row, int(trace.last), Rest::of(&trace).encode_to_vec()])?;
            }
        }
        Ok(())
    }

    /// Lets go of the traces in the rows up to `row`, which the file has no more.
    pub(super) fn forget(&mut self, row: i64) {
        self.by_id.retain(|_, trace| trace.row > row);
        self.weight = self.by_id.values().map(Trace::weight).sum();
    }
}

impl Trace {
    fn weight(&self) -> usize {
        self.spans.len() + self.tokens.len()
    }

    /// Whether the span of request `seq` is new.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        seq: u64,
        found: &Found<'_>,
    ) -> rusqlite::Result<bool> {
        let Found { bond, span, service, .. } = *found;
        if !self.seen.insert((bond.span_id, span.kind)) {
            return Ok(false);
        }
        self.last = seq;
        if self.places.last() != Some(&seq) {
            self.places.push(seq);
        }
        let failed = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
        self.tokens.extend(found.resource);
        self.tokens.extend(span.attributes.iter().flat_map(|pair| tokens(service, pair)));
        self.tokens.extend(tokens_of_outcome(service, failed));
        let service = names.service(connection, service, seq)?;
        let operation = names.operation(connection, (service, &span.name, collect::kind(span)), seq)?;
        self.spans.push(Glance { bond, service, operation, failed });
        Ok(true)
    }
}

/// Shows `visit` each span; how many have ids of another length than 16 and 8 bytes.
pub(super) fn each_span(
    request: &ExportTraceServiceRequest,
    visit: &mut dyn FnMut(Found<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<u64> {
    let mut unreadable = 0;
    for spans in &request.resource_spans {
        let service = service_name(spans);
        let attributes = spans.resource.iter().flat_map(|resource| &resource.attributes);
        let resource: Vec<Token> = attributes.flat_map(|pair| tokens(&service, pair)).collect();
        for span in spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
            match bond(span) {
                Some((trace_id, bond)) => {
                    visit(Found { trace_id, bond, span, service: &service, resource: &resource })?;
                }
                None => unreadable += 1,
            }
        }
    }
    Ok(unreadable)
}

/// The trace's id and what decides the span's place; `None` if its ids are not 16 and 8 bytes.
fn bond(span: &Span) -> Option<([u8; 16], Bond)> {
    let parent = match span.parent_span_id.is_empty() {
        true => None,
        false => Some(span.parent_span_id.as_slice().try_into().ok()?),
    };
    let bond = Bond {
        span_id: span.span_id.as_slice().try_into().ok()?,
        parent,
        start: Timestamp::from_unix_nanos(span.start_time_unix_nano),
        end: Timestamp::from_unix_nanos(span.end_time_unix_nano),
    };
    Some((span.trace_id.as_slice().try_into().ok()?, bond))
}

fn number(id: i64) -> u32 {
    u32::try_from(id).unwrap_or(u32::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
