//! Which plugin sees a request: off and on by route, and two plugins in one VM.

use meshspan_tests::client::Request;
use meshspan_tests::faulty_collector::Behaviour;
use meshspan_tests::rig::{Listener, Protocol, Rig, WORKERS, plugin};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const QUICK: &str = r#","max_delay_ms":100"#;

#[test]
fn a_route_turns_the_filter_off_and_another_turns_it_on() {
    let on = Listener::new(plugin("on", Protocol::Grpc, QUICK));
    let off = Listener { disabled: true, ..Listener::new(plugin("off", Protocol::Grpc, QUICK)) };
    let rig = Rig::start_with(vec![on.clone(), off.clone()], Behaviour::Accept);
    // Listener, path, and whether the request is traced.
    let rows = [(&on, "/", true), (&on, "/off", false), (&off, "/", false), (&off, "/on", true)];
    for (listener, path, traced) in rows {
        let answer = Request::get(path).header("traceparent", TRACEPARENT).send_http1(listener.port);
        assert_eq!(answer.status, 200);
        let onward = rig.upstream.take_one();
        let touched = onward.value("traceparent") != TRACEPARENT;
        assert_eq!(touched, traced, "{path} of {listener:?}");
    }
    let counters = rig.settled(4);
    assert_eq!(counters.exported, 4);
    let services: Vec<_> = rig.collector.accepted_once().into_iter().map(|span| span.service).collect();
    assert_eq!(services, ["off", "off", "on", "on"]);
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
    for _ in 0..20 {
        for listener in [&sidecar, &ingress, &lost] {
            Request::get("/").header("traceparent", TRACEPARENT).send_http1(listener.port);
        }
        for listener in [&sidecar, &ingress] {
            Request::get("/").send_http1(listener.port);
        }
    }
    // Of 100 requests 20 went without context to the sidecar, which starts no trace.
    let counters = rig.settled(160);
    assert_eq!((counters.exported, counters.dropped_export_failed), (120, 40), "{counters:?}");
    let spans = rig.collector.accepted_once();
    let of = |service: &str| spans.iter().filter(|span| span.service == service).count();
    assert_eq!((of("sidecar"), of("ingress"), of("lost")), (40, 80, 0));
    rig.assert_calm(WORKERS.into());
    // Envoy's own, the main thread's, and one for each worker: as many as a single plugin has.
    assert_eq!(rig.envoy.stats("wasm.envoy.wasm.runtime.v8.")["active"], 2 + u64::from(WORKERS));
}
