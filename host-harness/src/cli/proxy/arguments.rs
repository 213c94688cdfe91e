//! The arguments of `meshspan proxy` as typed, and what they mean.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    thread::available_parallelism,
};

use clap::{Args, ValueEnum};
use meshspan::{
    proxy::{Cluster, Collector, Endpoint, Protocol, ProxyOptions, RecordOptions},
    tls::{ANY_HTTP, Acceptor, ServerFiles},
};

use crate::cli::{
    args::{OnFailure, OtlpArgs, Output, RedactArgs},
    cache::CacheArgs,
    clock,
    error::CliError,
    save::{self, Content, Lines, Named},
    values::{address, size},
};

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Where requests go on to: http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Endpoint,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// As --listen 127.0.0.1:PORT
    #[arg(long, value_name = "PORT", conflicts_with = "listen")]
    pub(crate) port: Option<u16>,
    /// The filter's configuration [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Another filter than the one that this program carries
    #[arg(long, value_name = "WASM")]
    pub(crate) filter: Option<PathBuf>,
    /// Which of a workload's two sidecars this is, as the filter sees it
    #[arg(long, value_enum, default_value_t = Direction::Inbound, value_name = "DIRECTION")]
    pub(crate) direction: Direction,
    /// Where the filter's calls to a cluster go; may be given several times
    #[arg(long = "cluster", value_name = "NAME=URL", value_parser = cluster)]
    pub(crate) clusters: Vec<(String, Endpoint)>,
    #[command(flatten)]
    pub(crate) otlp: OtlpArgs,
    /// A variable of the filter's environment; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) environment: Vec<(String, String)>,
    /// The filter's root id, for a module that holds several
    #[arg(long, default_value = "", value_name = "ID", hide_default_value = true)]
    pub(crate) root_id: String,
    /// What becomes of traffic when the filter fails
    #[arg(long, value_enum, default_value_t = OnFailure::Open, value_name = "POLICY")]
    pub(crate) on_failure: OnFailure,
    /// Which HTTP the upstream is spoken to in
    #[arg(long, value_enum, default_value_t = UpstreamProtocol::Same, value_name = "PROTOCOL")]
    pub(crate) upstream_protocol: UpstreamProtocol,
    /// Threads, each with a VM of its own [default: one a processor]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// The most bytes of a body that the filter may hold; over HTTP/2 16 MiB at least, as in Envoy
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size::<usize>)]
    pub(crate) buffer_limit: usize,
    /// The most connections at once; more wait
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_connections: usize,
    /// Speak TLS, with this certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Believe the roots in this PEM file instead of the system's, for upstream and clusters
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// Tell numbers for Prometheus here, at /stats/prometheus, and whether the proxy lives, at /healthz
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub(crate) admin: Option<SocketAddr>,
    /// How long requests under way may take after SIGTERM or Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) drain_timeout: u64,
    /// Load filter and configuration anew when their files change, as SIGHUP does
    #[arg(long)]
    pub(crate) watch: bool,
    /// Record what passes, in JSON Lines (`meshspan schema exchange`), behind what a recording of that name has; a file
    /// of another kind is not written
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Whom the recording names as the sender
    #[arg(long, value_name = "NAME", default_value = "client")]
    pub(crate) record_source: String,
    /// Whom the recording names as the receiver
    #[arg(long, value_name = "NAME", default_value = "server")]
    pub(crate) record_destination: String,
    /// Record bodies, too, up to this size; of a longer one only the size
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size::<u64>)]
    pub(crate) record_bodies: u64,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// How to print what was done, at the end
    #[arg(short, long, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// A workload's sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// In front of the workload
    Inbound,
    /// Behind it, in front of those that it calls
    Outbound,
}

/// Which HTTP the upstream is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UpstreamProtocol {
    /// What the client used; over TLS, what the upstream chooses
    Same,
    Http1,
    /// Without TLS by prior knowledge
    Http2,
}

impl ProxyArgs {
    /// Everything but the filter.
    pub(super) fn options(
        &self,
        exports_to: &str,
        collector: Option<&Collector>,
    ) -> Result<ProxyOptions, CliError> {
        let given = self.clusters.iter().map(|(name, url)| (name.clone(), Cluster::from(url.clone())));
        let mut clusters: BTreeMap<String, Cluster> = given.collect();
        if let Some(collector) = collector {
            clusters.entry(exports_to.to_owned()).or_insert_with(|| collector.cluster.clone());
        }
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        let files = files.map(|(certificate, key)| ServerFiles { certificate, key, clients: None });
        let tls = files.map(|files| Acceptor::new(files, &ANY_HTTP)).transpose();
        let port = self.port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Ok(ProxyOptions {
            listen: port.unwrap_or(self.listen),
            protocol: match self.upstream_protocol {
                UpstreamProtocol::Same => Protocol::Same,
                UpstreamProtocol::Http1 => Protocol::Http1,
                UpstreamProtocol::Http2 => Protocol::Http2,
            },
            clusters,
            tls: tls.map_err(|error| CliError::bad_configuration(error.to_string()))?.map(Arc::new),
            roots: self.upstream_ca.clone(),
            workers: self.workers.or_else(|| available_parallelism().ok().map(Into::into)).unwrap_or(1),
            buffer_limit_bytes: self.buffer_limit,
            max_connections: self.max_connections,
            record: self.record.as_deref().map(|path| self.recording(path)).transpose()?,
            seed: clock::unix_nanos(),
            ..ProxyOptions::new(self.upstream.clone())
        })
    }

    fn recording(
        &self,
        path: &std::path::Path,
    ) -> Result<(Box<dyn std::io::Write + Send>, RecordOptions), CliError> {
        let file = save::open(Named { flag: "--record", path }, Content::Recording, Lines::Stay)?;
        let length = file.metadata().map_err(|error| CliError::write(path, &error))?.len();
        let options = RecordOptions {
            // Those that are there have ids of their own, which are to stay unique.
            id_prefix: if length > 0 {
                format!("{}-", clock::unix_nanos() / 1_000_000)
            } else {
                String::new()
            },
            max_body_bytes: self.record_bodies,
            redactor: self.redact.redactor(),
            ..RecordOptions::new(&self.record_source, &self.record_destination)
        };
        Ok((Box::new(file), options))
    }
}

fn cluster(text: &str) -> Result<(String, Endpoint), String> {
    let (name, url) = variable(text)?;
    Ok((name, url.parse().map_err(|error: meshspan::proxy::EndpointError| error.to_string())?))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} has no name, expected NAME=VALUE")),
    }
}
