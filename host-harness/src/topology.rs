//! A mesh: its services, which of them have a sidecar, and what each application does with trace
//! headers. Knows neither wasm nor clocks; [`crate::replay`] brings it to life.
//! The file format is JSON; its schema is `schemas/topology.schema.json`.
//!
//! `route("vote-bot", "web")` → both proxied → four proxy passes' spans

mod emojivoto;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use emojivoto::Emojivoto;

/// The cluster that a plugin's configuration exports to unless it names another.
pub const COLLECTOR: &str = "otel_collector";

/// The collector's address where the host's profile is nginx, which knows no clusters.
pub const NGINX_COLLECTOR: &str = "127.0.0.1:4318";

/// Why a topology could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// Not JSON, a key missing or unknown, a wrong type.
    #[error("topology: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A version that this program does not know.
    #[error("topology: version is {0}, expected 1")]
    Version(u32),
    /// `plugin` or `plugin.service` is something else than an object.
    #[error("topology: {0} is not an object; the plugin's configuration is expected there")]
    Plugin(&'static str),
    /// A service that the topology does not have.
    #[error("{place}: service {name:?} is not in the topology, which has {known}; add it under \"services\"")]
    UnknownService {
        /// Where the name stands.
        place: String,
        /// The name.
        name: String,
        /// The names that would do.
        known: String,
    },
}

/// A mesh and its applications: one topology file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The version of the format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What the mesh is called.
    pub name: String,
    /// Time that a message spends between and in proxies, one way.
    #[serde(default)]
    pub latency: Latency,
    /// The sidecars' plugin configuration. `service.name` is filled in for each sidecar: the name of
    /// its workload.
    #[serde(default)]
    pub plugin: serde_json::Value,
    /// The cluster names that the plugin's callouts may go to.
    #[serde(default = "default_clusters")]
    pub clusters: Vec<String>,
    /// The workloads by name.
    pub services: BTreeMap<String, Service>,
    /// Calls for which another side is proxied than the services' own `meshed` says.
    #[serde(default)]
    pub edges: Vec<Edge>,
}

/// One-way times in microseconds. A replay shrinks them for an exchange that was too short for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Between an application and its own proxy.
    #[serde(default = "default_loopback")]
    pub loopback_us: u32,
    /// Inside one proxy.
    #[serde(default = "default_proxy")]
    pub proxy_us: u32,
    /// Between two pods.
    #[serde(default = "default_wire")]
    pub wire_us: u32,
}

/// A workload: an application and maybe its sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Whether it has a sidecar for the calls that it gets and makes.
    pub meshed: bool,
    /// Where it listens: IP address and port.
    pub address: std::net::SocketAddr,
    /// What it does with trace headers.
    pub application: Application,
}

/// What an application does with trace headers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Application {
    /// Emits a SERVER span for each request that it gets and a CLIENT span for each that it makes,
    /// continues the trace that it is given and starts one where there is none.
    Instrumented {
        /// `telemetry.sdk.name` of its spans.
        sdk: String,
        /// The instrumentation scope of its spans.
        scope: String,
        /// The headers that it reads and writes on HTTP calls.
        http: Format,
        /// The headers that it reads and writes on gRPC calls.
        grpc: Format,
    },
    /// Emits nothing, and copies these headers from the request that it handles to those that it makes.
    Forwards {
        /// Their names, in any case.
        headers: Vec<String>,
    },
    /// Emits nothing and copies nothing: every trace breaks here.
    Drops,
}

/// A set of trace headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Format {
    /// W3C `traceparent` and `tracestate`.
    #[serde(rename = "tracecontext")]
    TraceContext,
    /// `x-b3-traceid`, `x-b3-spanid`, `x-b3-sampled`.
    #[serde(rename = "b3multi")]
    B3Multi,
    /// The single `b3` header.
    #[serde(rename = "b3")]
    B3Single,
    /// OpenCensus's binary header, in base64 without padding as grpc-go writes it.
    #[serde(rename = "grpc-trace-bin")]
    GrpcTraceBin,
}

/// The calls from one service to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The service that calls.
    pub source: String,
    /// The service that is called.
    pub destination: String,
    /// Whether the caller's outbound proxy is passed; else as the service says.
    #[serde(default)]
    pub source_proxied: Option<bool>,
    /// Whether the callee's inbound proxy is passed; else as the service says.
    #[serde(default)]
    pub destination_proxied: Option<bool>,
}

/// The proxies that a call passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The caller's, outbound.
    pub source_proxied: bool,
    /// The callee's, inbound.
    pub destination_proxied: bool,
}

impl Topology {
    /// Parses and checks a topology file.
    ///
    /// # Errors
    /// [`TopologyError`] names the place, what was found and what is allowed.
    pub fn from_json(json: &[u8]) -> Result<Self, TopologyError> {
        let topology: Self = serde_json::from_slice(json)?;
        if topology.version != 1 {
            return Err(TopologyError::Version(topology.version));
        }
        match &topology.plugin {
            serde_json::Value::Null => {}
            serde_json::Value::Object(plugin) => {
                if plugin.get("service").is_some_and(|service| !service.is_object()) {
                    return Err(TopologyError::Plugin("plugin.service"));
                }
            }
            _ => return Err(TopologyError::Plugin("plugin")),
        }
        for (index, edge) in topology.edges.iter().enumerate() {
            topology.service(&edge.source, || format!("edges[{index}].source"))?;
            topology.service(&edge.destination, || format!("edges[{index}].destination"))?;
        }
        Ok(topology)
    }

    /// The service called `name`; `place` says where the name was read.
    ///
    /// # Errors
    /// [`TopologyError::UnknownService`].
    pub fn service(&self, name: &str, place: impl FnOnce() -> String) -> Result<&Service, TopologyError> {
        self.services.get(name).ok_or_else(|| TopologyError::UnknownService {
            place: place(),
            name: name.to_owned(),
            known: self.services.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// Which proxies a call passes: the last edge that names the two, else the services' own word.
    /// A service that is not in the topology is not meshed.
    pub fn route(&self, source: &str, destination: &str) -> Route {
        let meshed = |name: &str| self.services.get(name).is_some_and(|service| service.meshed);
        let edge = self.edges.iter().rfind(|edge| edge.source == source && edge.destination == destination);
        Route {
            source_proxied: edge.and_then(|edge| edge.source_proxied).unwrap_or_else(|| meshed(source)),
            destination_proxied: edge
                .and_then(|edge| edge.destination_proxied)
                .unwrap_or_else(|| meshed(destination)),
        }
    }

    /// The plugin configuration of `workload`'s sidecar: the topology's `plugin` with `service.name`.
    pub fn plugin_configuration(&self, workload: &str) -> Vec<u8> {
        serde_json::Value::Object(self.plugin_of(workload)).to_string().into_bytes()
    }

    /// As [`plugin_configuration`](Self::plugin_configuration), as one writes it for nginx: the direction,
    /// which no property tells there, and the collector's address in place of a cluster's name. The protocol
    /// is OTLP/HTTP unless the topology names one.
    pub fn nginx_configuration(&self, workload: &str, direction: &str) -> Vec<u8> {
        let mut plugin = self.plugin_of(workload);
        plugin.entry("direction").or_insert_with(|| direction.into());
        let export = plugin.entry("export").or_insert_with(|| serde_json::Map::new().into());
        if let serde_json::Value::Object(export) = export {
            export.insert("cluster".to_owned(), NGINX_COLLECTOR.into());
            export.entry("protocol").or_insert_with(|| "http".into());
        }
        serde_json::Value::Object(plugin).to_string().into_bytes()
    }

    fn plugin_of(&self, workload: &str) -> serde_json::Map<String, serde_json::Value> {
        let mut plugin = match &self.plugin {
            serde_json::Value::Object(plugin) => plugin.clone(),
            _ => serde_json::Map::new(),
        };
        let service = plugin.entry("service").or_insert_with(|| serde_json::Map::new().into());
        if let serde_json::Value::Object(service) = service {
            service.insert("name".to_owned(), workload.into());
        }
        plugin
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self { loopback_us: default_loopback(), proxy_us: default_proxy(), wire_us: default_wire() }
    }
}

fn default_loopback() -> u32 {
    25
}

fn default_proxy() -> u32 {
    180
}

fn default_wire() -> u32 {
    120
}

fn default_clusters() -> Vec<String> {
    vec![COLLECTOR.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESH: &str = r#"{"version":1,"name":"m","plugin":{"version":1,"service":{"namespace":"n"}},
      "services":{"a":{"meshed":true,"address":"10.0.0.1:80","application":{"kind":"drops"}},
                  "b":{"meshed":false,"address":"10.0.0.2:80","application":{"kind":"forwards","headers":["b3"]}}},
      "edges":[{"source":"a","destination":"b","destination_proxied":true}]}"#;

    #[test]
    fn an_edge_overrides_what_its_services_say() {
        let mesh = Topology::from_json(MESH.as_bytes()).unwrap();
        let route = |source_proxied, destination_proxied| Route { source_proxied, destination_proxied };
        let rows = [
            ("a", "b", route(true, true), "the edge adds the callee's proxy, and leaves the caller's alone"),
            ("b", "a", route(false, true), "an edge has a direction"),
            ("a", "elsewhere", route(true, false), "an outsider has no proxy"),
        ];
        for (source, destination, expected, reason) in rows {
            assert_eq!(mesh.route(source, destination), expected, "{reason}");
        }
    }

    #[test]
    fn each_sidecar_is_named_after_its_workload() {
        let mesh = Topology::from_json(MESH.as_bytes()).unwrap();
        let text = String::from_utf8(mesh.plugin_configuration("a")).unwrap();
        assert_eq!(text, r#"{"service":{"name":"a","namespace":"n"},"version":1}"#);
        let bare = Topology { plugin: serde_json::Value::Null, ..mesh };
        assert_eq!(bare.plugin_configuration("b"), br#"{"service":{"name":"b"}}"#);
    }

    #[test]
    fn a_bad_file_names_the_place_what_was_found_and_what_is_allowed() {
        let rows = [
            (
                MESH.replace("\"version\":1,\"name\"", "\"version\":2,\"name\""),
                "version is 2, expected 1",
                "version",
            ),
            (
                MESH.replace("\"source\":\"a\"", "\"source\":\"x\""),
                "edges[0].source: service \"x\" is not in",
                "edge",
            ),
            (
                MESH.replace("\"drops\"", "\"eats\""),
                "unknown variant `eats`, expected one of `instrumented`",
                "kind",
            ),
            (MESH.replace("10.0.0.1:80", "10.0.0.1"), "invalid socket address", "no port"),
            (MESH.replace("{\"namespace\":\"n\"}", "3"), "plugin.service is not an object", "service"),
            (MESH.replace("\"meshed\":true,", ""), "missing field `meshed`", "missing"),
            (MESH.replace("\"edges\"", "\"edgse\""), "unknown field `edgse`", "unknown"),
        ];
        for (json, expected, reason) in rows {
            let error = Topology::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{reason}: {error}");
        }
    }
}
