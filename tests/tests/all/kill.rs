//! `kill -9` at any moment: no span whose sender was told OK is lost, each is sent on at least once and shown once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use meshspan_filter::ids::IdGenerator;
use meshspan_tests::client::Request;
use meshspan_tests::collect::{Collect, Ports};
use meshspan_tests::otlp::{Sender, framed, request, span};
use meshspan_tests::sink::Sink;
use meshspan_tests::wait;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How often the collector is killed; `MESHSPAN_KILL_ROUNDS=1000` for a long run.
const ROUNDS: u64 = 100;

/// Who sends at the same time, each spans of a trace of its own.
const SENDERS: u64 = 4;

/// Spans of a request.
const REQUEST_SPANS: u64 = 5;

/// The latest moment of the kill, after the senders have begun.
const MAX_LIFE_MILLIS: u64 = 150;

/// What the senders know.
#[derive(Default)]
struct Sent {
    /// The numbers of the spans that were acknowledged, by trace.
    acknowledged: BTreeMap<u128, BTreeSet<u64>>,
    requests: u64,
    /// Spans that were sent, and perhaps stored, without an answer.
    unanswered: u64,
}

#[test]
fn no_acknowledged_span_is_lost() {
    let rounds = std::env::var("MESHSPAN_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    kill(rounds, &[]);
}

#[test]
fn no_acknowledged_span_is_lost_without_traces() {
    kill(20, &["--forward-only"]);
}

/// Kills a collector with these arguments so often, and looks for what it acknowledged.
fn kill(rounds: u64, arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("spans.db");
    let (runtime, sink) = (Runtime::new().unwrap(), Sink::start());
    let mut random = IdGenerator::from_seed([7; 32]);
    let mut sent = Sent::default();
    // How often each span came.
    let mut delivered: BTreeMap<(Vec<u8>, Vec<u8>), u64> = BTreeMap::new();
    for round in 0..rounds {
        let mut collect = start(&store, &sink, arguments);
        let senders = (0..SENDERS).map(|sender| {
            let trace = u128::from(round * SENDERS + sender + 1) << 64 | 1;
            runtime.spawn(hammer(collect.ports().grpc, trace))
        });
        let senders: Vec<JoinHandle<_>> = senders.collect();
        let life = u64::from_be_bytes(*random.span_id().as_bytes()) % MAX_LIFE_MILLIS;
        std::thread::sleep(Duration::from_millis(life));
        collect.process().kill();
        let before: u64 = sent.acknowledged.values().map(|spans| spans.len() as u64).sum();
        for sender in senders {
            let (trace, acknowledged, unanswered) = runtime.block_on(sender).unwrap();
            sent.requests += acknowledged.len() as u64 / REQUEST_SPANS;
            sent.unanswered += unanswered;
            sent.acknowledged.insert(trace, acknowledged);
        }
        // Those of the last rounds: what this start had to send on, and what was left for the next.
        if round % 10 == 9 || round + 1 == rounds {
            let collect = start(&store, &sink, arguments);
            check_delivered(&sent, &sink, &mut delivered);
            let traces: Vec<u128> = sent.acknowledged.keys().copied().collect();
            let recent = if round + 1 == rounds { 0 } else { traces.len() - 10 * SENDERS as usize };
            traces[recent..]
                .iter()
                .for_each(|trace| check_shown(&collect, *trace, &sent.acknowledged[trace]));
        }
        let after: u64 = sent.acknowledged.values().map(|spans| spans.len() as u64).sum();
        assert!(life < 100 || after > before, "round {round}: nothing was acknowledged within {life} ms");
    }
    let acknowledged: usize = sent.acknowledged.values().map(BTreeSet::len).sum();
    let more: u64 = delivered.values().map(|times| times - 1).sum();
    println!(
        "{rounds} kills: {acknowledged} spans in {} requests acknowledged, none lost; {} delivered, \
         {more} of them again; {} spans without an answer",
        sent.requests,
        delivered.values().sum::<u64>(),
        sent.unanswered,
    );
    assert!(acknowledged as u64 > rounds * REQUEST_SPANS, "the collector was hardly used");
}

fn start(store: &Path, sink: &Sink, arguments: &[&str]) -> Collect {
    let forward = format!("http://127.0.0.1:{},protocol=grpc", sink.port());
    let always = ["--store", store.to_str().unwrap(), "--forward", &forward];
    Collect::run(Ports::default(), &[&always[..], arguments].concat())
}

/// Sends one request after the other until the connection breaks: the acknowledged spans of the trace, and the
/// number of those that nothing is known of.
async fn hammer(port: u16, trace: u128) -> (u128, BTreeSet<u64>, u64) {
    let mut acknowledged = BTreeSet::new();
    let Some(mut sender) = Sender::connect(port).await else { return (trace, acknowledged, 0) };
    let mut next = 1;
    loop {
        let numbers = next..next + REQUEST_SPANS;
        let spans = numbers.clone().map(|number| span(trace, number)).collect();
        match sender.send(framed(&request(spans))).await.as_deref() {
            Some("0") => acknowledged.extend(numbers),
            // Refused: nothing was promised.
            Some(_) => {}
            None => return (trace, acknowledged, REQUEST_SPANS),
        }
        next += REQUEST_SPANS;
    }
}

fn check_delivered(sent: &Sent, sink: &Sink, delivered: &mut BTreeMap<(Vec<u8>, Vec<u8>), u64>) {
    let ids = |trace: &u128, number: &u64| (trace.to_be_bytes().to_vec(), number.to_be_bytes().to_vec());
    let wanted =
        sent.acknowledged.iter().flat_map(|(trace, spans)| spans.iter().map(|span| ids(trace, span)));
    let mut missing: BTreeSet<_> = wanted.filter(|ids| !delivered.contains_key(ids)).collect();
    let probe = || {
        for span in sink.take() {
            let ids = (span.trace_id, span.span_id);
            missing.remove(&ids);
            *delivered.entry(ids).or_default() += 1;
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.len()) }
    };
    let mut probe = probe;
    wait::until("every acknowledged span at the sink", || probe().ok());
}

/// Each acknowledged span is shown exactly once, and none is shown twice, if there is a page.
fn check_shown(collect: &Collect, trace: u128, acknowledged: &BTreeSet<u64>) {
    if acknowledged.is_empty() || collect.ports().page == 0 {
        return;
    }
    let answer = Request::new("GET", "localhost", &format!("/api/traces/{trace:032x}"));
    let answer = answer.send_http1(collect.ports().page);
    assert_eq!(answer.status, 200, "trace {trace:032x}: {}", String::from_utf8_lossy(&answer.body));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let spans = answer["data"][0]["spans"].as_array().unwrap();
    let number = |span: &Value| u64::from_str_radix(span["spanID"].as_str().unwrap(), 16).unwrap();
    let shown: BTreeSet<u64> = spans.iter().map(number).collect();
    assert_eq!(shown.len(), spans.len(), "trace {trace:032x} shows a span twice");
    let missing: Vec<_> = acknowledged.difference(&shown).collect();
    assert!(missing.is_empty(), "trace {trace:032x} does not show {missing:?}");
}
