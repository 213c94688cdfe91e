//! Which plugin sees a request: off and on by route, and two plugins in one VM.

use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::rig::{Listener, Protocol, Rig, Spans, Visit, WORKERS, plugin};

const QUICK: &str = r#","max_delay_ms":100"#;
/// Requests of each kind.
const REQUESTS: usize = 20;

#[test]
fn a_route_turns_the_filter_off_and_another_turns_it_on() {
    let on = Listener::new(plugin("on", Protocol::Grpc, QUICK));
    let off = Listener { disabled: true, ..Listener::new(plugin("off", Protocol::Grpc, QUICK)) };
    let rig = Rig::start_with(vec![on.clone(), off.clone()], Behaviour::Accept);
    let rows = [
        (&on, "/", Spans::Arrive),
        (&on, "/off", Spans::None),
        (&off, "/", Spans::None),
        (&off, "/on", Spans::Arrive),
    ];
    for (listener, path, spans) in rows {
        rig.visit(Visit { listener, paths: &[path], has_context: true, spans }, REQUESTS);
    }
    assert_eq!(rig.settled(80).exported, 80);
    rig.assert_spans();
    rig.assert_calm(0);
}

#[test]
fn plugins_in_one_vm_keep_to_their_own_configurations() {
    let named = |name: &str, configuration: String| Listener {
        root_id: name.to_owned(),
        ..Listener::new(configuration)
    };
    let sidecar = named("sidecar", plugin("sidecar", Protocol::Grpc, QUICK));
    let ingress = plugin("ingress", Protocol::Http, QUICK).replacen('{', r#"{"start_traces":true,"#, 1);
    let ingress = named("ingress", ingress);
    let lost = plugin("lost", Protocol::Grpc, r#","max_delay_ms":100,"max_attempts":1"#);
    let lost = named("lost", lost.replace("otel_", "no_"));
    let listeners = vec![sidecar.clone(), ingress.clone(), lost.clone()];
    let rig = Rig::start_with(listeners, Behaviour::Accept);
    // Without context a sidecar starts no trace.
    let rows = [
        (&sidecar, true, Spans::Arrive),
        (&sidecar, false, Spans::None),
        (&ingress, true, Spans::Arrive),
        (&ingress, false, Spans::Arrive),
        (&lost, true, Spans::Lost),
    ];
    for _ in 0..REQUESTS / 4 {
        for (listener, has_context, spans) in rows {
            rig.visit(Visit { listener, paths: &["/"], has_context, spans }, 4);
        }
    }
    let counters = rig.settled(160);
    assert_eq!((counters.exported, counters.dropped_export_failed), (120, 40), "{counters:?}");
    rig.assert_spans();
    rig.assert_calm(WORKERS.into());
    // Envoy's own, the main thread's, and one for each worker: as many as a single plugin has.
    assert_eq!(rig.envoy.stats("wasm.envoy.wasm.runtime.v8.")["active"], 2 + u64::from(WORKERS));
}
