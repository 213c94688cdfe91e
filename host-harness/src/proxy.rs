//! `meshspan proxy`: a live reverse proxy that runs a filter on what passes, in the place of Envoy.
//!
//! | module | what it owns |
//! |---|---|
//! | `listener`, `running`, `worker`, `program` | a thread, its runtime, its clients' connections |
//! | `exchange`, `passage`, `lanes` | one request with its response: pieces between client, filter, upstream |
//! | `guest`, `calls`, `callout`, `grpc_stream` | the filter's VM, its ticks, its own calls |
//! | `cluster`, `collector` | where those calls go, and what is added to them |
//! | `upstream`, `endpoint`, `tunnel`, `wire`, `body` | connections and what is on them |
//! | `breach`, `watched` | how they end |
//! | `record`, `tape` | the recording |
//!
//! Headers of one connection (RFC 9110 §7.6.1) stay there; all else goes on as it came, but for what the
//! filter changes. Names are in lower case, as in Envoy.
//!
//! client ─▶ `worker` ─▶ `exchange` ⇄ `guest` (flow, vm) ─▶ `upstream`

mod body;
mod breach;
mod callout;
mod calls;
mod clock;
mod cluster;
mod collector;
mod endpoint;
mod exchange;
mod grpc_stream;
mod guest;
mod lanes;
mod limits;
mod listener;
mod passage;
mod program;
mod properties;
mod record;
mod running;
mod stats;
mod tape;
mod tunnel;
mod upstream;
mod watched;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

pub use callout::MAX_ANSWER_BYTES;
pub use cluster::Cluster;
pub use collector::Collector;
pub use endpoint::{Endpoint, EndpointError};
pub use program::Program;
pub use record::RecordOptions;
pub use stats::ProxyStats;
pub use upstream::Protocol;

use crate::flow::DEFAULT_BUFFER_LIMIT_BYTES;
use crate::tls::{Acceptor, ClientFiles, TlsError};
use crate::vm::VmError;
use listener::Listener;
use record::Recorder;
use running::Running;
use stats::Counts;
use worker::{Message, Worker};

/// How a proxy is set up; [`ProxyOptions::new`] has a default for everything but the upstream.
pub struct ProxyOptions {
    /// Where it listens; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Where requests go.
    pub upstream: Endpoint,
    /// Which HTTP is spoken there.
    pub protocol: Protocol,
    /// Where the filter's calls go, by the cluster's name.
    pub clusters: BTreeMap<String, Cluster>,
    /// TLS for clients.
    pub tls: Option<Arc<Acceptor>>,
    /// Clients may do without it.
    pub takes_plain_text: bool,
    /// TLS to the upstream, where it is another than to the rest.
    pub upstream_tls: Option<ClientFiles>,
    /// A file with the roots to believe instead of the system's, for upstream and clusters.
    pub roots: Option<PathBuf>,
    /// Threads, each with a VM; at least 1.
    pub workers: usize,
    /// The most bytes of a body that the filter may hold, on each side of an exchange; over HTTP/2 it may hold a
    /// stream's window of 16 MiB in any case, as in Envoy.
    pub buffer_limit_bytes: usize,
    /// The most connections of clients at once; more wait.
    pub max_connections: usize,
    /// Where exchanges are recorded.
    pub record: Option<(Box<dyn Write + Send>, RecordOptions)>,
    /// Seeds the filter's randomness, differently for each VM.
    pub seed: u64,
}

impl ProxyOptions {
    /// A free port of 127.0.0.1, HTTP as the client's, one worker, Envoy's buffer limit of 1 MiB, 10,000
    /// connections.
    pub fn new(upstream: Endpoint) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstream,
            protocol: Protocol::default(),
            clusters: BTreeMap::new(),
            tls: None,
            takes_plain_text: false,
            upstream_tls: None,
            roots: None,
            workers: 1,
            buffer_limit_bytes: DEFAULT_BUFFER_LIMIT_BYTES,
            max_connections: 10_000,
            record: None,
            seed: 0,
        }
    }
}

/// Why a proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The filter does not start.
    #[error(transparent)]
    Filter(#[from] VmError),
    /// A certificate, key or root cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Threads cannot be had.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A reload that did not happen: the filter from before goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter from before goes on: {0}")]
pub struct ReloadError(String);

/// How a proxy came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Drained {
    /// What was done.
    pub stats: ProxyStats,
    /// No exchange was cut off.
    pub is_whole: bool,
    /// The filters have done what they wanted to, such as export their last spans.
    pub is_finished: bool,
}

/// A running proxy. Dropping it ends it at once; [`drain`](Self::drain) ends it in order.
pub struct Proxy {
    address: SocketAddr,
    listener: Listener,
    workers: Vec<Running>,
    counts: Arc<Counts>,
    recording: Option<JoinHandle<()>>,
    clusters: Vec<String>,
    seed: u64,
}

impl Proxy {
    /// Listens, starts the filter in every worker and serves.
    ///
    /// # Errors
    /// [`ProxyError`] if one of these cannot be done.
    pub fn start(program: Program, mut options: ProxyOptions) -> Result<Self, ProxyError> {
        let socket = listener::bind(options.listen)?;
        let counts = Arc::new(Counts::default());
        let (recorder, recording) = match options.record.take() {
            Some((file, record)) => {
                let (recorder, thread) =
                    Recorder::start(file, record, &counts).map_err(ProxyError::Thread)?;
                (Some(Arc::new(recorder)), Some(thread))
            }
            None => (None, None),
        };
        let clusters: Vec<String> = options.clusters.keys().cloned().collect();
        let program = program.prepared(&clusters, options.seed);
        let mut workers = Vec::new();
        for _ in 0..options.workers.max(1) {
            workers.push(Running::start(&program, &options, &counts, recorder.clone())?);
        }
        // The workers' alone: the recording ends with the last of them.
        drop(recorder);
        let senders = workers.iter().map(|worker| worker.messages.clone()).collect();
        let address = socket.local_addr().unwrap_or(options.listen);
        let listener = Listener::start(socket, senders, options.max_connections)?;
        Ok(Self { address, listener, workers, counts, recording, clusters, seed: options.seed })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs another filter, or the same with another configuration, on the requests from now on; those under
    /// way end with the filter that they began with.
    ///
    /// # Errors
    /// [`ReloadError`] if the filter does not start; then nothing has changed.
    pub fn reload(&self, program: Program) -> Result<(), ReloadError> {
        let program = program.prepared(&self.clusters, self.seed);
        // Envoy's canary: what does not start here starts in no worker.
        program.filter.start(program.options.clone()).map_err(|error| ReloadError(error.to_string()))?;
        for worker in &self.workers {
            let (told, started) = oneshot::channel();
            let ended = || ReloadError("a worker has ended".to_owned());
            worker.messages.send(Message::Reload(Arc::clone(&program), told)).map_err(|_| ended())?;
            started.blocking_recv().map_err(|_| ended())?.map_err(ReloadError)?;
        }
        Ok(())
    }

    /// Whence another thread learns what has been done so far, for as long as the proxy runs.
    pub fn watch(&self) -> ProxyWatch {
        let workers = self.workers.iter().map(|running| Arc::downgrade(&running.worker)).collect();
        ProxyWatch { counts: Arc::clone(&self.counts), workers }
    }

    /// Accepts no more connections, lets what is under way come to its end within `limit`, lets the filters
    /// finish and ends.
    pub fn drain(self, limit: Duration) -> Drained {
        self.listener.stop();
        for worker in &self.workers {
            // One that has ended already needs no telling.
            let _ = worker.messages.send(Message::Drain(limit));
        }
        let mut drained = Drained { stats: ProxyStats::default(), is_whole: true, is_finished: true };
        let mut reports = Vec::new();
        for Running { thread, worker, .. } in self.workers {
            let ended = thread.join().unwrap_or_default();
            drained.is_whole &= ended.is_drained;
            drained.is_finished &= ended.is_finished;
            reports.append(&mut *worker.retired.lock().unwrap_or_else(PoisonError::into_inner));
        }
        if let Some(recording) = self.recording {
            drained.is_whole &= recording.join().is_ok();
        }
        drained.stats = self.counts.stats();
        for (plugin, metrics) in reports {
            drained.stats.include(plugin, metrics);
        }
        drained
    }
}

/// A look at a running proxy, which it does not keep from ending. Cheap to clone.
#[derive(Clone)]
pub struct ProxyWatch {
    counts: Arc<Counts>,
    workers: Vec<Weak<Worker>>,
}

impl ProxyWatch {
    /// What has been done so far.
    pub fn stats(&self) -> ProxyStats {
        let mut stats = self.counts.stats();
        for worker in self.workers.iter().filter_map(Weak::upgrade) {
            worker.reports().into_iter().for_each(|(plugin, metrics)| stats.include(plugin, metrics));
        }
        stats
    }
}
