//! Where and how to export: flags and the standard `OTEL_EXPORTER_OTLP_*` variables → [`ExporterConfig`].
//! Precedence: flag, then the `TRACES_` form of a variable, then its general form, then the default.
//! Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
//! `OTEL_EXPORTER_OTLP_ENDPOINT=http://otel:4318` → `POST http://otel:4318/v1/traces`

mod endpoint;

use std::{
    str::FromStr,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::RetryPolicy;
use endpoint::Form;

const GENERAL_PREFIX: &str = "OTEL_EXPORTER_OTLP_";
const TRACES_PREFIX: &str = "OTEL_EXPORTER_OTLP_TRACES_";
const ENDPOINT_FLAG: &str = "--otlp-endpoint";

/// The port on which collectors take OTLP/gRPC.
const GRPC_PORT: u16 = 4317;

/// How long one attempt may take, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The SDK's largest batch.
const MAX_BATCH_SPANS: usize = 512;

/// Collectors take 4 MiB by default; the rest is room for framing.
const MAX_BATCH_BYTES: usize = (4 << 20) - (64 << 10);

/// How OTLP is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    HttpProtobuf,
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::HttpProtobuf),
            _ => Err(format!("the protocol is {text:?}, expected grpc or http/protobuf")),
        }
    }
}

/// Whether request bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `none`
    None,
    /// `gzip`
    Gzip,
}

/// What the command line says about the export; it beats every variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportFlags {
    /// As the general form of the variable: `v1/traces` is appended for HTTP.
    pub endpoint: Option<String>,
    /// `None`: from the environment, or by the endpoint's port.
    pub protocol: Option<Protocol>,
}

/// Why the settings cannot be used. Values of headers are never shown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that the setting does not take.
    #[error("{setting} is {found:?}, expected {expected}")]
    Invalid {
        /// The flag or variable.
        setting: String,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// An endpoint that needs TLS.
    #[error("{setting} is {found:?}: TLS comes later; use http://")]
    Tls {
        /// The flag or variable.
        setting: String,
        /// Its value.
        found: String,
    },
    /// An endpoint with a user name or password in it.
    #[error("{setting} holds credentials: give them in OTEL_EXPORTER_OTLP_HEADERS, as authorization=…")]
    Credentials {
        /// The flag or variable.
        setting: String,
    },
    /// An entry of the headers that is none.
    #[error("{setting}: entry {entry} {problem}, expected name=value,name=value with values percent-encoded")]
    Header {
        /// The variable.
        setting: String,
        /// Counted from 1.
        entry: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// All that an exporter needs to know.
#[derive(Clone, Debug)]
pub struct ExporterConfig {
    /// Complete: for HTTP the address that is posted to.
    pub endpoint: Uri,
    /// How OTLP is carried.
    pub protocol: Protocol,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// For one attempt.
    pub timeout: Duration,
    /// Of request bodies.
    pub compression: Compression,
    /// Spans in one request, at most.
    pub max_batch_spans: usize,
    /// Bytes in one request before compression, at most.
    pub max_batch_bytes: usize,
    /// What happens when an attempt fails.
    pub retry: RetryPolicy,
    /// Of the jitter between retries.
    pub seed: u64,
    /// Read when a collector names a date to come back at.
    pub wall_clock: fn() -> SystemTime,
}

impl ExporterConfig {
    /// The configuration that `flags` and the environment give; `None` if neither names an endpoint.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that cannot be used.
    pub fn from_env(
        flags: &ExportFlags,
        wall_clock: fn() -> SystemTime,
    ) -> Result<Option<ExporterConfig>, ConfigError> {
        Self::resolve(flags, &|name| std::env::var(name).ok(), wall_clock)
    }

    /// As [`from_env`](Self::from_env), with the environment given as a function.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that cannot be used.
    pub fn resolve(
        flags: &ExportFlags,
        env: &dyn Fn(&str) -> Option<String>,
        wall_clock: fn() -> SystemTime,
    ) -> Result<Option<ExporterConfig>, ConfigError> {
        let env = Environment(env);
        let (setting, form) = match &flags.endpoint {
            Some(url) => (Setting::new(ENDPOINT_FLAG, url), Form::General),
            None => match env.lookup("ENDPOINT") {
                Some(setting) if setting.name.starts_with(TRACES_PREFIX) => (setting, Form::Traces),
                Some(setting) => (setting, Form::General),
                None => return Ok(None),
            },
        };
        let named = match flags.protocol {
            Some(protocol) => Some(protocol),
            None => env.parsed("PROTOCOL", "grpc or http/protobuf", |text| text.parse().ok())?,
        };
        let insecure = env.parsed("INSECURE", "true or false", boolean)?.unwrap_or(false);
        let (endpoint, protocol) = endpoint::resolve(&setting, form, named, insecure)?;
        Ok(Some(ExporterConfig {
            endpoint,
            protocol,
            headers: env
                .lookup("HEADERS")
                .map_or_else(|| Ok(HeaderMap::new()), |setting| headers(&setting))?,
            timeout: env.parsed("TIMEOUT", "milliseconds, 1 or more", millis)?.unwrap_or(DEFAULT_TIMEOUT),
            compression: env.parsed("COMPRESSION", "gzip or none", compression)?.unwrap_or(Compression::None),
            max_batch_spans: MAX_BATCH_SPANS,
            max_batch_bytes: MAX_BATCH_BYTES,
            retry: RetryPolicy::default(),
            seed: 0,
            wall_clock,
        }))
    }
}

/// A setting and where it was found.
struct Setting {
    name: String,
    value: String,
}

impl Setting {
    fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.trim().to_owned() }
    }

    fn invalid(&self, expected: &'static str) -> ConfigError {
        ConfigError::Invalid { setting: self.name.clone(), found: self.value.clone(), expected }
    }
}

struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// The traces form, else the general one. Empty is unset.
    fn lookup(&self, name: &str) -> Option<Setting> {
        [TRACES_PREFIX, GENERAL_PREFIX].into_iter().find_map(|prefix| {
            let name = format!("{prefix}{name}");
            let value = (self.0)(&name)?;
            (!value.trim().is_empty()).then(|| Setting::new(&name, &value))
        })
    }

    fn parsed<T>(
        &self,
        name: &str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(setting) = self.lookup(name) else { return Ok(None) };
        parse(&setting.value).map(Some).ok_or_else(|| setting.invalid(expected))
    }
}

fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().filter(|&millis| millis > 0).map(Duration::from_millis)
}

fn compression(text: &str) -> Option<Compression> {
    match text {
        "none" => Some(Compression::None),
        "gzip" => Some(Compression::Gzip),
        _ => None,
    }
}

/// `name=value,name=value`, percent-encoded as in W3C Baggage but without properties.
fn headers(setting: &Setting) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    let entries = setting.value.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
    for (index, entry) in entries {
        let bad = |problem| ConfigError::Header { setting: setting.name.clone(), entry: index + 1, problem };
        let (name, value) = entry.split_once('=').ok_or_else(|| bad("has no '='"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad("has no header's name"))?;
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| bad("has no header's value"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
