//! What goes when the file is full, or the spans are old.

use std::time::Instant;

use super::*;

/// A request with one span of trace `trace`, of so many bytes.
fn large(trace: u8, bytes: usize) -> Bytes {
    let mut request = ExportTraceServiceRequest::decode(request(&[(trace, 1)])).unwrap();
    request.resource_spans[0].scope_spans[0].spans[0].trace_state = "x".repeat(bytes);
    request.encode_to_vec().into()
}

/// The sums, once they are as wanted; after some seconds, as they are.
#[expect(clippy::disallowed_methods, reason = "the indexer works in real time")]
fn stats_once(store: &Store, wanted: impl Fn(&StoreStats) -> bool) -> StoreStats {
    let start = Instant::now();
    loop {
        let stats = store.stats().unwrap();
        if wanted(&stats) || start.elapsed() > Duration::from_secs(5) {
            return stats;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn evicted(stats: &StoreStats) -> u64 {
    stats.evicted.values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_goes_and_is_counted_for_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let options = StoreOptions { max_bytes: 2 << 20, ..to(&["a", "b"]) };
    let store = Store::open(&path, options).unwrap();
    let (mut taker, mut open) = (store.outbox("a"), Vec::new());
    for trace in 1..=100 {
        store.append(large(trace, 50_000), 1).await.unwrap();
        if trace <= 20 {
            open.extend(taker.next(1 << 20).await.unwrap());
        }
    }
    let stats = stats_once(&store, |stats| stats.kept < 45 && evicted(stats) + stats.kept == 100);
    assert_eq!(
        (stats.received, evicted(&stats), stats.evicted["size"]),
        (100, 100 - stats.kept, 100 - stats.kept)
    );
    assert!((25..45).contains(&stats.kept), "{} of 50,000 bytes in 2 MiB", stats.kept);
    assert!(store.trace([1; 16]).unwrap().is_none() && store.trace([100; 16]).unwrap().is_some());
    for of in stats.destinations.values() {
        assert_eq!((of.queued, of.dropped["evicted"]), (stats.kept, evicted(&stats)), "nothing was settled");
    }
    let settled = Settled { exported: open.len() as u64, ..Settled::default() };
    taker.settle(open.last().unwrap().position, settled).await.unwrap();
    let stats = store.stats().unwrap();
    let of_a = &stats.destinations["a"];
    assert_eq!(
        (of_a.exported, of_a.dropped["evicted"], of_a.queued),
        (20, evicted(&stats) - 20, stats.kept),
        "what went while it was sent was not dropped after all"
    );
    drop((store, taker));
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 3 << 20, "space is used again: {bytes}");
}

#[test]
fn a_trace_goes_as_a_whole() {
    let store = Store::in_memory(StoreOptions { max_bytes: 1 << 20, ..to(&[]) }).unwrap();
    store.append_blocking(request(&[(1, 1)]), 1).unwrap();
    for trace in 2..=9 {
        store.append_blocking(large(trace, 100_000), 1).unwrap();
    }
    store.append_blocking(request(&[(1, 2), (1, 3)]), 2).unwrap();
    assert_eq!(span_count(&store.trace([1; 16]).unwrap().unwrap()), 3);
    for trace in 10..=12 {
        store.append_blocking(large(trace, 100_000), 1).unwrap();
    }
    let stats = stats_once(&store, |stats| evicted(stats) > 0);
    assert_eq!(stats.received, stats.kept + evicted(&stats));
    assert!(store.trace([1; 16]).unwrap().is_none(), "its first span has gone: it would be shown as broken");
    assert!(store.trace([9; 16]).unwrap().is_some(), "what came between stays");
}

#[test]
fn old_spans_go_also_when_no_new_ones_come() {
    let store = Store::in_memory(StoreOptions { max_age: Duration::from_millis(100), ..to(&["a"]) }).unwrap();
    store.append_blocking(request(&[(1, 1), (2, 1)]), 2).unwrap();
    let stats = stats_once(&store, |stats| stats.kept == 0);
    assert_eq!((stats.kept, stats.evicted["age"], stats.destinations["a"].dropped["evicted"]), (0, 2, 2));
    assert_eq!(store.search(&Query::default()).unwrap().total, 0);
    store.append_blocking(request(&[(1, 1)]), 1).unwrap();
    assert_eq!(store.stats().unwrap().destinations["a"].queued, 1);
}

#[test]
fn a_smaller_bound_makes_the_file_smaller() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    for trace in 1..=100 {
        store.append_blocking(large(trace, 100_000), 1).unwrap();
    }
    drop(store);
    let store = Store::open(&path, StoreOptions { max_bytes: 2 << 20, ..to(&[]) }).unwrap();
    let bytes = || std::fs::metadata(&path).unwrap().len();
    stats_once(&store, |_| bytes() < 3 << 20);
    assert!(bytes() < 3 << 20, "{} bytes", bytes());
}

#[test]
fn a_full_file_is_an_error_and_no_end() {
    let store = Store::in_memory(StoreOptions { max_bytes: 1 << 20, ..to(&["a"]) }).unwrap();
    store.append_blocking(request(&[(1, 1)]), 1).unwrap();
    let error = store.append_blocking(large(2, 200 << 20), 1).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    store.append_blocking(request(&[(3, 1)]), 1).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.received, stats.destinations["a"].queued), (2, 2), "nothing of it was kept");
    assert!(store.trace([3; 16]).unwrap().is_some());
}
