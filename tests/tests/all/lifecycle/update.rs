//! Configuration that changes while the proxy runs: the old plugin goes when its spans are out.

use std::collections::BTreeSet;

use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::load::Load;
use meshspan_tests::rig::{Listener, Protocol, Rig, WORKERS, plugin};
use meshspan_tests::wait;

const QUICK: &str = r#","max_delay_ms":100"#;
/// Nothing leaves by itself while a test runs.
const HELD_BACK: &str = r#","max_delay_ms":600000"#;
const UPDATES: usize = 5;
/// Lines of the log on a refused configuration: the filter's one, and Envoy's, of which each worker has one
/// and one is empty.
const REFUSAL_LINES: usize = 7 + WORKERS as usize;

#[test]
fn under_load_no_request_fails_and_no_span_is_lost() {
    let mut rig = Rig::start(plugin("v0", Protocol::Grpc, QUICK), Behaviour::Accept);
    let load = Load::start(rig.plain, rig.port());
    for version in 1..=UPDATES {
        load.pass(500);
        let service = format!("v{version}");
        rig.configure(plugin(&service, Protocol::Grpc, QUICK));
        wait::until("spans of the new configuration", || {
            rig.collector.accepted().iter().any(|span| span.service == service).then_some(())
        });
    }
    load.pass(500);
    let report = load.stop();
    rig.compare_load(&report);

    let counters = rig.settled(2 * report.answered);
    assert_eq!((counters.exported, counters.dropped()), (2 * report.answered, 0), "{counters:?}");
    rig.assert_spans();
    let services: BTreeSet<_> = rig.collector.accepted().into_iter().map(|one| one.service).collect();
    assert_eq!(services.len(), UPDATES + 1, "each configuration was in force: {services:?}");
    rig.assert_calm(0);
}

#[test]
fn a_plugin_that_goes_sends_its_last_spans() {
    let mut rig = Rig::start(plugin("old", Protocol::Grpc, HELD_BACK), Behaviour::GrpcStatus(14));
    rig.compare(50);
    wait::until("the spans in the queue", || (rig.counters().queued == 100).then_some(()));
    rig.configure(plugin("new", Protocol::Grpc, QUICK));
    // The host wants the old plugin to end; it says that it is not done, and goes on trying.
    wait::until("a failed export", || (rig.counters().exports_failed > 0).then_some(()));
    rig.collector.behave(Behaviour::Accept);
    let counters = rig.settled(100);
    assert_eq!((counters.exported, counters.dropped()), (100, 0), "{counters:?}");
    rig.compare(10);
    assert_eq!(rig.settled(120).exported, 120);
    rig.assert_spans();
    rig.assert_calm(WORKERS.into());
}

#[test]
fn a_vm_that_goes_loses_what_still_waits_in_it() {
    // Export, and the spans at the collector when another VM has taken over: Envoy ends the calls of a VM
    // together with it, whatever `proxy_on_done` says.
    for (export, arrived) in [(QUICK, 100), (HELD_BACK, 0)] {
        let mut rig = Rig::start(plugin("old", Protocol::Grpc, export), Behaviour::Accept);
        rig.compare(50);
        wait::until("all that leaves", || (rig.counters().exported == arrived).then_some(()));
        let configuration = plugin("new", Protocol::Grpc, QUICK);
        let next = Listener { vm_id: "next".to_owned(), configuration, ..rig.listeners[0].clone() };
        rig.update(vec![next]);
        let vms = 2 + u64::from(WORKERS);
        wait::until("the old VMs to go", || {
            (rig.envoy.stats("wasm.envoy.wasm.runtime.v8.")["active"] == vms).then_some(())
        });
        rig.compare(10);
        let counters = wait::until("the new VM's spans", || {
            let now = rig.counters();
            (now.exported == arrived + 20 && now.queued == 0).then_some(now)
        });
        assert_eq!((counters.started, counters.finished), (120, 120), "{counters:?}");
        assert_eq!(
            (counters.dropped(), counters.rejected),
            (0, 0),
            "lost spans are in no counter: {counters:?}"
        );
        assert_eq!(rig.collector.accepted_once().len() as u64, counters.exported);
        rig.assert_spans_sent();
        rig.assert_calm(0);
    }
}

#[test]
fn an_invalid_configuration_is_refused_and_the_old_one_goes_on() {
    let mut rig = Rig::start(plugin("old", Protocol::Grpc, QUICK), Behaviour::Accept);
    rig.compare(10);
    let valid = rig.listeners.clone();
    rig.configure(plugin("new", Protocol::Grpc, r#","max_batch_spans":"many""#));
    assert_eq!(rig.envoy.stats("listener_manager.lds.")["update_rejected"], 1);
    assert!(rig.envoy.log().contains("export.max_batch_spans"), "{}", rig.envoy.log());
    rig.listeners.clone_from(&valid);
    rig.compare(10);
    assert_eq!(rig.settled(40).exported, 40);
    rig.assert_spans();

    let configuration = plugin("new", Protocol::Grpc, QUICK);
    rig.update(vec![Listener { configuration, ..valid[0].clone() }]);
    rig.compare(10);
    assert_eq!(rig.settled(60).exported, 60);
    rig.assert_spans();
    rig.assert_calm(REFUSAL_LINES);
    let log = rig.envoy.log();
    assert_eq!(log.lines().filter(|line| line.contains("wasm log")).count(), 1, "{log}");
}
