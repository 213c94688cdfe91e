//! All requests written, by the store and by SQLite alone, in turns.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use meshspan::store::{Store, StoreOptions};
use meshspan::view::Query;
use rusqlite::{Connection, params};

use crate::traffic::Request;

/// The store's file that stays for the searches.
pub(crate) const STORE: &str = "store-0.db";
/// Who hands requests in at the same time, each the next when its last is on the disk.
const SENDERS: usize = 16;
/// How often each is measured; the best counts, as what else the machine does makes the others worse.
const ROUNDS: usize = 3;

/// What one way of writing took.
struct Written {
    /// Until all was on the disk.
    durable: Duration,
    /// Until all could be searched.
    found: Duration,
    bytes: u64,
}

/// Rates and sizes of both.
pub(crate) fn table(requests: &[Request], directory: &Path) -> String {
    let spans: u64 = requests.iter().map(|(_, spans)| spans).sum();
    let sent: usize = requests.iter().map(|(request, _)| request.len()).sum();
    let (mut floor, mut store) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        floor.push(bare(requests, &directory.join(format!("bare-{round}.db"))));
        store.push(stored(requests, &directory.join(format!("store-{round}.db"))));
    }
    let mut text = format!(
        "{spans} spans in {} requests, {:.0} bytes a span; {SENDERS} senders; the best of {ROUNDS} rounds\n\n\
         {:24} {:>14} {:>16} {:>14}\n",
        requests.len(),
        sent as f64 / spans as f64,
        "",
        "durable",
        "searchable",
        "bytes a span",
    );
    for (name, rounds) in [("SQLite alone", &floor), ("the store", &store)] {
        let rate = |time: fn(&Written) -> Duration| {
            let best = rounds.iter().map(time).min().unwrap();
            spans as f64 / best.as_secs_f64()
        };
        let bytes = rounds[0].bytes as f64 / spans as f64;
        let (durable, found) = (rate(|written| written.durable), rate(|written| written.found));
        writeln!(text, "{name:24} {durable:>9.0} /s   {found:>11.0} /s   {bytes:>14.0}").unwrap();
    }
    text + "\n"
}

/// One table, as durable as the store's.
fn bare(requests: &[Request], path: &Path) -> Written {
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE batches (seq INTEGER PRIMARY KEY, spans INTEGER NOT NULL, request BLOB NOT NULL);",
        )
        .unwrap();
    let start = Instant::now();
    for group in requests.chunks(SENDERS) {
        let transaction = connection.transaction().unwrap();
        for (request, spans) in group {
            let spans = i64::try_from(*spans).unwrap();
            let insert = "INSERT INTO batches (spans, request) VALUES (?1, ?2)";
            transaction.execute(insert, params![spans, request.as_ref()]).unwrap();
        }
        transaction.commit().unwrap();
    }
    let durable = start.elapsed();
    connection.close().unwrap();
    let bytes = std::fs::metadata(path).unwrap().len();
    std::fs::remove_file(path).unwrap();
    Written { durable, found: durable, bytes }
}

fn stored(requests: &[Request], path: &Path) -> Written {
    let options = StoreOptions { max_bytes: 4 << 30, ..StoreOptions::default() };
    let store = Store::open(path, options).unwrap();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                while let Some((request, spans)) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    store.append_blocking(request.clone(), *spans).unwrap();
                }
            });
        }
    });
    let durable = start.elapsed();
    // It waits until all can be found.
    store.search(&Query { limit: 1, ..Query::default() }).unwrap();
    let found = start.elapsed();
    drop(store);
    let bytes = std::fs::metadata(path).unwrap().len();
    if !path.ends_with(STORE) {
        std::fs::remove_file(path).unwrap();
    }
    Written { durable, found, bytes }
}
