//! A worker's thread, from its start to its end.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::callout::Clusters;
use super::cluster::{Cluster, Route};
use super::program::Program;
use super::record::Recorder;
use super::stats::Counts;
use super::upstream::Pool;
use super::worker::{Ended, Message, Worker};
use super::{ProxyError, ProxyOptions};
use crate::tls::TlsError;

/// A worker that runs.
pub(super) struct Running {
    pub(super) messages: mpsc::UnboundedSender<Message>,
    pub(super) thread: JoinHandle<Ended>,
    pub(super) worker: Arc<Worker>,
}

impl Running {
    /// # Errors
    /// [`ProxyError`] if the filter does not start or there is no thread to be had.
    pub(super) fn start(
        program: &Arc<Program>,
        options: &ProxyOptions,
        counts: &Arc<Counts>,
        recorder: Option<Arc<Recorder>>,
    ) -> Result<Self, ProxyError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ProxyError::Thread)?;
        let clusters = Arc::new(clusters(options)?);
        let guest = {
            let _entered = runtime.enter();
            program.start(&clusters)?
        };
        let mut files = options.upstream_tls.clone().unwrap_or_default();
        files.roots = files.roots.or_else(|| options.roots.clone());
        let worker = Arc::new(Worker {
            upstream: Arc::new(Pool::new(options.upstream.clone(), options.protocol, files)?),
            buffer_limit_bytes: options.buffer_limit_bytes,
            counts: Arc::clone(counts),
            recorder,
            clusters,
            tls: options.tls.clone(),
            takes_plain_text: options.takes_plain_text,
            guest: Mutex::new(guest),
            leaving: Mutex::default(),
            retired: Mutex::default(),
        });
        let (messages, inbox) = mpsc::unbounded_channel();
        let (theirs, program) = (Arc::clone(&worker), Arc::clone(program));
        let thread = std::thread::Builder::new()
            .name("meshspan-worker".to_owned())
            .spawn(move || runtime.block_on(theirs.run(program, inbox)))
            .map_err(ProxyError::Thread)?;
        Ok(Self { messages, thread, worker })
    }
}

fn clusters(options: &ProxyOptions) -> Result<Clusters, TlsError> {
    let route = |(name, cluster): (&String, &Cluster)| {
        Ok((name.clone().into_bytes(), Arc::new(Route::new(cluster, options.roots.as_deref())?)))
    };
    options.clusters.iter().map(route).collect()
}
