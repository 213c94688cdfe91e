//! The configuration as it is written. These types are the source of the schema and the reference:
//! their documentation is what users read.

mod sampling;
mod spans;

#[cfg(not(target_arch = "wasm32"))]
use super::schema;
use super::sorted::SortedMap;
pub use sampling::{
    RawDecision, RawHeaderMatch, RawMatch, RawMatchDirection, RawMethods, RawRule, RawSampling,
};
pub use spans::{RawAttribute, RawNames, RawPlace, RawQuery, RawSource, RawSpans};

/// Configuration of the Meshspan filter.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), schemars(default))]
#[cfg_attr(not(target_arch = "wasm32"), schemars(title = "Configuration of the Meshspan filter"))]
pub struct RawConfig {
    /// Version of this format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 1)))]
    pub version: u64,
    /// Whose spans these are.
    pub service: RawService,
    /// Further resource attributes. `${NAME}` stands for an environment variable of the VM. For each
    /// attribute the first of these counts: `service`, `resource`, `OTEL_SERVICE_NAME`,
    /// `OTEL_RESOURCE_ATTRIBUTES`, the pod's annotations `resource.opentelemetry.io/…`, the pod's labels
    /// and what else the proxy's node metadata says.
    pub resource: SortedMap<String>,
    /// Whether a request without trace context starts a trace: true at an ingress, false in a sidecar.
    pub start_traces: bool,
    /// Which way the traffic goes, seen from the workload: the attribute `direction` of every span.
    pub direction: RawDirection,
    /// Which spans this plugin records.
    pub role: RawRole,
    /// Which headers carry trace context.
    pub propagation: RawPropagation,
    /// Which traces are recorded.
    pub sampling: RawSampling,
    /// What spans contain.
    pub spans: RawSpans,
    /// Where spans go.
    pub export: RawExport,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            version: 1,
            service: RawService::default(),
            resource: SortedMap::new(),
            start_traces: false,
            direction: RawDirection::Auto,
            role: RawRole::Both,
            propagation: RawPropagation::default(),
            sampling: RawSampling::default(),
            spans: RawSpans::default(),
            export: RawExport::default(),
        }
    }
}

impl RawConfig {
    /// Writes `attributes` over the resource's; those of the service count as if they were under `service`.
    pub(super) fn set_resource(&mut self, mut attributes: SortedMap<String>) {
        let RawService { name, namespace, instance } = &mut self.service;
        for (key, service) in
            [("service.name", name), ("service.namespace", namespace), ("service.instance.id", instance)]
        {
            if let Some(value) = attributes.remove(key) {
                *service = Some(value);
            }
        }
        self.resource.extend(attributes);
    }
}

/// Whose spans these are.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), schemars(default))]
pub struct RawService {
    /// `service.name`. `${NAME}` stands for an environment variable. Where nobody names it: the pod's label
    /// `app.kubernetes.io/instance`, else `app.kubernetes.io/name`, else Istio's `WORKLOAD_NAME`, else the
    /// cluster of the proxy's node, else `unknown_service`.
    pub name: Option<String>,
    /// `service.namespace`. `${NAME}` stands for an environment variable. Where nobody names it: the
    /// `NAMESPACE` of the node's metadata.
    pub namespace: Option<String>,
    /// `service.instance.id`, the same for all workers of a proxy. `${NAME}` stands for an environment
    /// variable. Where nobody names it: the id of the proxy's node.
    pub instance: Option<String>,
}

/// Which way traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), serde(rename_all = "snake_case"))]
pub enum RawDirection {
    /// As the proxy's listener says (`xds.listener_direction`); no attribute if it does not.
    Auto,
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

/// Which spans a plugin records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), serde(rename_all = "snake_case"))]
pub enum RawRole {
    /// A SERVER and a CLIENT span for each request: the only filter of its proxy.
    Both,
    /// The SERVER span alone: at the listener, above a `client` in the cluster's upstream filters.
    Server,
    /// A CLIENT span for each attempt, so that retries and hedges show: in the cluster's upstream filters.
    Client,
}

/// Which headers carry trace context.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), schemars(default))]
pub struct RawPropagation {
    /// Formats that are read, in order of precedence: the first valid one counts.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(schema_with = "schema::formats"))]
    pub extract: Vec<String>,
    /// Formats that are written: `"same"` is the one that counted (the first of `extract` for a new
    /// trace), a list is always exactly these.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(schema_with = "schema::inject"))]
    pub inject: RawInject,
    /// What becomes of headers of a format that did not count.
    pub losing_headers: RawLosingHeaders,
}

impl Default for RawPropagation {
    fn default() -> Self {
        Self {
            extract: ["tracecontext", "grpc-trace-bin", "b3", "b3multi"].map(str::to_owned).to_vec(),
            inject: RawInject::Same("same".to_owned()),
            losing_headers: RawLosingHeaders::RemoveOtherTrace,
        }
    }
}

/// Which formats are written.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize), serde(untagged))]
pub enum RawInject {
    /// `same`.
    Same(String),
    /// Exactly these.
    Formats(Vec<String>),
}

/// What becomes of headers of a format that did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), serde(rename_all = "snake_case"))]
pub enum RawLosingHeaders {
    /// Forwarded if they name the same trace, removed if they name another.
    RemoveOtherTrace,
    /// Forwarded as they are, as Linkerd does.
    Leave,
    /// Rewritten together with the format that counted.
    Rewrite,
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), schemars(default))]
pub struct RawExport {
    /// The proxy's cluster that the collector is behind.
    pub cluster: String,
    /// The protocol that the collector speaks there.
    pub protocol: RawProtocol,
    /// Path of OTLP/HTTP.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(regex(pattern = "^/")))]
    pub path: String,
    /// `:authority` of the requests; else the cluster's name, of which only the host where Istio named it
    /// (`outbound|4317||otel.tracing.svc.cluster.local`).
    pub authority: Option<String>,
    /// Headers (HTTP) or metadata (gRPC) sent with every export, such as an access token. `${NAME}` stands
    /// for an environment variable.
    pub headers: SortedMap<String>,
    /// How long one attempt may take, in milliseconds.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 600_000)))]
    pub timeout_ms: u64,
    /// Spans in one request at most.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 65_536)))]
    pub max_batch_spans: u64,
    /// How long a span waits for its batch to fill, in milliseconds.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 10, max = 600_000)))]
    pub max_delay_ms: u64,
    /// Spans that wait at most in one proxy thread; more are dropped and counted.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 1_000_000)))]
    pub max_queue_spans: u64,
    /// Bytes of spans that wait at most in one proxy thread; more are dropped and counted.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 4_096, max = 268_435_456)))]
    pub max_queue_bytes: u64,
    /// How often one batch is sent at most before it is dropped and counted.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 100)))]
    pub max_attempts: u64,
}

impl Default for RawExport {
    fn default() -> Self {
        Self {
            cluster: "otel_collector".to_owned(),
            protocol: RawProtocol::Grpc,
            path: "/v1/traces".to_owned(),
            authority: None,
            headers: SortedMap::new(),
            timeout_ms: 10_000,
            max_batch_spans: 512,
            max_delay_ms: 1_000,
            max_queue_spans: 8_192,
            max_queue_bytes: 4 << 20,
            max_attempts: 5,
        }
    }
}

/// A protocol of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), serde(rename_all = "snake_case"))]
pub enum RawProtocol {
    /// OTLP/gRPC, port 4317 by convention; the cluster needs HTTP/2.
    Grpc,
    /// OTLP/HTTP with protobuf, port 4318 by convention.
    Http,
}

/// Ranges that the JSON and the environment share; the schema states them once more, and a test
/// compares them.
pub(super) mod range {
    use std::ops::RangeInclusive;

    pub(in crate::config) const RATIO: (RangeInclusive<f64>, &str) = (0.0..=1.0, "0.0..=1.0");
    pub(in crate::config) const PER_SECOND: (RangeInclusive<f64>, &str) =
        (0.0..=1_000_000.0, "0.0..=1000000.0");
    pub(in crate::config) const SLOWER_MS: RangeInclusive<u64> = 1..=3_600_000;
    pub(in crate::config) const VERSION: RangeInclusive<u64> = 1..=1;
    pub(in crate::config) const TIMEOUT_MS: RangeInclusive<u64> = 1..=600_000;
    pub(in crate::config) const BATCH_SPANS: RangeInclusive<u64> = 1..=65_536;
    pub(in crate::config) const DELAY_MS: RangeInclusive<u64> = 10..=600_000;
    pub(in crate::config) const QUEUE_SPANS: RangeInclusive<u64> = 1..=1_000_000;
    pub(in crate::config) const QUEUE_BYTES: RangeInclusive<u64> = 4_096..=268_435_456;
    pub(in crate::config) const ATTRIBUTES: RangeInclusive<u64> = 1..=1_024;
    pub(in crate::config) const ATTRIBUTE_LENGTH: RangeInclusive<u64> = 1..=65_536;
    pub(in crate::config) const ATTEMPTS: RangeInclusive<u64> = 1..=100;
}
