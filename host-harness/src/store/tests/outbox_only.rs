//! A store that keeps no traces: in memory and in a file.

use super::*;

fn options(names: &[&str]) -> StoreOptions {
    StoreOptions { keeps_traces: false, ..to(names) }
}

/// Takes and settles all that is there for `destination`.
async fn send_all(store: &Store, destination: &str) -> u64 {
    let mut outbox = store.outbox(destination);
    let taken = outbox.next(usize::MAX).await.unwrap();
    let exported = taken.iter().map(|entry| entry.spans).sum();
    let settled = Settled { exported, ..Settled::default() };
    outbox.settle(taken.last().unwrap().position, settled).await.unwrap();
    exported
}

async fn check_that_what_is_settled_goes(store: &Store) {
    store.append(request(&[(1, 1), (2, 2)]), 2).await.unwrap();
    store.append(request(&[(1, 3)]), 1).await.unwrap();
    assert_eq!(send_all(store, "a").await, 3);
    let stats = store.stats().unwrap();
    assert_eq!((stats.kept, stats.evicted.len()), (3, 0), "b has not got them");
    assert_eq!((stats.destinations["a"].queued, stats.destinations["b"].queued), (0, 3));
    store.append(request(&[(1, 4)]), 1).await.unwrap();
    assert_eq!(send_all(store, "b").await, 4);
    let stats = store.stats().unwrap();
    assert_eq!((stats.received, stats.requests, stats.kept), (4, 3, 1), "a has not got the last");
    assert_eq!(stats.evicted, [("settled".to_owned(), 3)].into());
    assert_eq!(send_all(store, "a").await, 1);
    let stats = store.stats().unwrap();
    assert_eq!((stats.kept, stats.evicted["settled"]), (0, 4));
    let [a, b] = ["a", "b"].map(|name| stats.destinations[name].clone());
    assert_eq!((a.exported, a.queued, b.exported, b.queued), (4, 0, 4, 0));
    assert!(a.dropped.is_empty() && b.dropped.is_empty());
    let unknown = store.outbox("c").next(1).await.unwrap_err();
    assert_eq!(unknown, StoreError::Destination("c".to_owned()));
}

#[tokio::test]
async fn what_every_destination_has_settled_goes() {
    check_that_what_is_settled_goes(&Store::in_memory(options(&["a", "b"])).unwrap()).await;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("spans.db"), options(&["a", "b"])).unwrap();
    check_that_what_is_settled_goes(&store).await;
}

#[tokio::test]
async fn in_memory_there_is_nothing_to_look_at_and_bounds_hold() {
    let one = request(&[(1, 1)]);
    let max_bytes = 10 * (one.len() as u64 + 128);
    let store = Store::in_memory(StoreOptions { max_bytes, ..options(&["a"]) }).unwrap();
    assert_eq!(store.search(&Query::default()).unwrap_err(), StoreError::NoTraces);
    let mut outbox = store.outbox("a");
    for _ in 0..10 {
        store.append(one.clone(), 1).await.unwrap();
    }
    let first = outbox.next(1).await.unwrap();
    for _ in 0..3 {
        store.append(one.clone(), 1).await.unwrap();
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.kept, &stats.evicted), (10, &[("size".to_owned(), 3)].into()));
    assert_eq!(stats.destinations["a"].dropped["evicted"], 3);
    // The first was under way, and arrives after all.
    let settled = Settled { exported: 1, ..Settled::default() };
    outbox.settle(first[0].position, settled).await.unwrap();
    let stats = store.stats().unwrap();
    let a = &stats.destinations["a"];
    assert_eq!((a.exported, a.dropped["evicted"], a.queued), (1, 2, 10));
    assert_eq!(outbox.next(usize::MAX).await.unwrap()[0].position, 4, "the oldest that is there");

    let short = StoreOptions { max_age: Duration::from_millis(20), ..options(&["a"]) };
    let store = Store::in_memory(short).unwrap();
    store.append(one, 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    let stats = store.stats().unwrap();
    assert_eq!((stats.kept, stats.evicted["age"], stats.destinations["a"].dropped["evicted"]), (0, 1, 1));
}

#[tokio::test]
async fn traces_that_are_there_stay_and_what_is_left_can_be_looked_at_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let store = Store::open(&path, to(&["a"])).unwrap();
    store.append(request(&[(1, 1)]), 1).await.unwrap();
    assert_eq!(store.search(&Query::default()).unwrap().total, 1);
    drop(store);
    let store = Store::open(&path, options(&["a"])).unwrap();
    store.append(request(&[(2, 1)]), 1).await.unwrap();
    assert_eq!(send_all(&store, "a").await, 2);
    store.append(request(&[(3, 1)]), 1).await.unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.kept, stats.evicted["settled"]), (2, 1));
    drop(store);
    let store = Store::open(&path, to(&["a"])).unwrap();
    assert!(store.trace([1; 16]).unwrap().is_some(), "it was there before");
    assert!(store.trace([2; 16]).unwrap().is_none(), "it is sent");
    assert!(store.trace([3; 16]).unwrap().is_some(), "it was not sent yet");
    let stats = store.stats().unwrap();
    assert_eq!((stats.received, stats.kept, stats.destinations["a"].queued), (3, 2, 1));
}

#[tokio::test]
async fn a_file_of_which_all_is_sent_answers_at_once_and_does_not_grow() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let store = Store::open(&path, options(&["a"])).unwrap();
    let spans: Vec<(u8, u8)> = (1..=250).map(|id| (1, id)).collect();
    for _ in 0..2_000 {
        store.append(request(&spans), 250).await.unwrap();
        send_all(&store, "a").await;
    }
    drop(store);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 8 << 20, "{bytes} bytes after 2,000 requests of {}", request(&spans).len());
    let reader = Store::open_to_read(&path).unwrap();
    let (asked, took) = (tokio::time::Instant::now(), Duration::from_secs(5));
    assert_eq!(reader.search(&Query::default()).unwrap().total, 0);
    assert!(asked.elapsed() < took, "nobody waits for what has gone: {:?}", asked.elapsed());
}

#[test]
fn a_file_keeps_its_bounds_though_nobody_takes_anything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spans.db");
    let bounded = StoreOptions { max_bytes: 4 << 20, ..options(&["a"]) };
    let store = Store::open(&path, bounded).unwrap();
    let spans: Vec<(u8, u8)> = (1..=250).map(|id| (1, id)).collect();
    for _ in 0..2_000 {
        store.append_blocking(request(&spans), 250).unwrap();
    }
    let (asked, limit) = (tokio::time::Instant::now(), Duration::from_secs(30));
    let stats = loop {
        let stats = store.stats().unwrap();
        if stats.kept * 60 < 8 << 20 || asked.elapsed() > limit {
            break stats;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let gone = stats.evicted["size"];
    assert!(stats.kept * 60 < 8 << 20, "{stats:?}");
    assert_eq!((stats.kept + gone, stats.destinations["a"].dropped["evicted"]), (500_000, gone));
    assert_eq!(stats.destinations["a"].queued, stats.kept);
}
