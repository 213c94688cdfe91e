//! Where the filter's spans go: the flags and variables of an export, for a route of the proxy's.

use meshspan::{
    export::{ExportFlags, ExporterConfig, Protocol},
    proxy::Endpoint,
    tls::ClientFiles,
};

use crate::cli::{args::OtlpArgs, clock, error::CliError};

/// The port on which collectors speak OTLP/HTTP.
const OTLP_HTTP_PORT: u16 = 4318;

/// The path that the filter posts to.
const PATH: &str = "/v1/traces";

/// Names of the variable that names a protocol.
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// A collector that the filter can be given.
pub(super) struct Collector {
    pub(super) endpoint: Endpoint,
    pub(super) is_http: bool,
    pub(super) tls: ClientFiles,
}

/// The collector; `None` if nobody named one. It is spoken to in gRPC unless told otherwise, but for the usual
/// port of OTLP/HTTP.
pub(super) fn of(args: &OtlpArgs) -> Result<Option<Collector>, CliError> {
    let mut flags = args.flags();
    let is_named = flags.protocol.is_some()
        || PROTOCOL.iter().any(|name| std::env::var(name).is_ok_and(|value| !value.trim().is_empty()));
    let read = |flags: &ExportFlags| {
        let config = ExporterConfig::from_env(flags, clock::now);
        config.map_err(|error| CliError::bad_configuration(error.to_string()))
    };
    let Some(mut config) = read(&flags)? else { return Ok(None) };
    if !is_named && config.endpoint.port_u16() != Some(OTLP_HTTP_PORT) {
        flags.protocol = Some(Protocol::Grpc);
        config = match read(&flags)? {
            Some(config) => config,
            None => return Ok(None),
        };
    }
    let is_http = config.protocol != Protocol::Grpc;
    if config.protocol == Protocol::HttpJson || (is_http && config.endpoint.path() != PATH) {
        let message = format!("the filter cannot export to {} in {:?}", config.endpoint, config.protocol);
        let help = "it exports OTLP/gRPC, or protobuf to /v1/traces: give the collector's host and port";
        return Err(CliError::bad_configuration(message).help(help));
    }
    let scheme = config.endpoint.scheme_str().unwrap_or("http");
    let authority = config.endpoint.authority().map(ToString::to_string).unwrap_or_default();
    let endpoint = format!("{scheme}://{authority}").parse::<Endpoint>();
    let endpoint = endpoint.map_err(|error| CliError::bad_configuration(error.to_string()))?;
    Ok(Some(Collector { endpoint, is_http, tls: config.tls.unwrap_or_default() }))
}
