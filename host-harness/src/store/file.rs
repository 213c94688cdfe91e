//! The file: its format, who may open it, connections to it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::access;

use super::format::{self, Kind};
use super::{StoreError, int};
use crate::counted::counted;

/// What may be in the file beyond its bound until the oldest has gone.
const ROOM_BYTES: u64 = 128 << 20;

/// What stands for itself in a file's URI, and what does not.
const NOT_IN_URI: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// How long one connection waits for another's commit.
const BUSY: Duration = Duration::from_secs(10);

/// What helps where something could not be written.
const NO_ROOM: &str = "; make room on the disk, or start with a smaller --max-bytes";
const NOT_WRITABLE: &str = "; check the disk's room, and the limits and rights of the file";

/// A store's file, and connections to read it by.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    name: String,
    readers: Mutex<Vec<Connection>>,
    /// Held by the one of the threads that writes: waiting for it costs less than SQLite's way of asking again.
    writing: Mutex<()>,
    /// Nobody here may write it.
    is_read_only: bool,
    /// Held until the store goes: nobody else writes.
    _lock: Option<fs::File>,
    /// Device and number of the file, by which one that takes its place is known; `None` in memory.
    identity: Option<(u64, u64)>,
    /// Why the last change could not be written; `None` if it could.
    trouble: Mutex<Option<StoreError>>,
    /// One that stays, as memory without a connection is gone.
    _keeper: Mutex<Connection>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let name = path.to_string_lossy().into_owned();
        Self::with(path.to_owned(), name, Some(lock))
    }

    /// To read beside the process that writes.
    pub(super) fn open_shared(path: &Path) -> Result<Self, StoreError> {
        if may_write(path) {
            return Self::with(path.to_owned(), path.to_string_lossy().into_owned(), None);
        }
        // Whoever writes has both of these. If nobody does, SQLite would make them to be told of who does later.
        let is_at_rest = !has(&beside(path, "-wal")) && !beside(path, "-shm").exists();
        let mode = if is_at_rest { "immutable=1" } else { "mode=ro" };
        let escaped = percent_encoding::percent_encode(path.as_os_str().as_bytes(), NOT_IN_URI);
        let name = format!("file:{escaped}?{mode}");
        let unreadable = |error: &rusqlite::Error| match opened(path, error) {
            StoreError::Open { path, problem } => {
                let problem = format!(
                    "{problem}; neither it nor its folder may be written by you: copy it and the files beside it \
                     to a folder of yours, or let its owner open it once"
                );
                StoreError::Open { path, problem }
            }
            other => other,
        };
        let keeper = connect(&name).map_err(|error| unreadable(&error))?;
        match format::kind(&keeper).map_err(|error| unreadable(&error))? {
            Kind::Ours => Ok(Self::of(path.to_owned(), name, keeper, Access::ToRead)),
            other => Err(not_ours(other, path)),
        }
    }

    pub(super) fn in_memory() -> Result<Self, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::with(PathBuf::from(":memory:"), format!("file:/store-{number}?vfs=memdb"), None)
    }

    fn with(path: PathBuf, name: String, lock: Option<fs::File>) -> Result<Self, StoreError> {
        let keeper = connect(&name).map_err(|error| opened(&path, &error))?;
        prepare(&keeper, &path)?;
        Ok(Self::of(path, name, keeper, Access::ToWrite(lock)))
    }

    fn of(path: PathBuf, name: String, keeper: Connection, access: Access) -> Self {
        Self {
            identity: identity(&path),
            trouble: Mutex::default(),
            path,
            name,
            readers: Mutex::default(),
            writing: Mutex::default(),
            is_read_only: matches!(access, Access::ToRead),
            _lock: match access {
                Access::ToWrite(lock) => lock,
                Access::ToRead => None,
            },
            _keeper: Mutex::new(keeper),
        }
    }

    /// Whether nobody here may write it.
    pub(super) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection of its own, to read by.
    fn connect(&self) -> Result<Connection, StoreError> {
        connect(&self.name).map_err(|error| opened(&self.path, &error))
    }

    /// A connection of its own, to write by. A commit that makes the file larger than its bound and some room fails
    /// as on a full disk.
    pub(super) fn connect_to_write(&self, max_bytes: u64) -> Result<Connection, StoreError> {
        let connection = self.connect()?;
        let set = || {
            let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = int(max_bytes.saturating_add(ROOM_BYTES)).checked_div(page_bytes).unwrap_or(i64::MAX);
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            // The indexer sees to the log.
            connection.pragma_update(None, "wal_autocheckpoint", 0)
        };
        set().map_err(|error| opened(&self.path, &error))?;
        Ok(connection)
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

    /// To be held while something is written.
    pub(super) fn write(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if the file is not at its place any more: what is written then goes with the process.
    pub(super) fn check_place(&self) -> Result<(), StoreError> {
        if self.identity == identity(&self.path) {
            return Ok(());
        }
        let problem = "the file was moved, removed or replaced; put it back, or start again".to_owned();
        Err(StoreError::File { path: self.path.clone(), problem })
    }

    /// Fails if the disk has no room for so many bytes more, by writing as many beside the store.
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), StoreError> {
        let path = beside(&self.path, "-room");
        let written = fs::write(&path, vec![0; bytes]);
        // One that is not there takes no room.
        let _ = fs::remove_file(&path);
        written.map_err(|error| {
            let advice = match error.kind() {
                std::io::ErrorKind::StorageFull => NO_ROOM,
                _ => NOT_WRITABLE,
            };
            StoreError::File {
                path: self.path.clone(),
                problem: format!("{} more: {error}{advice}", counted(bytes as u64, "byte")),
            }
        })
    }

    /// Notes why the last change could not be written; what was noted before.
    pub(super) fn trouble(&self, now: Option<StoreError>) -> Option<StoreError> {
        std::mem::replace(&mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Whether the last change could not be written.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Moves what is in the log to its place in the file: first what can be moved beside writers, then the rest
    /// alone, so that the log begins anew.
    pub(super) fn checkpoint(&self, connection: &Connection) -> rusqlite::Result<()> {
        let passive = || connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        passive()?;
        let _alone = self.write();
        passive()
    }

    /// Bytes of the file and of its log.
    pub(super) fn bytes(&self) -> u64 {
        let of = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        of(&self.path) + of(&beside(&self.path, "-wal"))
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the system says of a thread.
    pub(super) fn refused(&self, error: &std::io::Error) -> StoreError {
        StoreError::File { path: self.path.clone(), problem: format!("cannot start a thread: {error}") }
    }

    /// `error` with the file's name.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> StoreError {
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => NO_ROOM,
            Some(ErrorCode::SystemIoFailure) => NOT_WRITABLE,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                "; stop, move the file away and start again: sqlite3's .recover may save what is in it"
            }
            _ => "",
        };
        StoreError::File { path: self.path.clone(), problem: format!("{error}{advice}") }
    }
}

/// What may be done with a file.
enum Access {
    /// With what keeps other processes away, if that is to be.
    ToWrite(Option<fs::File>),
    ToRead,
}

/// Whether this process may write the file, and make others beside it.
fn may_write(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    [path, folder].into_iter().all(|place| access(place, rustix::fs::Access::WRITE_OK).is_ok())
}

fn has(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// Keeps other processes away: a file of its own beside the store's, as closing any handle to that one would let
/// go of SQLite's own locks on it.
fn lock(path: &Path) -> Result<fs::File, StoreError> {
    let problem = |error: &dyn std::fmt::Display| StoreError::Open {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let lock = fs::File::create(beside(path, "-lock")).map_err(|error| problem(&error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(problem(&error)),
    }
}

/// `None` if there is no such file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
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

/// Makes a new file a store; refuses a foreign one.
fn prepare(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let made = match format::kind(connection).map_err(|error| opened(path, &error))? {
        Kind::Ours => format::log_ahead(connection).and_then(|()| format::complete(connection)),
        Kind::Empty => format::make(connection),
        other => return Err(not_ours(other, path)),
    };
    made.map_err(|error| opened(path, &error))
}

fn not_ours(kind: Kind, path: &Path) -> StoreError {
    let path = path.to_owned();
    match kind {
        Kind::Newer(found) => StoreError::Newer { path, found, known: format::FORMAT },
        Kind::Empty => StoreError::Foreign { path, found: "an empty file".to_owned() },
        Kind::Ours | Kind::Foreign => {
            StoreError::Foreign { path, found: "a database of another program".to_owned() }
        }
    }
}

fn opened(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path, found: "no SQLite file".to_owned() },
        _ => StoreError::Open { path, problem: error.to_string() },
    }
}
