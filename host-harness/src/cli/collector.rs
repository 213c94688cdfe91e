//! Where a filter on live traffic exports to: the flags and variables of an export, for a cluster of its proxy.

use meshspan::{
    export::{Compression, ExporterConfig, Protocol, is_set},
    proxy::{Cluster, Collector, Endpoint},
};

use super::{args::OtlpArgs, error::CliError};

/// The port on which collectors speak OTLP/HTTP.
const OTLP_HTTP_PORT: u16 = 4318;

/// The path that the filter posts to.
const PATH: &str = "/v1/traces";

/// The collector; `None` if nobody named one. It is spoken to in gRPC unless told otherwise, but for the usual
/// port of OTLP/HTTP.
pub(crate) fn of(args: &OtlpArgs) -> Result<Option<Collector>, CliError> {
    let Some(config) = args.config()? else { return Ok(None) };
    let is_named = args.otlp_protocol.is_some() || is_set("PROTOCOL");
    let is_http = match config.protocol {
        Protocol::HttpProtobuf if !is_named => config.endpoint.port_u16() == Some(OTLP_HTTP_PORT),
        protocol => protocol != Protocol::Grpc,
    };
    if config.protocol == Protocol::HttpJson || (is_http && config.endpoint.path() != PATH) {
        let message = format!("the filter cannot export to {} in {:?}", config.endpoint, config.protocol);
        let help = "it exports OTLP/gRPC, or protobuf to /v1/traces: give the collector's host and port";
        return Err(CliError::bad_configuration(message).help(help));
    }
    let timeout = is_set("TIMEOUT").then_some(config.timeout);
    Ok(Some(Collector { cluster: cluster(config)?, is_http, timeout }))
}

fn cluster(config: ExporterConfig) -> Result<Cluster, CliError> {
    let scheme = config.endpoint.scheme_str().unwrap_or("http");
    let authority = config.endpoint.authority().map(ToString::to_string).unwrap_or_default();
    let endpoint = format!("{scheme}://{authority}").parse::<Endpoint>();
    Ok(Cluster {
        endpoint: endpoint.map_err(|error| CliError::bad_configuration(error.to_string()))?,
        tls: config.tls.unwrap_or_default(),
        headers: config.headers,
        gzip: config.compression == Compression::Gzip,
    })
}
