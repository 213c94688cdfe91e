//! A question → rows, and the few traces that must be decoded to answer it.

use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::filter::{Token, may_have};
use super::int;
use super::read::{Results, spans};
use crate::collect::records;
use crate::time::Timestamp;
use crate::view::library::SearchResult;
use crate::view::{Query, traces};

/// How many traces more than wanted are looked into to count those that fit.
const MAX_COUNTED: usize = 20;

/// What a row must have, beside what SQL compares.
struct Wanted {
    /// One of these operations; `None` if any will do.
    operations: Option<Vec<u32>>,
    /// All of these attributes, somewhere.
    attributes: Vec<Token>,
}

/// The newest traces that fit.
pub(super) fn search(connection: &Connection, query: &Query) -> rusqlite::Result<SearchResult> {
    let mut found = SearchResult::default();
    let mut results = Results::new(connection);
    let mut beyond = 0;
    each_candidate(connection, query, &mut |row, id| {
        let is_wanted = found.traces.len() < query.limit;
        // One span must have it all: rows do not tell.
        if !query.attributes.is_empty() {
            if !is_wanted && beyond == MAX_COUNTED {
                found.more = true;
                return Ok(false);
            }
            beyond += usize::from(!is_wanted);
            if !traces(records(&spans(connection, row, id)?)).iter().any(|trace| query.fits(trace)) {
                return Ok(true);
            }
        }
        found.total += 1;
        if is_wanted {
            found.traces.push(results.of(row)?);
        }
        Ok(true)
    })?;
    Ok(found)
}

/// Shows `visit` the rows and ids of the traces that may fit, the newest first, until it wants no more.
fn each_candidate(
    connection: &Connection,
    query: &Query,
    visit: &mut dyn FnMut(i64, [u8; 16]) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let wanted = Wanted::of(connection, query)?;
    let operations = if wanted.operations.is_some() { "operations" } else { "NULL" };
    let (filter, filters) = match wanted.attributes.is_empty() {
        true => ("NULL", ""),
        false => ("filter", "JOIN filters ON trace = row"),
    };
    let mut select = connection.prepare(&format!(
        "SELECT row, id, {operations}, {filter} FROM traces {filters}
         WHERE start BETWEEN ?1 AND ?2 AND duration BETWEEN ?3 AND ?4 AND errors >= ?5 AND orphans >= ?6
         ORDER BY start DESC, id"
    ))?;
    let instant = |at: Option<Timestamp>, none| at.map_or(none, |at| int(at.as_unix_nanos()));
    let length = |time: Option<Duration>, none| {
        time.map_or(none, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
    };
    let mut rows = select.query(params![
        instant(query.from, i64::MIN),
        instant(query.to, i64::MAX),
        length(query.min, 0),
        length(query.max, i64::MAX),
        i64::from(query.errors),
        i64::from(query.orphans),
    ])?;
    while let Some(row) = rows.next()? {
        if wanted.fits(row)? && !visit(row.get(0)?, row.get(1)?)? {
            break;
        }
    }
    Ok(())
}

impl Wanted {
    fn of(connection: &Connection, query: &Query) -> rusqlite::Result<Self> {
        let attributes = query.attributes.iter().map(|(key, value)| match &query.service {
            Some(service) => Token::of_service(service, key, value),
            None => Token::of(key, value),
        });
        let attributes = attributes.collect();
        if query.service.is_none() && query.operation.is_none() {
            return Ok(Self { operations: None, attributes });
        }
        let mut select = connection.prepare(
            "SELECT operations.id FROM operations JOIN services ON services.id = service
             WHERE (?1 IS NULL OR services.name = ?1) AND (?2 IS NULL OR operations.name = ?2)",
        )?;
        let operations = select.query_map(params![query.service, query.operation], |row| row.get(0))?;
        let mut operations = operations.collect::<rusqlite::Result<Vec<u32>>>()?;
        operations.sort_unstable();
        Ok(Self { operations: Some(operations), attributes })
    }

    /// Whether a row may be of a trace that fits.
    fn fits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        if let Some(wanted) = &self.operations {
            let own = blob(row.get_ref(2)?).as_chunks().0.iter().map(|id| u32::from_le_bytes(*id));
            if !own.into_iter().any(|id| wanted.binary_search(&id).is_ok()) {
                return Ok(false);
            }
        }
        let filter = blob(row.get_ref(3)?);
        Ok(self.attributes.iter().all(|token| may_have(filter, *token)))
    }
}

fn blob<'a>(value: ValueRef<'a>) -> &'a [u8] {
    value.as_blob().unwrap_or_default()
}
