//! Memory: bounded and flat, however many streams are open or were finished.

use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::Duration;

use meshspan::vm::{CallReply, HeaderMap};
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::gate::Gate;
use meshspan_tests::load;
use meshspan_tests::rig::{Protocol, Rig, plugin};
use meshspan_tests::sidecar::{SAMPLED, Sidecar};
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

/// HTTP/2 connections that the streams are spread over, at random over the workers.
const CONNECTIONS: u64 = 10;
/// Streams that pass through Envoy between two looks at its memory, in tens of thousands.
const ROUNDS: usize = 6;
/// What that may add: a few hundred bytes for each stream, less than one holds while it is open.
const SLACK: usize = 24 << 20;

#[test]
fn ten_thousand_open_streams_in_envoy_leave_nothing_when_they_end() {
    let gate = Gate::start();
    let configuration = plugin("web", Protocol::Grpc, r#","max_delay_ms":100"#);
    let rig = Rig::before(gate.port(), configuration, Behaviour::Accept);
    let mut finished = 0;
    for _ in 0..2 {
        hold_open_in_envoy(&rig, &gate, &mut finished);
    }
    let (allocated, resident) = memory(&rig);

    gate.open(true);
    for _ in 0..ROUNDS {
        assert_eq!(burst(&rig).join().unwrap().len(), 1);
        finished += OPEN;
        rig.settled(2 * finished as u64);
        rig.collector.take();
        gate.take();
    }
    gate.open(false);
    hold_open_in_envoy(&rig, &gate, &mut finished);
    let (allocated_now, resident_now) = memory(&rig);
    assert!(allocated_now < allocated + SLACK, "allocated: {allocated} bytes, then {allocated_now}");
    assert!(resident_now < resident + SLACK, "V8's memory included: {resident} bytes, then {resident_now}");
    rig.assert_calm(0);
}

/// As many streams as [`OPEN`], at once.
fn burst(rig: &Rig) -> JoinHandle<BTreeSet<String>> {
    load::burst(rig.port(), CONNECTIONS, OPEN as u64 / CONNECTIONS)
}

fn hold_open_in_envoy(rig: &Rig, gate: &Gate, finished: &mut usize) {
    let burst = burst(rig);
    gate.wait_for(OPEN);
    wait::until("all streams to be counted as open", || {
        let counters = rig.counters();
        (counters.started - counters.finished == 2 * OPEN as u64).then_some(())
    });
    gate.open(true);
    assert_eq!(burst.join().unwrap().len(), 1);
    gate.wait_for(0);
    gate.open(false);
    *finished += OPEN;
    rig.settled(2 * *finished as u64);
    rig.collector.take();
    gate.take();
}

/// What Envoy allocated itself, and all that the process holds. The stat is as old as the last look.
fn memory(rig: &Rig) -> (usize, usize) {
    rig.envoy.stats("server.");
    let allocated = rig.envoy.stats("server.")["memory_allocated"];
    (allocated.try_into().unwrap(), rig.envoy.resident_bytes())
}
