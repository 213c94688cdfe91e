//! The file: its format, who may open it, connections to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// "mspn", by which SQLite's files are known as ours.
const APPLICATION_ID: i64 = 0x6d73_706e;

/// The number of the format below.
const FORMAT: i64 = 1;

/// How long one connection waits for another's commit.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
    -- A request as it came; seq only grows.
    CREATE TABLE batches (
        seq INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, spans INTEGER NOT NULL, request BLOB NOT NULL
    );
    -- All up to the position is settled, and how.
    CREATE TABLE destinations (
        name TEXT PRIMARY KEY, position INTEGER NOT NULL,
        exported INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TABLE dropped (
        destination TEXT NOT NULL, reason TEXT NOT NULL, spans INTEGER NOT NULL,
        PRIMARY KEY (destination, reason)
    ) WITHOUT ROWID;
    -- Sums over all time.
    CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counts VALUES ('last', 0), ('received', 0), ('requests', 0);
    CREATE TABLE evicted (reason TEXT PRIMARY KEY, spans INTEGER NOT NULL) WITHOUT ROWID;
";

/// A store's file, and connections to read it by.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    name: String,
    readers: Mutex<Vec<Connection>>,
    /// Held until the store goes: nobody else writes.
    _lock: Option<fs::File>,
    /// One that stays, as memory without a connection is gone.
    _keeper: Mutex<Connection>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let name = path.to_string_lossy().into_owned();
        Self::with(path.to_owned(), name, Some(lock))
    }

    pub(super) fn in_memory() -> Result<Self, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::with(PathBuf::from(":memory:"), format!("file:/store-{number}?vfs=memdb"), None)
    }

    fn with(path: PathBuf, name: String, lock: Option<fs::File>) -> Result<Self, StoreError> {
        let keeper = connect(&name).map_err(|error| opened(&path, &error))?;
        prepare(&keeper, &path)?;
        Ok(Self { path, name, readers: Mutex::default(), _lock: lock, _keeper: Mutex::new(keeper) })
    }

    /// A connection of its own.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        connect(&self.name).map_err(|error| opened(&self.path, &error))
    }

    /// What `ask` reads.
    pub(super) fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let spare = self.spare().pop();
        let connection = spare.map_or_else(|| self.connect(), Ok)?;
        let answer = ask(&connection).map_err(|error| self.failed(&error))?;
        self.spare().push(connection);
        Ok(answer)
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `error` with the file's name.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::File { path: self.path.clone(), problem: error.to_string() }
    }
}

/// Keeps other processes away: a file of its own beside the store's, as closing any handle to that one would let
/// go of SQLite's own locks on it.
fn lock(path: &Path) -> Result<fs::File, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-lock");
    let problem = |error: &dyn std::fmt::Display| StoreError::Open {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let lock = fs::File::create(&beside).map_err(|error| problem(&error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(problem(&error)),
    }
}

fn connect(name: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        name,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Makes the tables of a new file; refuses a foreign one.
fn prepare(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let opened = |error: &rusqlite::Error| opened(path, error);
    let application = number("application_id").map_err(|error| opened(&error))?;
    let format = number("user_version").map_err(|error| opened(&error))?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| opened(&error))?;
    if application != APPLICATION_ID && tables > 0 {
        let found = "a database of another program".to_owned();
        return Err(StoreError::Foreign { path: path.to_owned(), found });
    }
    if format > FORMAT {
        return Err(StoreError::Newer { path: path.to_owned(), found: format, known: FORMAT });
    }
    // Memory has no write-ahead log, and says so.
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
        .map_err(|error| opened(&error))?;
    if tables == 0 {
        let make = format!(
            "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
        );
        connection.execute_batch(&make).map_err(|error| opened(&error))?;
    }
    Ok(())
}

fn opened(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path, found: "no SQLite file".to_owned() },
        _ => StoreError::Open { path, problem: error.to_string() },
    }
}
