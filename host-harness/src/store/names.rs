//! Services and operations by number, so that a trace's row is short.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::int;
use crate::collect::SpanKind;

/// For how many requests more than it must a name is said to be in use: most requests change nothing then.
const LEASE: u64 = 1_024;

/// Names that are kept in memory; beyond that they are asked for again.
const MAX_KNOWN: usize = 100_000;

/// A name's number, and the `last` that the file has of it.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: i64,
    last: u64,
}

/// The numbers that are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    services: HashMap<String, Known>,
    /// By service and kind, then by name.
    operations: HashMap<(i64, i64), HashMap<String, Known>>,
    known: usize,
    /// Rows to write: new ones, and those in use for longer.
    services_due: HashMap<i64, (String, u64)>,
    operations_due: HashMap<i64, (i64, String, i64, u64)>,
    next_service: i64,
    next_operation: i64,
}

/// As the file has a kind.
pub(super) const KINDS: [SpanKind; 5] =
    [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer];

pub(super) fn kind_number(kind: SpanKind) -> i64 {
    KINDS.iter().position(|own| *own == kind).and_then(|at| i64::try_from(at).ok()).unwrap_or_default()
}

impl Names {
    /// Knows none yet.
    pub(super) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let next = |sql: &str| connection.query_row(sql, [], |row| row.get(0));
        Ok(Self {
            next_service: next("SELECT coalesce(max(id), 0) + 1 FROM services")?,
            next_operation: next("SELECT coalesce(max(id), 0) + 1 FROM operations")?,
            ..Self::default()
        })
    }

    /// The number of a service that request `seq` has.
    pub(super) fn service(&mut self, connection: &Connection, name: &str, seq: u64) -> rusqlite::Result<i64> {
        if let Some(known) = self.services.get(name).filter(|known| known.last >= seq) {
            return Ok(known.id);
        }
        let id = match self.services.get(name) {
            Some(known) => Some(known.id),
            None => connection
                .query_row("SELECT id FROM services WHERE name = ?1", [name], |row| row.get(0))
                .optional()?,
        };
        let id = id.unwrap_or_else(|| take(&mut self.next_service));
        let last = seq + LEASE;
        self.known += usize::from(self.services.insert(name.to_owned(), Known { id, last }).is_none());
        self.services_due.insert(id, (name.to_owned(), last));
        Ok(id)
    }

    /// The number of an operation that request `seq` has.
    pub(super) fn operation(
        &mut self,
        connection: &Connection,
        (service, name, kind): (i64, &str, SpanKind),
        seq: u64,
    ) -> rusqlite::Result<i64> {
        let kind = kind_number(kind);
        let known = self.operations.get(&(service, kind)).and_then(|names| names.get(name)).copied();
        if let Some(known) = known.filter(|known| known.last >= seq) {
            return Ok(known.id);
        }
        let sql = "SELECT id FROM operations WHERE service = ?1 AND name = ?2 AND kind = ?3";
        let id = match known {
            Some(known) => Some(known.id),
            None => connection.query_row(sql, params![service, name, kind], |row| row.get(0)).optional()?,
        };
        let id = id.unwrap_or_else(|| take(&mut self.next_operation));
        let last = seq + LEASE;
        let names = self.operations.entry((service, kind)).or_default();
        self.known += usize::from(names.insert(name.to_owned(), Known { id, last }).is_none());
        self.operations_due.insert(id, (service, name.to_owned(), kind, last));
        Ok(id)
    }

    /// Writes what is due.
    pub(super) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut service = connection.prepare(
            "INSERT INTO services VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET last = max(last, excluded.last)",
        )?;
        for (id, (name, last)) in self.services_due.drain() {
            service.execute(params![id, name, int(last)])?;
        }
        let mut operation = connection.prepare(
            "INSERT INTO operations VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET last = max(last, excluded.last)",
        )?;
        for (id, (service, name, kind, last)) in self.operations_due.drain() {
            operation.execute(params![id, service, name, kind, int(last)])?;
        }
        if self.known > MAX_KNOWN {
            self.services.clear();
            self.operations.clear();
            self.known = 0;
        }
        Ok(())
    }

    /// Forgets what no request after `seq` has, in the file, too.
    pub(super) fn evict(&mut self, connection: &Connection, seq: u64) -> rusqlite::Result<()> {
        connection.execute("DELETE FROM services WHERE last <= ?1", [int(seq)])?;
        // Numbers of services may be given again.
        let sql = "DELETE FROM operations WHERE last <= ?1 OR service NOT IN (SELECT id FROM services)";
        connection.execute(sql, [int(seq)])?;
        self.services.clear();
        self.operations.clear();
        self.known = 0;
        Ok(())
    }
}

fn take(next: &mut i64) -> i64 {
    *next += 1;
    *next - 1
}
