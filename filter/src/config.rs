//! The plugin's configuration: [`RawConfig`] as written, [`Config`] as checked.
//! Nothing downstream of [`Config`] checks anything again.
//! `{"export": {"cluster": "otel_collector"}}` → all defaults, spans go to that cluster

mod check;
mod environment;
mod json;
mod node;
mod protobuf_struct;
mod raw;
#[cfg(not(target_arch = "wasm32"))]
mod schema;
mod sorted;
#[cfg(not(target_arch = "wasm32"))]
mod variables;

use std::fmt;
use std::time::Duration;

use crate::attributes::custom::SpanShape;
use crate::attributes::route::PathTemplate;
use crate::batch::BatchLimits;
use crate::propagation::Propagator;
use crate::sampler::Sampler;

use environment::Environment;
pub use node::Node;
pub use raw::{
    RawAttribute, RawConfig, RawDecision, RawDirection, RawExport, RawHeaderMatch, RawInject,
    RawLosingHeaders, RawMatch, RawMatchDirection, RawMethods, RawNames, RawPlace, RawPropagation,
    RawProtocol, RawQuery, RawRole, RawRule, RawSampling, RawService, RawSource, RawSpans,
};
#[cfg(not(target_arch = "wasm32"))]
pub use schema::{reference, schema};
pub use sorted::SortedMap;
#[cfg(not(target_arch = "wasm32"))]
pub use variables::variables;

/// The configuration, valid.
#[derive(Clone, Debug)]
pub struct Config {
    /// What spans say of their origin: service, the configured attributes and `telemetry.sdk.*`;
    /// keys are unique and sorted.
    pub resource: Vec<(String, String)>,
    /// Whether a request without context starts a trace.
    pub start_traces: bool,
    /// Which way the traffic goes; none means as the listener says.
    pub direction: Option<Direction>,
    /// Which spans are recorded.
    pub role: Role,
    /// Which headers carry context.
    pub propagator: Propagator,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// Paths that name spans; the first that fits counts.
    pub path_templates: Vec<PathTemplate>,
    /// What spans say beyond the conventions.
    pub shape: SpanShape,
    /// Whether spans have events for the request's end and the response's start.
    pub phases: bool,
    /// Where spans go.
    pub export: ExportConfig,
}

impl Config {
    /// Checks the configuration `json`, which may be empty or the same in a binary
    /// `google.protobuf.Struct`, over the variables `env` of the VM, over
    /// the defaults: what is in an earlier one counts.
    ///
    /// # Errors
    /// [`ConfigError`] if `json` is no JSON, or a value has the wrong type or is out of range. What
    /// is wrong in `env`, and keys that are not known, only give warnings.
    pub fn parse(json: &[u8], env: &[(String, String)]) -> Result<(Self, Vec<Warning>), ConfigError> {
        Self::parse_on(&Node::default(), json, env)
    }

    /// As [`Config::parse`], in a proxy that says of itself what `node` says, which counts after `env`.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn parse_on(
        node: &Node,
        json: &[u8],
        env: &[(String, String)],
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let env = Environment::new(env);
        let mut warnings = Vec::new();
        let mut raw = RawConfig::default();
        node.apply(&mut raw, &mut warnings);
        env.apply(&mut raw, &mut warnings);
        json::apply(json, &env, &mut raw, &mut warnings).map_err(|error| *error)?;
        let mut config = check::check(&raw, &env, &mut warnings).map_err(|error| *error)?;
        if env.is_disabled() {
            config.disable();
        }
        Ok((config, warnings))
    }

    /// Makes sure that no request is ever traced, nor its headers touched.
    fn disable(&mut self) {
        self.start_traces = false;
        self.propagator.extract.clear();
    }
}

/// Which way traffic goes past the proxy, seen from the workload beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

impl Direction {
    /// The value of the attribute `direction`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }

    /// What Envoy's property `xds.listener_direction` says; 0 is unspecified.
    pub const fn from_listener(direction: i64) -> Option<Self> {
        match direction {
            1 => Some(Self::Inbound),
            2 => Some(Self::Outbound),
            _ => None,
        }
    }
}

/// Which of a request's spans one plugin records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The SERVER and the CLIENT span.
    Both,
    /// The SERVER span.
    Server,
    /// The CLIENT span of one attempt.
    Client,
}

impl Role {
    /// Spans of one request.
    pub const fn spans(self) -> u64 {
        match self {
            Self::Both => 2,
            Self::Server | Self::Client => 1,
        }
    }

    /// Whether there is a SERVER span.
    pub const fn has_server(self) -> bool {
        !matches!(self, Self::Client)
    }

    /// Whether there is a CLIENT span.
    pub const fn has_client(self) -> bool {
        !matches!(self, Self::Server)
    }
}

/// How spans go to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportProtocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    Http,
}

/// Where spans go, and within which bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportConfig {
    /// The proxy's cluster; never empty.
    pub cluster: String,
    /// The protocol that the cluster speaks.
    pub protocol: ExportProtocol,
    /// The path of OTLP/HTTP; begins with `/`.
    pub path: String,
    /// The `:authority` of the requests; the cluster's name, or the host in it, unless configured.
    pub authority: String,
    /// Further headers or metadata, names in lower case.
    pub headers: Vec<(String, String)>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Spans in one request at most; never more than `max_queue_spans`.
    pub max_batch_spans: usize,
    /// How long a span waits for its batch to fill.
    pub max_delay: Duration,
    /// Spans that wait at most.
    pub max_queue_spans: usize,
    /// Bytes of spans that wait at most.
    pub max_queue_bytes: usize,
    /// How often one batch is sent at most.
    pub max_attempts: u32,
}

impl ExportConfig {
    /// The bounds of the queue before the export.
    pub fn limits(&self) -> BatchLimits {
        BatchLimits {
            max_batch_spans: self.max_batch_spans,
            max_delay: self.max_delay,
            max_queue_spans: self.max_queue_spans,
            max_queue_bytes: self.max_queue_bytes,
        }
    }
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON.
    #[error("configuration is not valid JSON at line {line}, column {column}: {problem}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        problem: &'static str,
    },
    /// A `google.protobuf.Struct` in binary, malformed.
    #[error("configuration is a binary google.protobuf.Struct, but {0}")]
    Struct(&'static str),
    /// A value of the wrong type or out of range.
    #[error("{path} is {found}, expected {expected}")]
    Value {
        /// The key with all keys around it.
        path: String,
        /// The value as JSON, shortened.
        found: String,
        /// What would do.
        expected: String,
    },
}

/// What is wrong with a configuration that works nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that means nothing.
    UnknownKey {
        /// The key with all keys around it.
        path: String,
        /// The most similar key that is known, or all of them.
        hint: String,
    },
    /// A value that cannot count.
    Ignored {
        /// The key or the environment variable.
        name: String,
        /// Why, and what is used instead.
        problem: String,
    },
}

impl Warning {
    /// Whether it is about what the proxy says of itself.
    pub fn is_of_node(&self) -> bool {
        matches!(self, Self::Ignored { name, .. } if name.starts_with(node::WARNING))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::UnknownKey { path, hint } => format!("unknown key {path} is ignored, {hint}"),
            Self::Ignored { name, problem } => format!("{name} {problem}"),
        };
        f.write_str(&one_line(&text, 500))
    }
}

/// At most `length` characters of `text`, which may be anybody's, fit for one line of a log.
pub(crate) fn one_line(text: &str, length: usize) -> String {
    let mut chars = text.chars();
    let shown = chars.by_ref().take(length).map(|char| if char.is_control() { ' ' } else { char });
    let mut line: String = shown.collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
