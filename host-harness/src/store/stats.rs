//! What became of every span that came.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::file::File;
use super::{StoreError, unsigned};

/// Sums over the whole life of the file, in spans unless said. Each span that was received is in exactly one of
/// kept, evicted, duplicates and unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Those that came.
    pub received: u64,
    /// Requests that they came in.
    pub requests: u64,
    /// Those that can be looked at, or will be in a moment.
    pub kept: u64,
    /// Those that came again, in a request that was sent again.
    pub duplicates: u64,
    /// Those whose ids are not 16 and 8 bytes: sent on, but not shown.
    pub unreadable: u64,
    /// Those that went: by `size` or by `age`.
    pub evicted: BTreeMap<String, u64>,
    /// Those that the spans are sent to, by name.
    pub destinations: BTreeMap<String, DestinationStats>,
    /// The file's size and its log's, in bytes.
    pub file_bytes: u64,
}

/// What became of the spans for one destination, since it was first named: each is in exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationStats {
    /// Yet to be sent.
    pub queued: u64,
    /// Taken by the destination.
    pub exported: u64,
    /// Refused by the destination.
    pub rejected: u64,
    /// Given up, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// The sums as they are now, all of one moment.
pub(super) fn read(file: &File) -> Result<StoreStats, StoreError> {
    file.read(|connection| {
        let moment = connection.unchecked_transaction()?;
        let count = |sql: &str| moment.query_row(sql, [], |row| row.get::<_, i64>(0)).map(unsigned);
        Ok(StoreStats {
            received: count("SELECT value FROM counts WHERE name = 'received'")?,
            requests: count("SELECT value FROM counts WHERE name = 'requests'")?,
            kept: count("SELECT coalesce(sum(spans), 0) FROM traces")?
                + count(
                    "SELECT coalesce(sum(spans), 0) FROM batches
                     WHERE seq > (SELECT value FROM counts WHERE name = 'indexed')",
                )?,
            duplicates: count("SELECT value FROM counts WHERE name = 'duplicates'")?,
            unreadable: count("SELECT value FROM counts WHERE name = 'unreadable'")?,
            evicted: by_reason(&moment, "SELECT reason, spans FROM evicted WHERE ?1 = ''", "")?,
            destinations: destinations(&moment)?,
            file_bytes: file.bytes(),
        })
    })
}

fn destinations(connection: &Connection) -> rusqlite::Result<BTreeMap<String, DestinationStats>> {
    let mut select = connection.prepare(
        "SELECT name, exported, rejected,
                (SELECT coalesce(sum(spans), 0) FROM batches WHERE seq > position)
         FROM destinations",
    )?;
    let rows = select.query_map([], |row| {
        let number = |column| row.get(column).map(unsigned);
        let (exported, rejected, queued) = (number(1)?, number(2)?, number(3)?);
        Ok((row.get(0)?, DestinationStats { queued, exported, rejected, dropped: BTreeMap::new() }))
    })?;
    let mut all: BTreeMap<String, DestinationStats> = rows.collect::<rusqlite::Result<_>>()?;
    for (name, stats) in &mut all {
        stats.dropped =
            by_reason(connection, "SELECT reason, spans FROM dropped WHERE destination = ?1", name)?;
    }
    Ok(all)
}

fn by_reason(connection: &Connection, sql: &str, of: &str) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut select = connection.prepare(sql)?;
    let rows = select.query_map(params![of], |row| Ok((row.get(0)?, row.get(1).map(unsigned)?)))?;
    rows.collect()
}
