//! What goes when the bounds are reached: the oldest requests, and every trace that has spans in one of them.
//!
//! What is not sent yet is the newest, so it goes last; it then counts as dropped for its destination.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::writer::now_ms;
use super::{StoreOptions, int, unsigned};

/// Why spans are dropped that were not sent yet.
pub(super) const EVICTED: &str = "evicted";

/// Why spans go, as [`StoreStats::evicted`](super::StoreStats::evicted) has it.
pub(super) const BY_AGE: &str = "age";
pub(super) const BY_SIZE: &str = "size";
pub(super) const SETTLED: &str = "settled";

/// The most requests, and the most of their bytes, in one transaction: it bounds how long the writer waits for it.
const MAX_REQUESTS: i64 = 256;
const MAX_BYTES: u64 = 16 << 20;

/// As the options have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    max_bytes: u64,
    max_age: Duration,
}

impl Bounds {
    pub(super) fn of(options: &StoreOptions) -> Self {
        Self { max_bytes: options.max_bytes, max_age: options.max_age }
    }
}

/// What is to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The last request that goes.
    pub(super) up_to: u64,
    /// As [`StoreStats::evicted`](super::StoreStats::evicted) has it.
    pub(super) reason: &'static str,
}

/// What has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// The last row of the traces among it.
    pub(super) row: i64,
    /// Spans that each destination was yet to get.
    pub(super) unsent: Vec<(String, u64)>,
}

/// What is to go next, if anything is; never what comes after `last`.
pub(super) fn due(connection: &Connection, bounds: &Bounds, last: u64) -> rusqlite::Result<Option<Due>> {
    let before = now_ms().saturating_sub(i64::try_from(bounds.max_age.as_millis()).unwrap_or(i64::MAX));
    let sql =
        "SELECT max(seq) FROM (SELECT seq, received_ms FROM batches WHERE seq <= ?1 ORDER BY seq LIMIT ?2)
               WHERE received_ms < ?3";
    let too_old: Option<i64> =
        connection.query_row(sql, params![int(last), MAX_REQUESTS, before], |row| row.get(0))?;
    if let Some(up_to) = too_old.and_then(|seq| u64::try_from(seq).ok()) {
        return Ok(Some(Due { up_to, reason: BY_AGE }));
    }
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let used = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
    let over = u64::try_from(used).unwrap_or(0).saturating_sub(bounds.max_bytes);
    if over == 0 {
        return Ok(None);
    }
    // Somewhat more than it must, so that not every request costs another.
    oldest(connection, last, over.saturating_add(bounds.max_bytes / 32).min(MAX_BYTES))
        .map(|up_to| up_to.map(|up_to| Due { up_to, reason: BY_SIZE }))
}

/// The last of the oldest requests that make up so many bytes.
fn oldest(connection: &Connection, up_to: u64, bytes: u64) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT seq, length(request) FROM batches WHERE seq <= ?1 ORDER BY seq LIMIT ?2";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([int(up_to), MAX_REQUESTS])?;
    let (mut last, mut found) = (None, 0);
    while found < bytes
        && let Some(row) = rows.next()?
    {
        last = u64::try_from(row.get::<_, i64>(0)?).ok();
        found += u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
    }
    Ok(last)
}

/// Removes it.
pub(super) fn evict(connection: &Connection, due: Due) -> rusqlite::Result<Gone> {
    let up_to = int(due.up_to);
    let unsent = drop_for_all(connection, up_to)?;
    // Rows and first requests grow together.
    let sql = "SELECT row FROM traces WHERE first > ?1 ORDER BY row LIMIT 1";
    let next: Option<i64> = connection.query_row(sql, [up_to], |row| row.get(0)).optional()?;
    let last = next.map_or(i64::MAX, |row| row - 1);
    let sql = "SELECT coalesce(sum(spans), 0) FROM traces WHERE row <= ?1";
    let spans: i64 = connection.query_row(sql, [last], |row| row.get(0))?;
    count(connection, due.reason, spans + unseen(connection, up_to)?)?;
    connection.execute("DELETE FROM places WHERE trace <= ?1", [last])?;
    connection.execute("DELETE FROM filters WHERE trace <= ?1", [last])?;
    connection.execute("DELETE FROM rests WHERE trace <= ?1", [last])?;
    connection.execute("DELETE FROM traces WHERE row <= ?1", [last])?;
    connection.execute("DELETE FROM batches WHERE seq <= ?1", [up_to])?;
    see(connection, up_to)?;
    Ok(Gone { row: last, unsent })
}

/// Removes what no trace tells of up to there: it is sent, and nobody looks at it.
pub(super) fn evict_settled(connection: &Connection, up_to: i64) -> rusqlite::Result<()> {
    let spans = unseen(connection, up_to)?;
    if spans == 0 {
        return Ok(());
    }
    drop_for_all(connection, up_to)?;
    count(connection, SETTLED, spans)?;
    let sql = "DELETE FROM batches
               WHERE seq > (SELECT value FROM counts WHERE name = 'indexed') AND seq <= ?1";
    connection.prepare(sql)?.execute([up_to])?;
    see(connection, up_to)
}

/// Spans up to there that no trace tells of yet.
fn unseen(connection: &Connection, up_to: i64) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(sum(spans), 0) FROM batches
               WHERE seq > (SELECT value FROM counts WHERE name = 'indexed') AND seq <= ?1";
    connection.prepare(sql)?.query_row([up_to], |row| row.get(0))
}

/// What has gone needs not be looked at any more.
fn see(connection: &Connection, up_to: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE counts SET value = max(value, ?1) WHERE name = 'indexed'";
    connection.prepare(sql)?.execute([up_to]).map(|_| ())
}

fn count(connection: &Connection, reason: &str, spans: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO evicted VALUES (?1, ?2)
               ON CONFLICT (reason) DO UPDATE SET spans = spans + excluded.spans";
    connection.prepare(sql)?.execute(params![reason, spans]).map(|_| ())
}

/// Who has not got what goes up to there, will not; how many spans that is for each.
fn drop_for_all(connection: &Connection, up_to: i64) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = "SELECT name, (SELECT coalesce(sum(spans), 0) FROM batches WHERE seq > position AND seq <= ?1)
               FROM destinations WHERE position < ?1";
    let mut select = connection.prepare(sql)?;
    let waiting = select.query_map([up_to], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let waiting = waiting.collect::<rusqlite::Result<Vec<_>>>()?;
    for (name, spans) in &waiting {
        drop_for(connection, name, EVICTED, *spans)?;
        connection.execute("UPDATE destinations SET position = ?2 WHERE name = ?1", params![name, up_to])?;
    }
    Ok(waiting.into_iter().map(|(name, spans)| (name, unsigned(spans))).collect())
}

/// Adds to what a destination did not get, by reason.
pub(super) fn drop_for(
    connection: &Connection,
    name: &str,
    reason: &str,
    spans: i64,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO dropped VALUES (?1, ?2, ?3)
         ON CONFLICT (destination, reason) DO UPDATE SET spans = spans + excluded.spans",
        params![name, reason, spans],
    )?;
    Ok(())
}

/// How many free pages are to be given back to the system: those by which the file is larger than its bound, or
/// all if they are a quarter of it.
pub(super) fn surplus(connection: &Connection, bounds: &Bounds) -> rusqlite::Result<i64> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (pages, free, page_bytes) = (number("page_count")?, number("freelist_count")?, number("page_size")?);
    let over = pages - int(bounds.max_bytes).checked_div(page_bytes).unwrap_or(i64::MAX);
    Ok(if free > pages / 4 { free } else { over.min(free) })
}
