//! Rows → what is shown: results, spans, services, the service graph.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use super::names::KINDS;
use super::summary::Summary;
use super::{int, unsigned, wire};
use crate::collect::SpanKind;
use crate::time::Timestamp;
use crate::view::graph::{Graph, Sums};
use crate::view::library::{Found, FoundService, Service};

/// The row of the trace with that id.
pub(super) fn row_of(connection: &Connection, id: [u8; 16]) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT row FROM traces WHERE id = ?1", [id], |row| row.get(0)).optional()
}

/// The ids that begin with these hexadecimal digits, at most `limit`.
pub(super) fn ids(connection: &Connection, prefix: &str, limit: i64) -> rusqlite::Result<Vec<[u8; 16]>> {
    let sql = "SELECT id FROM traces WHERE substr(hex(id), 1, length(?1)) = ?1 ORDER BY id LIMIT ?2";
    let mut select = connection.prepare(sql)?;
    select.query_map(params![prefix.to_ascii_uppercase(), limit], |row| row.get(0))?.collect()
}

/// A trace's spans as they came, each once, below their resources and scopes.
pub(super) fn spans(connection: &Connection, row: i64, id: [u8; 16]) -> rusqlite::Result<Vec<ResourceSpans>> {
    let sql = "SELECT request FROM places JOIN batches ON seq = batch WHERE trace = ?1 ORDER BY batch";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([row])?;
    let (mut seen, mut spans) = (HashSet::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let request = wire::only(row.get_ref(0)?.as_blob().unwrap_or_default(), &|found| *found == id);
        // What the index tells of could be decoded.
        let Ok(request) = ExportTraceServiceRequest::decode(request.as_slice()) else { continue };
        for mut resource in request.resource_spans {
            for scope in &mut resource.scope_spans {
                scope
                    .spans
                    .retain(|span| span.trace_id == id && seen.insert((span.span_id.clone(), span.kind)));
            }
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
            spans.extend(Some(resource).filter(|resource| !resource.scope_spans.is_empty()));
        }
    }
    Ok(spans)
}

/// Rows as a list of results shows them.
pub(super) struct Results<'a> {
    connection: &'a Connection,
    services: Services<'a>,
}

impl<'a> Results<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, services: Services::new(connection) }
    }

    pub(super) fn of(&mut self, row: i64) -> rusqlite::Result<Found> {
        let mut select = self.connection.prepare(
            "SELECT traces.id, start, duration, spans, errors, orphans, summary, service, name
             FROM traces LEFT JOIN operations ON operations.id = entry WHERE row = ?1",
        )?;
        let (mut found, summary, entry) = select.query_row([row], |row| {
            let count = |column| row.get(column).map(|count: i64| usize::try_from(count).unwrap_or(0));
            let found = Found {
                trace_id: hex::encode(row.get::<_, [u8; 16]>(0)?),
                service: String::new(),
                name: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
                start_unix_nano: unsigned(row.get(1)?).to_string(),
                duration_ns: unsigned(row.get(2)?),
                spans: count(3)?,
                errors: count(4)?,
                orphans: count(5)?,
                services: Vec::new(),
            };
            Ok((found, summary(row.get_ref(6)?.as_blob().unwrap_or_default()), row.get::<_, Option<i64>>(7)?))
        })?;
        if let Some(service) = entry {
            found.service = self.services.name(service)?;
        }
        for own in &summary.services {
            let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
            let name = self.services.name(own.service)?;
            found.services.push(FoundService { name, spans: count(own.spans), errors: count(own.errors) });
        }
        found.services.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }
}

/// Services by number, each asked for once.
struct Services<'a> {
    connection: &'a Connection,
    known: HashMap<i64, String>,
}

impl<'a> Services<'a> {
    fn new(connection: &'a Connection) -> Self {
        Self { connection, known: HashMap::new() }
    }

    fn name(&mut self, id: i64) -> rusqlite::Result<String> {
        if let Some(name) = self.known.get(&id) {
            return Ok(name.clone());
        }
        let sql = "SELECT name FROM services WHERE id = ?1";
        let name: Option<String> = self.connection.query_row(sql, [id], |row| row.get(0)).optional()?;
        Ok(self.known.entry(id).insert_entry(name.unwrap_or_default()).get().clone())
    }
}

fn summary(bytes: &[u8]) -> Summary {
    // What the index wrote.
    Summary::decode(bytes).unwrap_or_default()
}

/// The services, sorted by name, each with its operations.
pub(super) fn services(connection: &Connection) -> rusqlite::Result<Vec<Service>> {
    let sql = "SELECT services.name, operations.name FROM operations JOIN services ON services.id = service";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        services.entry(row.get(0)?).or_default().insert(row.get(1)?);
    }
    let service = |(name, operations): (String, BTreeSet<String>)| Service {
        name,
        operations: operations.into_iter().collect(),
    };
    Ok(services.into_iter().map(service).collect())
}

/// The operations of a service with the kinds of their spans, sorted.
pub(super) fn operations(
    connection: &Connection,
    service: &str,
) -> rusqlite::Result<BTreeSet<(String, SpanKind)>> {
    let mut select = connection.prepare(
        "SELECT operations.name, kind FROM operations JOIN services ON services.id = service
         WHERE services.name = ?1",
    )?;
    let rows = select.query_map([service], |row| {
        let kind = KINDS.get(usize::from(row.get::<_, u8>(1)?)).copied().unwrap_or(SpanKind::Internal);
        Ok((row.get(0)?, kind))
    })?;
    rows.collect()
}

/// Who calls whom, over the traces that start within the bounds.
pub(super) fn graph(
    connection: &Connection,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> rusqlite::Result<Graph> {
    let bound = |at: Option<Timestamp>, none| at.map_or(none, |at| int(at.as_unix_nanos()));
    let mut select = connection.prepare("SELECT summary FROM traces WHERE start BETWEEN ?1 AND ?2")?;
    let mut rows = select.query([bound(from, i64::MIN), bound(to, i64::MAX)])?;
    let (mut sums, mut names) = (Sums::default(), Services::new(connection));
    while let Some(row) = rows.next()? {
        let Summary { services, calls } = summary(row.get_ref(0)?.as_blob().unwrap_or_default());
        for own in services {
            sums.add_service(&names.name(own.service)?, own.spans, own.errors);
        }
        for call in calls {
            let (from, to) = (names.name(call.from)?, names.name(call.to)?);
            sums.add_calls((&from, &to), call.count, call.errors, Duration::from_nanos(call.nanos));
        }
    }
    Ok(sums.graph())
}
