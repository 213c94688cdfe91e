//! Memory: bounded and flat, however many streams are open or were finished. In Envoy an ordinary run finishes
//! fewer of them than this one:
//!
//! ```text
//! MESHSPAN_STREAMS=1000000 cargo test --release -p meshspan -p meshspan-tests --test all in_envoy -- --nocapture
//! ```

use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::Duration;

use meshspan::vm::{CallReply, HeaderMap};
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::gate::Gate;
use meshspan_tests::ledger::{Ledger, Sent};
use meshspan_tests::load;
use meshspan_tests::rig::{Protocol, Rig, plugin};
use meshspan_tests::sidecar::{SAMPLED, Sidecar};
use meshspan_tests::situation::Times;
use meshspan_tests::wait;

/// Streams that are open at the same time.
const OPEN: usize = 10_000;
/// After as many the guest's memory has its final size.
const WARM: usize = 100_000;
/// Streams in all.
const FINISHED: usize = 1_000_000;

#[test]
fn ten_thousand_open_and_a_million_finished_streams_leave_nothing_in_the_guest() {
    let mut sidecar = Sidecar::start("{}");
    let idle = sidecar.vm.memory_bytes();
    hold_open(&mut sidecar, OPEN);
    let held = sidecar.vm.memory_bytes();
    assert!(held - idle < OPEN * 2048, "{} bytes for a stream", (held - idle) / OPEN);

    // The second wave finds the free memory cut up by what came between; from then on nothing changes.
    finish(&mut sidecar, WARM - 2 * OPEN);
    hold_open(&mut sidecar, OPEN);
    let warm = sidecar.vm.memory_bytes();
    finish(&mut sidecar, FINISHED - WARM);
    assert_eq!(sidecar.vm.memory_bytes(), warm, "the guest grows with finished streams");
    for _ in 0..3 {
        hold_open(&mut sidecar, OPEN);
        assert_eq!(sidecar.vm.memory_bytes(), warm, "earlier waves have left something");
    }
    let spans = 2 * u64::try_from(FINISHED + 3 * OPEN).unwrap();
    assert_eq!(sidecar.counter("spans_finished"), spans);
    sidecar.assert_counters_add_up();
}

/// Opens `count` streams, then answers and closes them.
fn hold_open(sidecar: &mut Sidecar, count: usize) {
    let request = [(":method", "GET"), (":path", "/"), (":authority", "web"), ("traceparent", SAMPLED)];
    let open = |sidecar: &mut Sidecar| {
        let stream = sidecar.vm.open_stream().unwrap();
        sidecar.vm.request_headers(stream, HeaderMap::from_pairs(request), true).unwrap();
        stream
    };
    let streams: Vec<_> = (0..count).map(|_| open(sidecar)).collect();
    for stream in streams {
        sidecar.vm.response_headers(stream, HeaderMap::from_pairs([(":status", "200")]), true).unwrap();
        sidecar.vm.close_stream(stream).unwrap();
    }
    export(sidecar);
}

/// Opens and closes `count` streams one after the other, as a busy proxy with a healthy collector.
fn finish(sidecar: &mut Sidecar, count: usize) {
    for done in 1..=count {
        sidecar.sampled_get();
        if done % 100 == 0 {
            export(sidecar);
        }
    }
    export(sidecar);
}

/// Lets the queue run empty.
fn export(sidecar: &mut Sidecar) {
    sidecar.pass(Duration::from_secs(2));
    loop {
        let calls = sidecar.vm.take_calls();
        if calls.is_empty() {
            break;
        }
        for call in calls {
            sidecar.answer(&call, CallReply::Grpc { message: Vec::new() });
        }
    }
}

/// HTTP/2 connections that the streams are spread over, half of them with each worker.
const CONNECTIONS: u64 = 10;
/// A queue that holds the spans of all streams, should they end before the first are out.
const ROOMY: &str = r#","max_delay_ms":100,"max_queue_spans":20000,"max_queue_bytes":33554432"#;
/// Streams that pass through Envoy between two looks at its memory, if `MESHSPAN_STREAMS` does not say.
const PASSING: usize = 60_000;
/// What that may add to the memory of all VMs: less than 16 bytes of each stream of an ordinary run.
const GUEST_SLACK: usize = 512 << 10;
/// What that may add to what Envoy itself has allocated: of a million streams, 4 bytes of each.
const SLACK: usize = 4 << 20;
/// What that may add to all that the process holds: no sharp bound as the two above, for V8's own heap grows by a
/// step of 8 MiB now and then.
const RESIDENT_SLACK: usize = 24 << 20;

#[test]
fn ten_thousand_open_streams_in_envoy_leave_nothing_when_they_end() {
    let mut waves = Waves::start();
    let idle = waves.memory();
    for _ in 0..2 {
        waves.hold_open();
        waves.pass();
    }
    let warm = waves.memory();
    assert!(warm.guests - idle.guests < 4096 * OPEN, "{idle:?}, then {warm:?}");

    let streams = std::env::var("MESHSPAN_STREAMS").map_or(PASSING, |streams| streams.parse().unwrap());
    for round in 1..=streams.div_ceil(OPEN) {
        waves.pass();
        println!("{} more: {:?}", round * OPEN, waves.memory());
    }
    waves.hold_open();
    let last = waves.memory();
    println!("{idle:?} at first; {warm:?} with {OPEN} streams; {last:?} after {streams} more");
    assert!(last.guests <= warm.guests + GUEST_SLACK, "{warm:?}, then {last:?}");
    assert!(last.allocated <= warm.allocated + SLACK, "{warm:?}, then {last:?}");
    assert!(last.resident <= warm.resident + RESIDENT_SLACK, "{warm:?}, then {last:?}");
    waves.rig.assert_calm(0);
}

/// Bytes.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Of all VMs together.
    guests: usize,
    /// By Envoy itself.
    allocated: usize,
    /// All that the process holds.
    resident: usize,
}

/// Waves of [`OPEN`] streams, the first of them past the filter.
struct Waves {
    rig: Rig,
    gate: Gate,
    /// What clients get: all the same.
    answers: BTreeSet<String>,
    /// What the application gets but for traces: all the same.
    heads: BTreeSet<String>,
    finished: usize,
}

impl Waves {
    fn start() -> Waves {
        let gate = Gate::start();
        let configuration = plugin("web", Protocol::Grpc, ROOMY);
        let rig = Rig::before(gate.port(), configuration, Behaviour::Accept);
        gate.open(true);
        let answers = burst(rig.plain).join().unwrap();
        let heads = gate.take().heads;
        assert_eq!((answers.len(), heads.len()), (1, 1), "{answers:?} {heads:?}");
        Waves { rig, gate, answers, heads, finished: 0 }
    }

    /// All are open at the same time.
    fn hold_open(&mut self) {
        self.gate.open(false);
        let begin = wait::unix_nanos();
        let burst = burst(self.rig.port());
        self.gate.wait_for(OPEN);
        wait::until("all streams to be counted as open", || {
            let counters = self.rig.counters();
            (counters.started - counters.finished == 2 * OPEN as u64).then_some(())
        });
        self.gate.open(true);
        self.end(burst, begin);
        self.gate.wait_for(0);
    }

    /// Each is answered as it comes.
    fn pass(&mut self) {
        let begin = wait::unix_nanos();
        let burst = burst(self.rig.port());
        self.end(burst, begin);
    }

    /// Neither end has seen a difference, and each stream has its spans.
    fn end(&mut self, burst: JoinHandle<BTreeSet<String>>, begin: u64) {
        assert_eq!(burst.join().unwrap(), self.answers);
        let times = Times { begin, end: wait::unix_nanos() };
        self.finished += OPEN;
        let spans = 2 * self.finished as u64;
        assert_eq!(self.rig.settled(spans).exported, spans);
        let visitors = self.gate.take();
        assert_eq!((visitors.heads, visitors.contexts.len()), (self.heads.clone(), OPEN));
        let mut ledger = Ledger::default();
        for context in visitors.contexts {
            let (trace_id, onward) = (context[3..35].to_owned(), context[36..52].to_owned());
            let (parent, service) = (trace_id[16..].to_owned(), Some("web".to_owned()));
            ledger.note(Sent { method: "GET", trace_id, parent, onward, service, answered: 200, times });
        }
        ledger.assert_whole(&self.rig.collector.take());
    }

    /// The stat is as old as the last look.
    fn memory(&self) -> Memory {
        let envoy = &self.rig.envoy;
        envoy.stats("server.");
        let allocated = envoy.stats("server.")["memory_allocated"].try_into().unwrap();
        Memory { guests: envoy.wasm_memories().iter().sum(), allocated, resident: envoy.resident_bytes() }
    }
}

/// As many streams as [`OPEN`], at once.
fn burst(port: u16) -> JoinHandle<BTreeSet<String>> {
    load::burst(port, CONNECTIONS, OPEN as u64 / CONNECTIONS)
}
