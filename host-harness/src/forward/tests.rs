//! From a store to collectors on loopback that do as they are told.

mod collector;

use std::{net::SocketAddr, time::SystemTime};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::{Message, bytes::Bytes};
use tokio::time::sleep;

use super::*;
use crate::store::StoreOptions;
use collector::{Answer, Collector};

const PATIENCE: Duration = Duration::from_secs(20);

/// One request with one span of this id.
fn request(id: u8) -> Bytes {
    let span = Span { trace_id: vec![1; 16], span_id: vec![id; 8], ..Span::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let spans = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec().into()
}

fn destination(name: &str, address: SocketAddr) -> Destination {
    let text = format!("http://{address},name={name},timeout=500");
    let mut destination = Destination::parse(&text, || SystemTime::UNIX_EPOCH).unwrap();
    destination.config.retry.initial_backoff = Duration::from_millis(2);
    destination.config.retry.max_backoff = Duration::from_millis(10);
    destination
}

fn store(names: &[&str]) -> Store {
    let destinations = names.iter().map(|name| (*name).to_owned()).collect();
    Store::in_memory(StoreOptions { destinations, ..StoreOptions::default() }).unwrap()
}

async fn append(store: &Store, ids: std::ops::RangeInclusive<u8>) {
    for id in ids {
        store.append(request(id), 1).await.unwrap();
    }
}

async fn until(reason: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{reason}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// An address at which nothing listens, and that nobody else is given meanwhile.
async fn closed() -> SocketAddr {
    let gone = Collector::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop((gone, listener));
    address
}

#[tokio::test]
async fn one_that_is_down_holds_up_no_other_and_gets_all_when_it_is_back() {
    let (up, address) = (Collector::start().await, closed().await);
    let store = store(&["up", "down"]);
    let all = vec![destination("up", up.address), destination("down", address)];
    let forwarder = Forwarder::start(&store, all).unwrap();
    append(&store, 1..=50).await;
    until("the one that is up has all", || up.taken().len() == 50).await;
    until("the other one was tried more than five times", || {
        forwarder.stats()["down"].failure.is_some()
            && store.stats().unwrap().destinations["down"].queued == 50
    })
    .await;
    sleep(Duration::from_millis(200)).await;
    let stats = forwarder.stats();
    assert!(stats["down"].failure.clone().unwrap().what.contains("refused"), "{stats:?}");
    assert_eq!((stats["up"].exported, &stats["up"].failure), (50, &None));

    let down = Collector::at(address).await;
    until("and then the other one", || down.taken().len() == 50).await;
    assert_eq!(down.taken(), (1..=50).collect::<Vec<u8>>(), "in order, each once");
    let stats = forwarder.stop(PATIENCE).await;
    assert!(stats["down"].retries > 5, "{stats:?}");
    for (name, destination) in store.stats().unwrap().destinations {
        assert_eq!((destination.queued, destination.exported), (0, 50), "{name}");
        assert_eq!(destination.dropped, BTreeMap::new());
    }
}

#[tokio::test]
async fn what_is_refused_is_counted_and_what_may_be_retried_is() {
    let collector = Collector::start().await;
    let store = store(&["c"]);
    let forwarder = Forwarder::start(&store, vec![destination("c", collector.address)]).unwrap();
    let settled = |spans: u64| {
        let store = store.clone();
        move || {
            let stats = store.stats().unwrap().destinations["c"].clone();
            stats.exported + stats.rejected + stats.dropped.values().sum::<u64>() == spans
        }
    };
    collector.answers(Answer::Status(400));
    append(&store, 1..=1).await;
    until("a refusal is final", settled(1)).await;
    collector.answers(Answer::Reject(1));
    append(&store, 2..=2).await;
    until("a partial success, too", settled(2)).await;
    collector.answers(Answer::Status(503));
    append(&store, 3..=3).await;
    until("more attempts than an export has", || collector.seen().len() > 2 + 8).await;
    collector.answers(Answer::Status(200));
    until("and taken in the end", settled(3)).await;

    let stats = forwarder.stop(PATIENCE).await["c"].clone();
    let kept = store.stats().unwrap().destinations["c"].clone();
    let dropped = BTreeMap::from([("HTTP 400".to_owned(), 1)]);
    assert_eq!((kept.queued, kept.exported, kept.rejected, &kept.dropped), (0, 1, 1, &dropped));
    assert_eq!((stats.exported, stats.rejected, &stats.dropped), (1, 1, &dropped));
    assert_eq!(stats.requests, 3);
}

#[tokio::test]
async fn requests_go_on_byte_by_byte_and_small_ones_together() {
    let collector = Collector::start().await;
    let store = store(&["c"]);
    // A field that this version of OTLP does not have.
    let unknown = [request(1).as_ref(), &[0xA2, 0x06, 1, b'x']].concat();
    store.append(unknown.clone().into(), 1).await.unwrap();
    let forwarder = Forwarder::start(&store, vec![destination("c", collector.address)]).unwrap();
    until("the first", || collector.taken() == [1]).await;
    assert_eq!(collector.seen()[0].0, unknown, "as it came");

    collector.answers(Answer::Status(503));
    append(&store, 2..=2).await;
    until("one that waits", || collector.seen().len() > 2).await;
    append(&store, 3..=100).await;
    let before = collector.seen().len();
    collector.answers(Answer::Status(200));
    until("all", || collector.taken().len() == 100).await;
    assert_eq!(collector.taken(), (1..=100).collect::<Vec<u8>>());
    let requests = collector.seen().len() - before;
    assert!(requests <= 8, "what waited behind it goes together, not in {requests} requests");
    forwarder.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_stop_sends_what_is_there_or_leaves_it_for_the_next_start() {
    let collector = Collector::start().await;
    let store = store(&["c"]);
    let start = || Forwarder::start(&store, vec![destination("c", collector.address)]).unwrap();
    append(&store, 1..=20).await;
    let stats = start().stop(PATIENCE).await;
    assert_eq!(stats["c"].exported, 20, "all that was there");

    collector.answers(Answer::Never);
    append(&store, 21..=40).await;
    let forwarder = start();
    until("it was asked", || collector.seen().iter().any(|(_, taken)| !taken)).await;
    let began = Instant::now();
    let stats = forwarder.stop(Duration::from_millis(100)).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((stats["c"].exported, stats["c"].dropped.len()), (0, 0), "neither sent nor given up");
    assert_eq!(store.stats().unwrap().destinations["c"].queued, 20);

    collector.answers(Answer::Status(200));
    start().stop(PATIENCE).await;
    assert_eq!(collector.taken(), (1..=40).collect::<Vec<u8>>(), "each once, in order");
    assert_eq!(store.stats().unwrap().destinations["c"].exported, 40);
}

#[tokio::test]
async fn destinations_that_cannot_be_told_apart_or_used_are_refused() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let store = store(&["a"]);
    let twice = vec![destination("a", address), destination("a", address)];
    let error = Forwarder::start(&store, twice).unwrap_err().to_string();
    assert_eq!(error, "two destinations are called a: name=… tells them apart");

    let text = "https://otel:4317,ca=/no/such/file";
    let bad = Destination::parse(text, || SystemTime::UNIX_EPOCH).unwrap();
    let error = Forwarder::start(&store, vec![bad]).unwrap_err().to_string();
    assert!(error.contains("cannot set up the export to https://otel:4317/: /no/such/file: "), "{error}");
}
