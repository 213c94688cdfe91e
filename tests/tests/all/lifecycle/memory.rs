//! Memory: bounded and flat, however many streams are open or were finished.

use std::time::Duration;

use meshspan::vm::{CallReply, HeaderMap};
use meshspan_tests::sidecar::{SAMPLED, Sidecar};

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
