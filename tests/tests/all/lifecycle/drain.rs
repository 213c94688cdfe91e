//! A proxy that ends: drained first, or at once.

use std::net::TcpStream;

use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::rig::{Protocol, Rig, plugin};
use meshspan_tests::wait;

#[test]
fn a_drained_proxy_has_sent_every_span() {
    let mut rig = Rig::start(plugin("web", Protocol::Grpc, r#","max_delay_ms":500"#), Behaviour::Accept);
    rig.compare(50);
    rig.envoy.post("/drain_listeners?graceful");
    rig.compare(50);
    wait::until("the listener to close", || {
        TcpStream::connect(("127.0.0.1", rig.port())).is_err().then_some(())
    });
    assert_eq!(rig.settled(200).exported, 200);
    rig.assert_calm(0);
    terminate(&mut rig);
    rig.assert_spans();
}

#[test]
fn a_terminated_proxy_ends_well_and_loses_what_still_waits() {
    // Export, and the spans at the collector: Envoy ends its workers' calls at once on SIGTERM.
    for (export, arrived) in [(r#","max_delay_ms":100"#, 100), (r#","max_delay_ms":600000"#, 0)] {
        let mut rig = Rig::start(plugin("web", Protocol::Grpc, export), Behaviour::Accept);
        rig.compare(50);
        wait::until("all that leaves", || {
            let counters = rig.counters();
            let all = counters.finished == 100 && counters.exported == arrived && counters.add_up();
            all.then_some(())
        });
        rig.assert_calm(0);
        terminate(&mut rig);
        assert_eq!(rig.collector.accepted_once().len() as u64, arrived);
        rig.assert_spans_sent();
    }
}

fn terminate(rig: &mut Rig) {
    rig.envoy.process().terminate();
    let status = wait::until("envoy to end", || rig.envoy.process().ended());
    let log = rig.envoy.log();
    assert!(status.success(), "{status}: {log}");
    assert_eq!(log.lines().count(), 1, "only the signal: {log}");
}
