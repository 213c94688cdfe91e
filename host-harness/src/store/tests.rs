//! Over real files.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message;

use super::*;
use crate::collect::span_count;

mod bounds;
mod model;
mod outbox_only;

/// A request with spans of (trace, span).
fn request(ids: &[(u8, u8)]) -> Bytes {
    let span = |&(trace, id): &(u8, u8)| Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        name: "GET".to_owned(),
        start_time_unix_nano: u64::from(trace) * 1_000,
        end_time_unix_nano: u64::from(trace) * 1_000 + 10,
        ..Span::default()
    };
    let scope = ScopeSpans { spans: ids.iter().map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
}

fn to(destinations: &[&str]) -> StoreOptions {
    StoreOptions {
        destinations: destinations.iter().map(|&name| name.to_owned()).collect(),
        ..StoreOptions::default()
    }
}

#[test]
fn what_was_acknowledged_is_there_after_the_store_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let store = Store::open(&path, to(&["a"])).unwrap();
    store.append_blocking(request(&[(1, 1), (2, 2)]), 2).unwrap();
    store.append_blocking(request(&[(1, 3)]), 1).unwrap();
    drop(store);
    let store = Store::open(&path, to(&["a"])).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.received, stats.requests, stats.kept), (3, 2, 3));
    assert_eq!(stats.destinations["a"].queued, 3);
    assert_eq!(span_count(&store.trace([1; 16]).unwrap().unwrap()), 2);
    assert_eq!(store.trace([9; 16]).unwrap(), None);
    assert_eq!(store.search(&Query::default()).unwrap().total, 2);
}

#[test]
fn memory_serves_as_a_file_does() {
    let (one, other) = (
        Store::in_memory(StoreOptions::default()).unwrap(),
        Store::in_memory(StoreOptions::default()).unwrap(),
    );
    one.append_blocking(request(&[(1, 1)]), 1).unwrap();
    one.append_blocking(request(&[(1, 1)]), 1).unwrap();
    assert_eq!(span_count(&one.trace([1; 16]).unwrap().unwrap()), 1, "sent twice, shown once");
    assert_eq!(other.stats().unwrap().received, 0, "each has its own");
}

#[tokio::test]
async fn each_destination_has_its_own_position() {
    let store = Store::in_memory(to(&["a", "b"])).unwrap();
    let mut a = store.outbox("a");
    let waiting = tokio::spawn({
        let mut b = store.outbox("b");
        async move { b.next(1).await.unwrap() }
    });
    store.append(request(&[(1, 1)]), 1).await.unwrap();
    store.append(request(&[(1, 2), (1, 3)]), 2).await.unwrap();
    assert_eq!(waiting.await.unwrap().len(), 1, "at least one, whatever its size");
    let first = a.next(1).await.unwrap();
    let second = a.next(1 << 20).await.unwrap();
    assert_eq!((first[0].spans, second[0].spans, second.len()), (1, 2, 1));
    let dropped = [("HTTP 400".to_owned(), 1)].into();
    a.settle(second[0].position, Settled { exported: 1, rejected: 1, dropped }).await.unwrap();
    let stats = store.stats().unwrap().destinations;
    let of_a = &stats["a"];
    assert_eq!((of_a.queued, of_a.exported, of_a.rejected, of_a.dropped["HTTP 400"]), (0, 1, 1, 1));
    assert_eq!(stats["b"].queued, 3);
    let again = store.outbox("b").next(1 << 20).await.unwrap();
    assert_eq!(again.len(), 2, "what is not settled comes again");
    assert_eq!(
        store.outbox("c").next(1).await.unwrap_err(),
        StoreError::Destination("c".to_owned()),
        "a name that nobody gave"
    );
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let open = || Store::open(&path, StoreOptions::default()).map(|_| ()).unwrap_err().to_string();
    std::fs::write(&path, "x".repeat(5_000)).unwrap();
    assert!(open().contains("no SQLite file"), "{}", open());
    std::fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(open().contains("a database of another program"), "{}", open());
    other.execute_batch("PRAGMA application_id = 0x6d73706e; PRAGMA user_version = 99").unwrap();
    assert!(open().contains("has format 99, expected at most 1"), "{}", open());
}

#[test]
fn two_do_not_keep_their_spans_in_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let first = Store::open(&path, StoreOptions::default()).unwrap();
    let second = Store::open(&path, StoreOptions::default()).map(|_| ());
    assert_eq!(second, Err(StoreError::InUse(path.clone())));
    drop(first);
    assert!(Store::open(&path, StoreOptions::default()).is_ok());
}

#[test]
fn a_store_can_be_read_while_another_keeps_its_spans_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let missing = Store::open_to_read(&path).map(|_| ()).unwrap_err().to_string();
    assert!(missing.contains("there is no such file"), "{missing}");
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    store.append_blocking(request(&[(1, 1)]), 1).unwrap();
    let reader = Store::open_to_read(&path).unwrap();
    assert_eq!(reader.search(&Query::default()).unwrap().total, 1);
    store.append_blocking(request(&[(2, 1)]), 1).unwrap();
    assert_eq!(reader.search(&Query::default()).unwrap().total, 2, "also what comes later");
    assert_eq!(reader.append_blocking(request(&[(3, 1)]), 1), Err(StoreError::Closed));
    drop(store);
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    assert_eq!(reader.search(&Query::default()).unwrap().total, 2, "and between");
    drop(store);
    // As if the other process had been killed before its indexer came to these.
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch(
            "DELETE FROM traces; DELETE FROM places; DELETE FROM filters;
             UPDATE counts SET value = 0 WHERE name = 'indexed'",
        )
        .unwrap();
    assert_eq!(reader.search(&Query::default()).unwrap().total, 2, "nobody else is there to do it");
}

#[test]
fn a_destination_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    for (names, expected, reason) in [
        (&["a"][..], &[("a", 1)][..], "from now on"),
        (&["b"], &[("b", 1)], "others are not told of"),
        (&["a", "b"], &[("a", 3), ("b", 2)], "named again"),
    ] {
        let store = Store::open(&path, to(names)).unwrap();
        store.append_blocking(request(&[(1, 1)]), 1).unwrap();
        let queued = store.stats().unwrap().destinations.into_iter();
        let queued: Vec<(String, u64)> = queued.map(|(name, stats)| (name, stats.queued)).collect();
        let expected: Vec<(String, u64)> = expected.iter().map(|&(name, n)| (name.to_owned(), n)).collect();
        assert_eq!(queued, expected, "{reason}");
    }
}

#[test]
fn what_is_kept_of_a_file_is_cut_into_requests_of_whole_traces() {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let all: Vec<(u8, u8)> =
        (0..=250).flat_map(|id| [(1 + id % 9, id + 1)]).chain((1..=200).map(|id| (10, id))).collect();
    let spans = ExportTraceServiceRequest::decode(request(&all)).unwrap().resource_spans;
    let many: Vec<ResourceSpans> = (0..3).flat_map(|_| spans.clone()).collect();
    store.keep(many).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.received, stats.requests), (3 * 451, 2));
    assert_eq!(store.search(&Query::default()).unwrap().total, 10);
    assert_eq!(store.stats().unwrap().kept, 451);
}
