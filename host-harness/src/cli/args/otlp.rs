//! Where spans are sent, and how, for every command that exports; each flag beats the variable of its kind.

use std::path::PathBuf;

use clap::Args;
use meshspan::{
    export::{ExportFlags, ExporterConfig, Protocol},
    tls::Identity,
};

use crate::cli::{clock, error::CliError};

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OtlpArgs {
    /// Export to this collector, as OTEL_EXPORTER_OTLP_ENDPOINT does: for HTTP, v1/traces is appended. Headers,
    /// compression and time-out are OTEL_EXPORTER_OTLP_HEADERS, _COMPRESSION and _TIMEOUT
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// grpc, http/protobuf or http/json [default: OTEL_EXPORTER_OTLP_PROTOCOL, else grpc on port 4317, else
    /// http/protobuf]
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) otlp_protocol: Option<Protocol>,
    #[command(flatten)]
    pub(crate) tls: OtlpTlsArgs,
}

/// TLS to the collector.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OtlpTlsArgs {
    /// The authorities that the collector's certificate may be from, in PEM [default:
    /// OTEL_EXPORTER_OTLP_CERTIFICATE, else the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) otlp_ca: Option<PathBuf>,
    /// The own certificate in PEM, for mutual TLS [default: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE]
    #[arg(long, value_name = "FILE")]
    pub(crate) otlp_cert: Option<PathBuf>,
    /// Its key in PEM [default: OTEL_EXPORTER_OTLP_CLIENT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) otlp_key: Option<PathBuf>,
    /// Who the collector must be: a DNS name, a SPIFFE id, or as Linkerd has it
    /// serviceAccountName=NAME,namespace=NAME[,trustDomain=NAME] [default: whoever holds the endpoint's name]
    #[arg(long, value_name = "IDENTITY")]
    pub(crate) otlp_identity: Option<Identity>,
}

impl OtlpArgs {
    /// What flags and environment say together; `None` if neither names an endpoint.
    pub(crate) fn config(&self) -> Result<Option<ExporterConfig>, CliError> {
        if std::env::var_os("OTEL_CONFIG_FILE").is_some() {
            tracing::warn!("OTEL_CONFIG_FILE is not read; the other OTEL_EXPORTER_OTLP_* variables are");
        }
        ExporterConfig::from_env(&self.flags(), clock::now)
            .map_err(|error| CliError::bad_configuration(error.to_string()))
    }

    fn flags(&self) -> ExportFlags {
        let OtlpTlsArgs { otlp_ca, otlp_cert, otlp_key, otlp_identity } = self.tls.clone();
        ExportFlags {
            endpoint: self.otlp_endpoint.clone(),
            protocol: self.otlp_protocol,
            certificate: otlp_ca,
            client_certificate: otlp_cert,
            client_key: otlp_key,
            identity: otlp_identity,
        }
    }
}
