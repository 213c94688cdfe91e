//! The arguments of `meshspan doctor`.

use std::{convert::Infallible, path::PathBuf};

use clap::{ArgGroup, Args};
use http::Uri;
use meshspan::topology::COLLECTOR;
use meshspan::traffic::Input;

use super::{Output, replay::Direction, traffic::TrafficArgs};
use crate::cli::cache::CacheArgs;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("patient").required(true).multiple(true))]
pub(crate) struct DoctorArgs {
    /// Recorded traffic, which is replayed through the filter; `-` is standard input
    #[arg(
        group = "patient",
        conflicts_with_all = ["proxy", "send"],
        value_name = "FILE",
        value_parser = |text: &str| Ok::<_, Infallible>(Input::from(text))
    )]
    pub(crate) files: Vec<Input>,
    /// The plugin's configuration that FILE is replayed with [default: none]
    #[arg(long, value_name = "FILE", requires = "files")]
    pub(crate) config: Option<PathBuf>,
    /// Which way the traffic of FILE goes through the proxy
    #[arg(long, value_enum, default_value_t = Direction::Inbound, value_name = "DIRECTION")]
    pub(crate) direction: Direction,
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    /// A running proxy's numbers for Prometheus, such as http://127.0.0.1:9901 of Envoy's admin,
    /// http://127.0.0.1:15090 of Istio's sidecar or what `meshspan proxy --admin` says; /stats/prometheus is
    /// appended
    #[arg(long, group = "patient", value_name = "URL", value_parser = url)]
    pub(crate) proxy: Option<Uri>,
    /// The proxy's cluster that the filter exports through, as export.cluster in its configuration
    #[arg(long, value_name = "NAME", default_value = COLLECTOR)]
    pub(crate) cluster: String,
    /// Send a GET with a sampled trace context to this address, through the proxy, and follow its spans
    #[arg(long, group = "patient", value_name = "URL", value_parser = url)]
    pub(crate) send: Option<Uri>,
    /// Who shows the traces: this program's page, Jaeger, or whatever has Jaeger's query API
    #[arg(long, group = "patient", value_name = "URL", value_parser = url)]
    pub(crate) traces: Option<Uri>,
    /// The store of `meshspan collect`, also while it runs
    #[arg(long, group = "patient", value_name = "FILE", conflicts_with = "traces")]
    pub(crate) store: Option<PathBuf>,
    /// How long to wait for spans that are on their way
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) wait: u64,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

fn url(text: &str) -> Result<Uri, String> {
    let wrong = || format!("expected a URL such as http://127.0.0.1:9901, found {text:?}");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some("https"), Some(_)) => {
            Err("https is not asked: give an address behind the TLS, on loopback".to_owned())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_whole_url() {
        assert!(url("http://127.0.0.1:9901").is_ok());
        assert!(url("https://x").unwrap_err().contains("behind the TLS"));
        for wrong in ["127.0.0.1:9901", "localhost", "ftp://x", "http://", "http:// "] {
            assert!(url(wrong).unwrap_err().starts_with("expected a URL"), "{wrong}");
        }
    }
}
