//! The cluster that a filter exports its spans to, and what the filter has to know of it.
//! Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use std::time::Duration;

use super::cluster::Cluster;

/// What the filter reads how long an export may take from.
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT";

/// A collector.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Where it is.
    pub cluster: Cluster,
    /// It is spoken to in OTLP/HTTP with protobuf, not in OTLP/gRPC.
    pub is_http: bool,
    /// How long one export may take, in whole milliseconds; `None`: as the filter's configuration has it.
    pub timeout: Option<Duration>,
}

impl Collector {
    /// The filter's `export.protocol`.
    pub fn protocol(&self) -> &'static str {
        if self.is_http { "http" } else { "grpc" }
    }

    /// What the filter's environment has to say of it: a filter that does not know how long its calls may take
    /// would send again what is still under way.
    pub fn environment(&self) -> Vec<(String, String)> {
        let timeout = self.timeout.map(|timeout| (TIMEOUT.to_owned(), timeout.as_millis().to_string()));
        timeout.into_iter().collect()
    }
}
