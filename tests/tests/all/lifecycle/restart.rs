//! Hot restart: a second process takes over the sockets and the counters while requests go on.

use meshspan_tests::counters;
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::load::Load;
use meshspan_tests::rig::{Protocol, Rig, plugin};
use meshspan_tests::wait;

#[test]
fn no_request_fails_and_no_span_is_lost() {
    let mut rig = Rig::start(plugin("web", Protocol::Grpc, r#","max_delay_ms":100"#), Behaviour::Accept);
    let load = Load::start(rig.plain, rig.port());
    load.pass(500);
    let next = rig.envoy.hot_restart();
    load.pass(500);
    let status = wait::until("the first process to end", || {
        // Takes over what the first process has counted; what it had not counted here would be lost.
        counters::now(&next);
        rig.envoy.process().ended()
    });
    assert!(status.success(), "{status}: {}", rig.envoy.log());
    load.pass(500);
    let report = load.stop();
    rig.compare_load(&report);

    // The second process goes on with the counters of the first.
    let total = counters::settled(&next, 2 * report.answered);
    assert_eq!((total.exported, total.dropped()), (2 * report.answered, 0), "{total:?}");
    rig.assert_spans();
    assert_eq!(next.log(), "");
    let log = rig.envoy.log();
    let is_envoys = |line: &str| line.contains("[warning][main]");
    assert!(log.lines().count() <= 3 && log.lines().all(is_envoys), "only that a child takes over:\n{log}");
}
