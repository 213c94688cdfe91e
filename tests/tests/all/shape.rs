//! What spans and their resource say in a real Envoy: its node, a `google.protobuf.Struct` as configuration.

use meshspan_tests::client::Request;
use meshspan_tests::envoy::Config;
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A node as Istio describes one.
const NODE: &str = r#"node:
  id: sidecar~10.0.0.1~web-1.emojivoto~emojivoto.svc.cluster.local
  cluster: web.emojivoto
  locality: { region: eu, zone: eu-1a }
  metadata:
    NAME: web-1
    NAMESPACE: emojivoto
    WORKLOAD_NAME: web-deployment
    OWNER: kubernetes://apis/apps/v1/namespaces/emojivoto/deployments/web-deployment
    LABELS: { app: web, app.kubernetes.io/name: web-label, pod-template-hash: 5d9 }
    ANNOTATIONS: { resource.opentelemetry.io/team: blue, kubectl.kubernetes.io/restartedAt: now }

static_resources:
"#;

/// The sidecar with an application and a collector behind it.
struct Running {
    rotel: Rotel,
    port: u16,
    _upstream: Upstream,
    _envoy: meshspan_tests::envoy::Envoy,
}

fn start(change: impl FnOnce(Config) -> Config) -> Running {
    let (upstream, rotel, port) = (Upstream::start(), Rotel::start(), free_port());
    let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm());
    let config = config.port(15006, port).port(15001, free_port()).port(8080, upstream.port());
    let envoy = change(config.port(4317, rotel.grpc_port())).concurrency(2).start();
    Running { rotel, port, _upstream: upstream, _envoy: envoy }
}

impl Running {
    /// What the collector prints of one traced request.
    fn trace(&self, request: Request) -> String {
        assert_eq!(request.header("traceparent", TRACEPARENT).send_http1(self.port).status, 200);
        self.rotel.wait_for_trace(TRACE_ID, 2);
        self.rotel.log()
    }
}

/// Waits until the collector has printed all of `attributes`.
fn assert_attributes(running: &Running, attributes: &[(&str, &str)]) {
    for (key, value) in attributes {
        let line = format!("{key}: Str({value})");
        wait::until(&line, || running.rotel.log().contains(&line).then_some(()));
    }
}

#[test]
fn rule_47_the_node_of_envoy_names_pod_and_service() {
    let running = start(|config| {
        let config = config.replace(r#""service": { "name": "web", "namespace": "emojivoto" },"#, "");
        config.replace("static_resources:\n", NODE)
    });
    running.trace(Request::get("/"));
    let expected = [
        ("cloud.availability_zone", "eu-1a"),
        ("cloud.region", "eu"),
        ("deployment.environment.name", "demo"),
        ("k8s.deployment.name", "web-deployment"),
        ("k8s.namespace.name", "emojivoto"),
        ("k8s.pod.name", "web-1"),
        ("service.instance.id", "sidecar~10.0.0.1~web-1.emojivoto~emojivoto.svc.cluster.local"),
        ("service.name", "web-label"),
        ("service.namespace", "emojivoto"),
        ("team", "blue"),
    ];
    assert_attributes(&running, &expected);
}

#[test]
fn a_struct_configures_as_json_does() {
    let running = start(with_struct(
        "{ version: 1, service: { name: from-struct }, propagation: { extract: [tracecontext] }, \
         sampling: { default: { ratio: 0.5 } }, export: { protocol: grpc, timeout_ms: 5000 } }",
    ));
    running.trace(Request::get("/"));
    assert_attributes(&running, &[("service.name", "from-struct")]);
}

#[test]
fn a_bad_struct_is_refused_with_its_key() {
    let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm());
    let output = with_struct("{ sampling: { default: { ratio: 1.5 } } }")(config).validate();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{log}");
    assert!(log.contains("sampling.default.ratio is 1.5, expected 0.0..=1.0"), "{log}");
}

/// The plugin's configuration as a Struct instead of JSON.
fn with_struct(yaml: &str) -> impl FnOnce(Config) -> Config {
    move |config| {
        let json = config.plugin_configurations().remove(0);
        let config = config.replace("google.protobuf.StringValue", "google.protobuf.Struct");
        let config = config.replace("value: |\n", &format!("value: {yaml}\n"));
        json.lines().fold(config, |config, line| config.replace(&format!("{line}\n"), ""))
    }
}

#[test]
fn configured_attributes_are_in_both_spans() {
    const SPANS: &str = r#""start_traces": false,
                              "spans": { "names": "semconv", "response_headers": ["x-answer", "content-length"],
                                "attributes": {
                                  "tenant.id": { "request_header": "x-tenant" },
                                  "user": { "baggage": "user.id" },
                                  "zone": { "property": "xds.node.locality.zone" },
                                  "upstream.cluster": { "property": "xds.cluster_name" },
                                  "http.request.size": { "property": "request.total_size" },
                                  "pod": "${POD_NAME}" } },"#;
    let running = start(|config| {
        let config = config.replace(r#""start_traces": false,"#, SPANS).environment("POD_NAME", "web-0");
        config.replace("static_resources:\n", NODE)
    });
    let request = Request::get("/").header("x-tenant", "blue").header("baggage", "user.id=alice%20b");
    running.trace(request);
    let expected = [
        ("tenant.id", "blue"),
        ("user", "alice b"),
        ("zone", "eu-1a"),
        ("upstream.cluster", "app"),
        ("pod", "web-0"),
    ];
    assert_attributes(&running, &expected);
    let log = running.rotel.log();
    for (key, _) in expected {
        assert_eq!(log.matches(&format!("-> {key}: Str(")).count(), 2, "{key} in both spans: {log}");
    }
    assert_eq!(log.matches("http.request.size: Int(").count(), 2, "{log}");
    assert_eq!(log.matches("http.response.header.content-length: ").count(), 2, "{log}");
    assert!(!log.contains("user-agent"), "nothing unasked: {log}");
}

#[test]
fn linkerds_names_are_paths() {
    let names = r#""start_traces": false, "spans": { "names": "linkerd" },"#;
    let running = start(|config| config.replace(r#""start_traces": false,"#, names));
    let log = running.trace(Request::get("/api/list?a=b"));
    let spans = running.rotel.wait_for_trace(TRACE_ID, 2);
    assert!(spans.iter().all(|span| span.name == "/api/list"), "{spans:#?}");
    assert_attributes(&running, &[("http.response.status_code", "200"), ("network.transport", "tcp")]);
    assert!(!log.contains("network.peer.address"), "{log}");
}
