//! The file's format: its tables, and how it is told from other files.

use rusqlite::Connection;

/// "mspn", by which a file is known as ours.
const APPLICATION_ID: i64 = 0x6d73_706e;

/// The number of the format below.
pub(super) const FORMAT: i64 = 1;

/// A table's `seq`, `first`, `last`, `batch` and `position` are places in the order in which requests came.
const TABLES: &str = "
    -- Requests as they came.
    CREATE TABLE batches (
        seq INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, spans INTEGER NOT NULL, request BLOB NOT NULL
    );

    -- All up to the position is settled; how, in spans.
    CREATE TABLE destinations (
        name TEXT PRIMARY KEY, position INTEGER NOT NULL,
        exported INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE dropped (
        destination TEXT NOT NULL, reason TEXT NOT NULL, spans INTEGER NOT NULL,
        PRIMARY KEY (destination, reason)
    ) WITHOUT ROWID;

    -- Sums over the life of the file. Up to `indexed`, the tables below tell of what is in batches.
    CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counts VALUES
        ('last', 0), ('received', 0), ('requests', 0), ('indexed', 0), ('duplicates', 0), ('unreadable', 0);
    CREATE TABLE evicted (reason TEXT PRIMARY KEY, spans INTEGER NOT NULL) WITHOUT ROWID;

    -- Rows and `first`, the first of a trace's requests, grow together. Times in nanoseconds; `operations` are
    -- numbers of operations, 4 bytes each, the lowest byte first; `summary` is summary.rs's.
    CREATE TABLE traces (
        row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, first INTEGER NOT NULL,
        start INTEGER NOT NULL, duration INTEGER NOT NULL,
        spans INTEGER NOT NULL, errors INTEGER NOT NULL, orphans INTEGER NOT NULL,
        entry INTEGER NOT NULL, operations BLOB NOT NULL, summary BLOB NOT NULL
    );
    CREATE INDEX traces_by_start ON traces (start DESC, id, duration, errors, orphans);
    -- Which attributes a trace may have: filter.rs.
    CREATE TABLE filters (trace INTEGER PRIMARY KEY, filter BLOB NOT NULL);
    -- Which requests a trace's spans came in.
    CREATE TABLE places (
        trace INTEGER NOT NULL, batch INTEGER NOT NULL, PRIMARY KEY (trace, batch)
    ) WITHOUT ROWID;

    -- `last`: no later request than this has it.
    CREATE TABLE services (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last INTEGER NOT NULL);
    CREATE TABLE operations (
        id INTEGER PRIMARY KEY, service INTEGER NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,
        last INTEGER NOT NULL, UNIQUE (service, name, kind)
    );
";

/// What the indexer knew of a trace that comes again and again when it left its memory: rest.rs's, up to request
/// `last`. Later than the other tables.
const RESTS: &str = "CREATE TABLE IF NOT EXISTS rests (trace INTEGER PRIMARY KEY, last INTEGER NOT NULL, state BLOB NOT NULL)";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing yet.
    Empty,
    /// A store of this version.
    Ours,
    /// A store of a later version, with its format's number.
    Newer(i64),
    /// Another program's database.
    Foreign,
}

/// What the file behind `connection` is.
pub(super) fn kind(connection: &Connection) -> rusqlite::Result<Kind> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (number("application_id")?, number("user_version")?) {
        (0, 0) if tables == 0 => Kind::Empty,
        (APPLICATION_ID, FORMAT) => Kind::Ours,
        (APPLICATION_ID, format) if format > FORMAT => Kind::Newer(format),
        _ => Kind::Foreign,
    })
}

/// Makes an empty file a store.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    // Before the first table: pages that are free can be given back one by one.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    log_ahead(connection)?;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} {RESTS}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))
}

/// Adds what a store of an earlier version has not.
pub(super) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(RESTS)
}

/// A request is some hundred kilobytes: larger pages than SQLite's own 4 KiB make it fewer pieces.
const PAGE_BYTES: i64 = 8 << 10;

/// Lets readers and the writer be at work at the same time. Memory has no such mode, and stays in its own.
pub(super) fn log_ahead(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
}
