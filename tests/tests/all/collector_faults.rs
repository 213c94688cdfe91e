//! A real Envoy whose collector fails in every way: nobody but the counters and a few log lines shows it.

use std::time::Duration;

use meshspan_tests::counters::Counters;
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::rig::{PROTOCOLS, Protocol, Rig, WORKERS, plugin};
use meshspan_tests::wait;

/// Requests of each situation, far more than the log may have lines.
const REQUESTS: usize = 100;
/// Their spans.
const SPANS: u64 = 2 * REQUESTS as u64;
/// One line for each VM.
const LINES: usize = WORKERS as usize;
/// Two quick attempts, and batches small enough that there are many.
const QUICK: &str = r#","max_delay_ms":100,"timeout_ms":300,"max_attempts":2,"max_batch_spans":20"#;

/// Sends the requests past such a collector, and asserts what must hold with any.
fn past(protocol: Protocol, behaviour: Behaviour) -> (Rig, Counters) {
    let rig = Rig::start(plugin("web", protocol, QUICK), behaviour);
    rig.compare(REQUESTS);
    let counters = rig.settled(SPANS);
    rig.assert_spans_sent();
    rig.assert_calm(LINES);
    (rig, counters)
}

/// No span arrives; each is counted as given up after `attempts`.
fn assert_all_given_up(protocol: Protocol, behaviour: Behaviour, attempts: u64) {
    let (rig, counters) = past(protocol, behaviour);
    assert_eq!(counters.dropped_export_failed, SPANS, "{protocol:?} {behaviour:?}: {counters:?}");
    assert_eq!(counters.exports_failed, counters.exports_attempted, "{protocol:?} {behaviour:?}");
    let batches = counters.exports_attempted / attempts;
    assert!(batches * attempts == counters.exports_attempted && batches > 2, "{behaviour:?}: {counters:?}");
    assert_eq!(rig.collector.accepted(), [], "{protocol:?} {behaviour:?}");
}

/// Every span arrives, once, and is counted as exported.
fn assert_all_exported(rig: &Rig, counters: Counters) {
    assert_eq!((counters.exported, counters.dropped()), (counters.started, 0), "{counters:?}");
    rig.assert_spans();
}

#[test]
fn healthy() {
    for protocol in PROTOCOLS {
        let (rig, counters) = past(protocol, Behaviour::Accept);
        assert_all_exported(&rig, counters);
        assert_eq!((rig.envoy.log().as_str(), counters.exports_failed), ("", 0));
    }
}

#[test]
fn absent_as_a_cluster() {
    for protocol in PROTOCOLS {
        let configuration = plugin("web", protocol, QUICK);
        let rig = Rig::start(configuration.replace("otel_", "no_"), Behaviour::Accept);
        rig.compare(REQUESTS);
        let counters = rig.settled(SPANS);
        assert_eq!(counters.dropped_export_failed, SPANS, "{protocol:?}: {counters:?}");
        assert_eq!(rig.collector.received(), [], "{protocol:?}");
        assert!(rig.envoy.log().contains("export.cluster"), "{}", rig.envoy.log());
        rig.assert_calm(LINES);
    }
}

#[test]
fn absent_behind_its_address() {
    for protocol in PROTOCOLS {
        assert_all_given_up(protocol, Behaviour::Down, 2);
    }
}

#[test]
fn rule_40_41_refusing_for_good() {
    assert_all_given_up(Protocol::Grpc, Behaviour::GrpcStatus(7), 1);
    assert_all_given_up(Protocol::Http, Behaviour::HttpStatus(400, None), 1);
}

#[test]
fn rule_40_41_refusing_for_now() {
    assert_all_given_up(Protocol::Grpc, Behaviour::GrpcStatus(14), 2);
    assert_all_given_up(Protocol::Http, Behaviour::HttpStatus(503, None), 2);
}

#[test]
fn rule_41_refusing_until_later() {
    let behaviour = Behaviour::HttpStatus(429, Some("2"));
    let rig = Rig::start(plugin("web", Protocol::Http, r#","max_delay_ms":100"#), behaviour);
    rig.compare(REQUESTS);
    wait::until("a refused export", || (rig.counters().exports_failed > 0).then_some(()));
    rig.collector.behave(Behaviour::Accept);
    let ((), waited) = wait::timed(|| {
        let counters = rig.settled(SPANS);
        assert_all_exported(&rig, counters);
    });
    assert!(waited > Duration::from_millis(1200), "asked to wait for 2 s, came back after {waited:?}");
    rig.assert_calm(LINES);
}

#[test]
fn resetting_connections() {
    for protocol in PROTOCOLS {
        assert_all_given_up(protocol, Behaviour::Reset, 2);
    }
}

#[test]
fn answering_what_is_not_http() {
    for protocol in PROTOCOLS {
        assert_all_given_up(protocol, Behaviour::NotHttp, 2);
    }
}

#[test]
fn answering_what_is_not_protobuf() {
    // Success is success: the spans are in, whatever the body. But it is told.
    for protocol in PROTOCOLS {
        let (rig, counters) = past(protocol, Behaviour::NotProtobuf);
        assert_all_exported(&rig, counters);
        assert!(rig.envoy.log().contains("is it a collector?"), "{}", rig.envoy.log());
    }
}

#[test]
fn answering_what_is_not_grpc() {
    let (_rig, counters) = past(Protocol::Grpc, Behaviour::NotFramed);
    assert_eq!(counters.dropped_export_failed, SPANS, "the proxy reports a failed call: {counters:?}");
}

#[test]
fn answering_after_the_timeout() {
    for protocol in PROTOCOLS {
        assert_all_given_up(protocol, Behaviour::Slow(Duration::from_secs(5)), 2);
    }
}

#[test]
fn rule_45_too_slow_for_the_traffic() {
    for protocol in PROTOCOLS {
        let bounds = r#","max_delay_ms":100,"max_batch_spans":10,"max_queue_spans":20"#;
        let slow = Behaviour::Slow(Duration::from_secs(1));
        let rig = Rig::start(plugin("web", protocol, bounds), slow);
        rig.compare(REQUESTS);
        let counters = rig.settled(SPANS);
        assert!(counters.dropped_queue_full > 0, "{protocol:?}: {counters:?}");
        assert_eq!(counters.dropped_export_failed, 0, "{protocol:?}: {counters:?}");
        assert_eq!(rig.collector.accepted_once().len() as u64, counters.exported, "{protocol:?}");
        rig.assert_spans_sent();
        rig.assert_calm(LINES);
    }
}

#[test]
fn rule_39_rejecting_in_part() {
    for protocol in PROTOCOLS {
        let (rig, counters) = past(protocol, Behaviour::RejectSome(3));
        // A batch of fewer than three cannot lose three.
        assert!(counters.rejected > 0, "{protocol:?}: {counters:?}");
        assert!(counters.rejected <= 3 * counters.exports_attempted, "{protocol:?}: {counters:?}");
        assert_eq!((counters.dropped(), counters.exports_failed), (0, 0), "{protocol:?}: {counters:?}");
        // None was sent again.
        rig.assert_spans();
        assert!(rig.envoy.log().contains("some spans are too old"), "{}", rig.envoy.log());
    }
}

#[test]
fn flapping() {
    for protocol in PROTOCOLS {
        let patient = r#","max_delay_ms":100,"timeout_ms":1000,"max_attempts":20"#;
        let rig = Rig::start(plugin("web", protocol, patient), Behaviour::Accept);
        for round in 1..=3 {
            rig.compare(REQUESTS);
            rig.collector.behave(Behaviour::Down);
            rig.compare(REQUESTS);
            let failed = rig.counters().exports_failed;
            wait::until("a failed export", || (rig.counters().exports_failed > failed).then_some(()));
            rig.collector.behave(Behaviour::Accept);
            rig.settled(2 * SPANS * round);
        }
        let counters = rig.settled(6 * SPANS);
        assert_eq!((counters.exported, counters.dropped()), (6 * SPANS, 0), "{protocol:?}: {counters:?}");
        // A connection that breaks hides the answer: what was in has to go again.
        rig.ledger.borrow().assert_whole(&rig.collector.accepted());
        rig.assert_calm(LINES);
    }
}
