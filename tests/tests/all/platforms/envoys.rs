//! What istiod and Envoy Gateway tell their proxies of these objects, as their sources say, told a real Envoy: spans
//! arrive at a collector by others.

use meshspan_tests::client::Request;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::{tools, wait};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::manifests::{Manifest, Plugin, manifests};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A bootstrap, and where the filter is for it.
struct Bootstrap {
    json: Value,
    folder: TempDir,
}

impl Bootstrap {
    fn read() -> Bootstrap {
        let text = std::fs::read_to_string(tools::repository().join("tests/envoy/platforms.yaml")).unwrap();
        let json = Value::deserialize(serde_yaml_ng::Deserializer::from_str(&text)).unwrap();
        Bootstrap { json, folder: tempfile::tempdir().unwrap() }
    }

    fn at(&mut self, pointer: &str) -> &mut Value {
        self.json.pointer_mut(pointer).unwrap_or_else(|| panic!("the bootstrap has no {pointer}"))
    }

    /// Puts the filter before the router.
    fn filter(&mut self, plugin: &Plugin, name: &str, differs: &Value) {
        let file = self.folder.path().join("filter.wasm");
        std::fs::write(&file, meshspan::filter_wasm()).unwrap();
        let variables: serde_json::Map<_, _> =
            plugin.variables.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let mut config = json!({
            "name": plugin.name,
            "root_id": plugin.root_id,
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": file } },
                "environment_variables": { "host_env_keys": plugin.host_variables, "key_values": variables },
            },
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": plugin.configuration.to_string(),
            },
        });
        config.as_object_mut().unwrap().extend(differs.as_object().unwrap().clone());
        let kind = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
        let filter = json!({ "name": name, "typed_config": { "@type": kind, "config": config } });
        self.at(&format!("{MANAGER}/http_filters")).as_array_mut().unwrap().insert(0, filter);
    }

    /// Moves the cluster's only endpoint to this machine.
    fn redirect(&mut self, cluster: &str, port: u16) {
        let clusters = self.at("/static_resources/clusters").as_array_mut().unwrap();
        let cluster = clusters.iter_mut().find(|found| found["name"] == cluster).unwrap();
        let address = cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address");
        *address.unwrap() = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    }

    /// Runs Envoy, sends a traced request through it, and gives what the collector then prints of the trace.
    fn trace(mut self, cluster: &str, variable: &str) -> (String, Envoy) {
        let (upstream, rotel, port) = (Upstream::start(), Rotel::start(), free_port());
        self.redirect("app", upstream.port());
        self.redirect(cluster, rotel.grpc_port());
        *self.at("/static_resources/listeners/0/address/socket_address/port_value") = port.into();
        // The administration's port as `Config` looks for it.
        let yaml = self.json.to_string().replace("\"port_value\":15000", "port_value: 15000 ");
        let envoy = Config::of(yaml).environment(variable, "web-0").start();
        assert_eq!(Request::get("/").header("traceparent", TRACEPARENT).send_http1(port).status, 200);
        rotel.wait_for_trace(TRACE_ID, 2);
        wait::until("the pod's name", || {
            rotel.log().contains("service.instance.id: Str(web-0)").then_some(())
        });
        (rotel.log(), envoy)
    }
}

fn manifest(folder: &str, file: &str, kind: &str) -> Manifest {
    let file = format!("{folder}/{file}");
    let found =
        manifests(folder).into_iter().find(|found| found.file == file && found.object["kind"] == kind);
    found.unwrap_or_else(|| panic!("{file} has no {kind}"))
}

/// The clusters that istiod makes of a Service: one for each port, HTTP/2 if the port's name says gRPC.
fn istios_clusters(service: &Manifest) -> Vec<Value> {
    let host = format!("{}.{}.svc.cluster.local", service.metadata("name"), service.metadata("namespace"));
    let ports = service.object["spec"]["ports"].as_array().unwrap();
    let cluster = |port: &Value| {
        let name = format!("outbound|{}||{host}", port["port"]);
        let is_grpc = port["name"].as_str().unwrap().starts_with("grpc-");
        let protocol = if is_grpc { "http2_protocol_options" } else { "http_protocol_options" };
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": { HTTP_OPTIONS: {
                "@type": format!("type.googleapis.com/{HTTP_OPTIONS}"),
                "explicit_http_config": { protocol: {} },
            } },
            "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": {
                "socket_address": { "address": "127.0.0.1", "port_value": 1 },
            } } }] }] },
        })
    };
    ports.iter().map(cluster).collect()
}

/// With FAIL_OPEN, the configuration as JSON in a StringValue, and the cluster of collector.yaml.
fn in_istio(file: &str) -> (String, Envoy) {
    let object = manifest("istio", file, "WasmPlugin");
    let plugin = object.plugins().remove(0);
    assert_eq!(object.object["spec"]["failStrategy"], "FAIL_OPEN");
    let mut bootstrap = Bootstrap::read();
    let clusters = istios_clusters(&manifest("istio", "collector.yaml", "Service"));
    bootstrap.at("/static_resources/clusters").as_array_mut().unwrap().extend(clusters);
    bootstrap.filter(&plugin, &plugin.name, &json!({ "failure_policy": "FAIL_OPEN" }));
    let cluster = plugin.configuration["export"]["cluster"].as_str().unwrap().to_owned();
    bootstrap.trace(&cluster, "POD_NAME")
}

#[test]
fn in_istios_sidecar_spans_arrive() {
    let (printed, envoy) = in_istio("wasm-plugin.yaml");
    for line in ["deployment.environment.name: Str(demo)", "direction: Str(outbound)"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(!envoy.log().contains("wasm log"), "{}", envoy.log());
}

#[test]
fn in_istios_ingress_gateway_spans_arrive() {
    let (printed, envoy) = in_istio("ingress.yaml");
    for line in ["service.name: Str(ingress)", "direction: Str(inbound)"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(!envoy.log().contains("wasm log"), "{}", envoy.log());
}

#[test]
fn a_collector_outside_the_mesh_is_called_as_the_file_says() {
    let entry = manifest("istio", "collector-outside.yaml", "ServiceEntry");
    let spec = &entry.object["spec"];
    let host = spec["hosts"][0].as_str().unwrap();
    let name = format!("cluster: outbound|{}||{host}", spec["ports"][0]["number"]);
    let file = tools::repository().join("envoy-config").join(&entry.file);
    assert!(std::fs::read_to_string(file).unwrap().contains(&name), "{name}");
    let rule = manifest("istio", "collector-outside.yaml", "DestinationRule");
    assert_eq!(rule.object["spec"]["host"], host);
}

/// With the bootstrap patched, and the filter off but for routes that turn it on.
#[test]
fn in_envoy_gateway_spans_arrive() {
    let patches = manifest("envoy-gateway", "gateway.yaml", "EnvoyProxy").object["spec"]["bootstrap"].clone();
    let policy = manifest("envoy-gateway", "policy.yaml", "EnvoyExtensionPolicy");
    let plugin = policy.plugins().remove(0);
    let fail_open = policy.object["spec"]["wasm"][0]["failOpen"].clone();
    let mut bootstrap = Bootstrap::read();
    for patch in patches["jsonPatches"].as_array().unwrap() {
        assert_eq!((&patches["type"], &patch["op"]), (&json!("JSONPatch"), &json!("add")));
        let list = patch["path"].as_str().unwrap().strip_suffix("/-").expect("a patch that appends");
        bootstrap.at(list).as_array_mut().unwrap().push(patch["value"].clone());
    }
    let name = format!("envoy.filters.http.wasm/{}/wasm/0", plugin.name);
    bootstrap.filter(&plugin, &name, &json!({ "fail_open": fail_open }));
    bootstrap.at(&format!("{MANAGER}/http_filters/0"))["disabled"] = true.into();
    let on = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} });
    bootstrap.at(&format!("{MANAGER}/route_config/virtual_hosts/0/routes/0"))["typed_per_filter_config"] =
        json!({ name: on });
    let cluster = plugin.configuration["export"]["cluster"].as_str().unwrap().to_owned();
    let (printed, envoy) = bootstrap.trace(&cluster, "ENVOY_POD_NAME");
    for line in ["service.name: Str(public-gateway)", "direction: Str(inbound)"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(!envoy.log().contains("wasm log"), "{}", envoy.log());
}
