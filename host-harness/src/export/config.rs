//! Where and how to export: flags and the standard `OTEL_EXPORTER_OTLP_*` variables → [`ExporterConfig`].
//! Precedence: flag, then the `TRACES_` form of a variable, then its general form, then the default.
//! Variables of the SDK, such as `OTEL_SDK_DISABLED` and `OTEL_TRACES_EXPORTER`, are for programs that trace
//! themselves; this one sends spans because it was asked to.
//! Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
//! `OTEL_EXPORTER_OTLP_ENDPOINT=http://otel:4318` → `POST http://otel:4318/v1/traces`

mod endpoint;
mod settings;
mod tls;

use std::{
    path::PathBuf,
    str::FromStr,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Uri};

use super::RetryPolicy;
use crate::tls::{ClientFiles, Identity};
pub(crate) use endpoint::Form;
use settings::{Environment, TRACES_PREFIX, boolean};
pub(crate) use settings::{Setting, compression, headers, millis};

const ENDPOINT_FLAG: &str = "--otlp-endpoint";
const PROTOCOLS: &str = "grpc, http/protobuf or http/json";

/// The port on which collectors take OTLP/gRPC.
const GRPC_PORT: u16 = 4317;

/// How long one attempt may take, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The SDK's largest batch.
const MAX_BATCH_SPANS: usize = 512;

/// Collectors take 4 MiB by default; the rest is room for framing.
const MAX_BATCH_BYTES: usize = (4 << 20) - (64 << 10);

/// Requests under way at once.
const MAX_IN_FLIGHT: usize = 4;

/// How OTLP is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    HttpProtobuf,
    /// `http/json`
    HttpJson,
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "http/json" => Ok(Self::HttpJson),
            _ => Err(format!("the protocol is {text:?}, expected {PROTOCOLS}")),
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
    /// A PEM file with the authorities to believe.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the own chain, for mutual TLS.
    pub client_certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub client_key: Option<PathBuf>,
    /// Who the collector must be; no variable says so.
    pub identity: Option<Identity>,
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
    /// A collector that must prove who it is, over plain text.
    #[error("{setting} is {found:?}: an identity can be checked with TLS only; use https://")]
    Plain {
        /// The flag or variable.
        setting: String,
        /// Its value.
        found: String,
    },
    /// A certificate without a key, or the reverse.
    #[error("{setting} is set and {missing} is not: mutual TLS needs both")]
    Half {
        /// The flag or variable.
        setting: String,
        /// What goes with it.
        missing: String,
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
    /// `None`: plain text.
    pub tls: Option<ClientFiles>,
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
    /// Requests under way at once, at most, as soon as the collector has taken one.
    pub max_in_flight: usize,
    /// What happens when an attempt fails.
    pub retry: RetryPolicy,
    /// Of the jitter between retries.
    pub seed: u64,
    /// Read when a collector names a date to come back at.
    pub wall_clock: fn() -> SystemTime,
}

/// Whether a variable of the family, such as `TIMEOUT`, is set in either of its forms.
pub fn is_set(name: &str) -> bool {
    Environment(&|name| std::env::var(name).ok()).lookup(name).is_some()
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
        let environment = Environment(env);
        let (setting, form) = match &flags.endpoint {
            Some(url) => (Setting::new(ENDPOINT_FLAG, url), Form::General),
            None => match environment.lookup("ENDPOINT") {
                Some(setting) if setting.name.starts_with(TRACES_PREFIX) => (setting, Form::Traces),
                Some(setting) => (setting, Form::General),
                None => return Ok(None),
            },
        };
        Self::at(&setting, form, flags, env, wall_clock).map(Some)
    }

    /// The configuration for the endpoint in `setting`; its entry in `flags` does not count.
    pub(crate) fn at(
        setting: &Setting,
        form: Form,
        flags: &ExportFlags,
        env: &dyn Fn(&str) -> Option<String>,
        wall_clock: fn() -> SystemTime,
    ) -> Result<ExporterConfig, ConfigError> {
        let env = Environment(env);
        let named = match flags.protocol {
            Some(protocol) => Some(protocol),
            None => env.parsed("PROTOCOL", PROTOCOLS, |text| text.parse().ok())?,
        };
        let insecure = env.parsed("INSECURE", "true or false", boolean)?;
        let (endpoint, protocol) = endpoint::resolve(setting, form, named, insecure)?;
        Ok(ExporterConfig {
            tls: tls::resolve(setting, &endpoint, flags, &env)?,
            endpoint,
            protocol,
            headers: env
                .lookup("HEADERS")
                .map_or_else(|| Ok(HeaderMap::new()), |setting| headers(&setting))?,
            timeout: env.parsed("TIMEOUT", "milliseconds, 1 or more", millis)?.unwrap_or(DEFAULT_TIMEOUT),
            compression: env.parsed("COMPRESSION", "gzip or none", compression)?.unwrap_or(Compression::None),
            max_batch_spans: MAX_BATCH_SPANS,
            max_batch_bytes: MAX_BATCH_BYTES,
            max_in_flight: MAX_IN_FLIGHT,
            retry: RetryPolicy::default(),
            seed: 0,
            wall_clock,
        })
    }
}

#[cfg(test)]
mod tests;
