//! [`RawConfig`] → [`Config`]: what concerns several keys, or more than their type.

mod sampling;
mod spans;

use std::time::Duration;

use super::environment::Environment;
use super::json::{one_of, refuse_text};
use super::raw::{
    RawConfig, RawDirection, RawExport, RawInject, RawLosingHeaders, RawPropagation, RawProtocol, RawRole,
};
use super::sorted::SortedMap;
use super::{Config, ConfigError, Direction, ExportConfig, ExportProtocol, Role, Warning};
use crate::attributes::route::PathTemplate;
use crate::context::Format;
use crate::otlp;
use crate::propagation::{Inject, LosingHeaders, Propagator};

/// `service.name` if nothing names the service, as OpenTelemetry's resource conventions have it.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Bytes of resource attributes at most: they are part of every request.
const MAX_RESOURCE_BYTES: usize = 48 << 10;

/// Formats by the names that the configuration has for them.
pub(super) const FORMATS: [(&str, Format); 4] = [
    ("tracecontext", Format::TraceContext),
    ("grpc-trace-bin", Format::GrpcTraceBin),
    ("b3", Format::B3),
    ("b3multi", Format::B3Multi),
];

/// The format called `name`.
pub(super) fn format_by_name(name: &str) -> Option<Format> {
    FORMATS.into_iter().find(|(known, _)| *known == name).map(|(_, format)| format)
}

/// Checks `raw`, whose attributes may name variables of `env`.
pub(super) fn check(
    raw: &RawConfig,
    env: &Environment<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Config, Box<ConfigError>> {
    if raw.propagation.extract.is_empty() {
        let problem = "is empty: no context is read, all requests are untraced or roots".to_owned();
        warnings.push(Warning::Ignored { name: "propagation.extract".to_owned(), problem });
    }
    Ok(Config {
        propagator: propagator(&raw.propagation)?,
        resource: resource(raw)?,
        start_traces: raw.start_traces,
        direction: match raw.direction {
            RawDirection::Auto => None,
            RawDirection::Inbound => Some(Direction::Inbound),
            RawDirection::Outbound => Some(Direction::Outbound),
        },
        role: match raw.role {
            RawRole::Both => Role::Both,
            RawRole::Server => Role::Server,
            RawRole::Client => Role::Client,
        },
        sampler: sampling::sampler(&raw.sampling, warnings)?,
        path_templates: path_templates(&raw.spans.path_templates)?,
        shape: spans::shape(&raw.spans, env, warnings)?,
        phases: raw.spans.phases,
        export: export(&raw.export, warnings)?,
    })
}

fn path_templates(raw: &[String]) -> Result<Vec<PathTemplate>, Box<ConfigError>> {
    let parse = |(i, text): (usize, &String)| path_template(&format!("spans.path_templates[{i}]"), text);
    raw.iter().enumerate().map(parse).collect()
}

fn path_template(path: &str, text: &str) -> Result<PathTemplate, Box<ConfigError>> {
    PathTemplate::parse(text).map_err(|error| {
        let allowed = format!("a path such as \"/users/{{id}}\"; it {error}");
        refuse_text(path, text, &allowed)
    })
}

fn propagator(raw: &RawPropagation) -> Result<Propagator, Box<ConfigError>> {
    let inject = match &raw.inject {
        RawInject::Same(same) if same == "same" => Inject::Same,
        RawInject::Same(other) => {
            let found = other.as_str();
            return Err(refuse_text("propagation.inject", found, r#""same" or a list of formats"#));
        }
        RawInject::Formats(names) => Inject::Formats(formats("propagation.inject", names)?),
    };
    let losing_headers = match raw.losing_headers {
        RawLosingHeaders::RemoveOtherTrace => LosingHeaders::RemoveOtherTrace,
        RawLosingHeaders::Leave => LosingHeaders::Leave,
        RawLosingHeaders::Rewrite => LosingHeaders::Rewrite,
    };
    Ok(Propagator { extract: formats("propagation.extract", &raw.extract)?, inject, losing_headers })
}

fn formats(path: &str, names: &[String]) -> Result<Vec<Format>, Box<ConfigError>> {
    let mut formats = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let Some(format) = format_by_name(name) else {
            let expected = one_of(&FORMATS.map(|(known, _)| known));
            return Err(refuse_text(&format!("{path}[{i}]"), name.as_str(), &expected));
        };
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    Ok(formats)
}

fn resource(raw: &RawConfig) -> Result<Vec<(String, String)>, Box<ConfigError>> {
    let mut resource = raw.resource.clone();
    if resource.get("").is_some() {
        return Err(refuse_text("resource", "", "keys that are not empty"));
    }
    let service = raw.service.name.clone().filter(|name| !name.is_empty());
    let own = [
        ("service.name", Some(service.unwrap_or_else(|| UNKNOWN_SERVICE.to_owned()))),
        ("service.namespace", raw.service.namespace.clone().filter(|name| !name.is_empty())),
        ("service.instance.id", raw.service.instance.clone().filter(|id| !id.is_empty())),
        ("telemetry.sdk.language", Some("rust".to_owned())),
        ("telemetry.sdk.name", Some(otlp::SCOPE_NAME.to_owned())),
        ("telemetry.sdk.version", Some(otlp::VERSION.to_owned())),
    ];
    for (key, value) in own {
        if let Some(value) = value {
            resource.insert(key.to_owned(), value);
        }
    }
    let bytes: usize = resource.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_RESOURCE_BYTES {
        let expected = format!("at most {MAX_RESOURCE_BYTES} bytes of keys and values");
        return Err(refuse_text("resource", &format!("{bytes} bytes long"), &expected));
    }
    Ok(resource.into_pairs())
}

fn export(raw: &RawExport, warnings: &mut Vec<Warning>) -> Result<ExportConfig, Box<ConfigError>> {
    let mut warn = |name: &str, problem: String| {
        warnings.push(Warning::Ignored { name: name.to_owned(), problem });
    };
    let mut cluster = raw.cluster.clone();
    if cluster.is_empty() {
        cluster = RawExport::default().cluster;
        warn("export.cluster", format!("is empty: spans go to the cluster {cluster}"));
    }
    if !raw.path.starts_with('/') {
        return Err(refuse_text("export.path", raw.path.as_str(), "a path that begins with /"));
    }
    let max_batch_spans = raw.max_batch_spans.min(raw.max_queue_spans);
    if max_batch_spans < raw.max_batch_spans {
        let problem = format!(
            "is {}, more than export.max_queue_spans: {max_batch_spans} is used",
            raw.max_batch_spans
        );
        warn("export.max_batch_spans", problem);
    }
    Ok(ExportConfig {
        authority: match &raw.authority {
            Some(authority) if !authority.is_empty() => authority.clone(),
            _ => host_of(&cluster).to_owned(),
        },
        cluster,
        protocol: match raw.protocol {
            RawProtocol::Grpc => ExportProtocol::Grpc,
            RawProtocol::Http => ExportProtocol::Http,
        },
        path: raw.path.clone(),
        headers: headers(&raw.headers)?,
        timeout: Duration::from_millis(raw.timeout_ms),
        max_batch_spans: size(max_batch_spans),
        max_delay: Duration::from_millis(raw.max_delay_ms),
        max_queue_spans: size(raw.max_queue_spans),
        max_queue_bytes: size(raw.max_queue_bytes),
        max_attempts: u32::try_from(raw.max_attempts).unwrap_or(u32::MAX),
    })
}

/// The host in Istio's names of clusters, such as `outbound|4317||otel.tracing.svc.cluster.local`, which are no
/// authority: collectors and proxies before them refuse `|` there. Other names as they are.
fn host_of(cluster: &str) -> &str {
    cluster.rsplit('|').next().filter(|host| !host.is_empty()).unwrap_or(cluster)
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Header names in lower case. The exporter's own headers cannot be replaced.
fn headers(raw: &SortedMap<String>) -> Result<Vec<(String, String)>, Box<ConfigError>> {
    const OWN: [&str; 4] = ["content-type", "content-length", "te", "host"];
    let mut headers = SortedMap::new();
    for (name, value) in raw.iter() {
        let path = format!("export.headers.{name}");
        let name = name.to_ascii_lowercase();
        if !is_header_name(&name) || OWN.contains(&name.as_str()) {
            return Err(refuse_text(&path, &name, "a header name that is not the exporter's own"));
        }
        if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            let found = "a value that is not shown";
            return Err(refuse_text(&path, found, "printable ASCII"));
        }
        headers.insert(name, value.clone());
    }
    Ok(headers.into_pairs())
}

/// Whether `name` is a `token`, RFC 9110 §5.6.2.
fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}
