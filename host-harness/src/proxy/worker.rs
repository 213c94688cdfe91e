//! A worker: a thread with its own runtime, its own VM and its own connections to the upstream. A client's
//! connection stays with its worker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::callout::Clusters;
use super::exchange;
use super::guest::{Guest, Report};
use super::limits::MAX_LIST_BYTES;
use super::properties::Connection;
use super::record::Recorder;
use super::stats::{Counts, count};

use super::program::Program;
use super::upstream::Pool;
use super::watched::Watched;
use crate::tls::{AcceptError, Acceptor};

/// How long a client may take for its TLS handshake, or for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How soon a filter that failed open is started anew; twice as late after each failure, at most a minute.
const RESTART_AFTER: Duration = Duration::from_secs(1);
const RESTART_AT_MOST: Duration = Duration::from_secs(60);
/// How often a worker looks whether its filter has failed.
const WATCH: Duration = Duration::from_millis(100);

/// How long a filter that is replaced may take for what it has begun.
const REPLACED_LIMIT: Duration = Duration::from_secs(60);
/// How long a filter may take for its end once the traffic has ended.
const FINISH_LIMIT: Duration = Duration::from_secs(10);

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// What a worker is told.
pub(super) enum Message {
    /// A client has connected; the permit is given back when it has gone.
    Connection(std::net::TcpStream, SocketAddr, OwnedSemaphorePermit),
    /// Another filter, or configuration, for the requests from now on; tells whether it started.
    Reload(Arc<Program>, tokio::sync::oneshot::Sender<Result<(), String>>),
    /// No connections come any more: end what is under way, within this time.
    Drain(Duration),
}

/// How a worker came to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    /// No exchange was cut off.
    pub(super) is_drained: bool,
    /// The filter has done what it wanted to.
    pub(super) is_finished: bool,
}

/// What the exchanges of a worker share.
pub(super) struct Worker {
    pub(super) upstream: Arc<Pool>,
    pub(super) buffer_limit_bytes: usize,
    pub(super) counts: Arc<Counts>,
    pub(super) recorder: Option<Arc<Recorder>>,
    pub(super) clusters: Arc<Clusters>,
    pub(super) tls: Option<Arc<Acceptor>>,
    pub(super) takes_plain_text: bool,
    pub(super) guest: Mutex<Arc<Guest>>,
    /// Filters that were replaced and are not done yet.
    pub(super) leaving: Mutex<Vec<Arc<Guest>>>,
    /// What VMs that are gone have to say.
    pub(super) retired: Mutex<Vec<Report>>,
}

impl Worker {
    /// The filter for new requests.
    pub(super) fn guest(&self) -> Arc<Guest> {
        Arc::clone(&self.guest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves until it is told to drain, or nobody can tell it anything any more.
    pub(super) async fn run(
        self: Arc<Self>,
        mut program: Arc<Program>,
        mut messages: mpsc::UnboundedReceiver<Message>,
    ) -> Ended {
        let graceful = GracefulShutdown::new();
        let mut watch = Watch::new();
        let mut looks = tokio::time::interval(WATCH);
        let limit = loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Connection(socket, source, permit)) => {
                        let serving = Arc::clone(&self).serve(socket, source, graceful.watcher());
                        tokio::spawn(async move {
                            serving.await;
                            drop(permit);
                        });
                    }
                    Some(Message::Reload(next, told)) => {
                        let started = self.replace(&next);
                        if started.is_ok() {
                            program = next;
                            watch = Watch::new();
                        }
                        // Who asked may have gone.
                        let _ = told.send(started);
                    }
                    Some(Message::Drain(limit)) => break limit,
                    None => break Duration::ZERO,
                },
                _ = looks.tick() => if watch.is_restart_due(&self.guest(), &program) {
                    match self.replace(&program) {
                        Ok(()) => tracing::warn!("the filter was started anew"),
                        Err(error) => tracing::error!("the filter cannot be started anew: {error}"),
                    }
                },
            }
        };
        let is_drained = tokio::time::timeout(limit, graceful.shutdown()).await.is_ok();
        let guest = self.guest();
        // What is left over breaks off when the runtime ends; the filter is still told.
        guest.close_all();
        let is_finished = Arc::clone(&guest).retire(FINISH_LIMIT.min(limit)).await;
        self.keep_stats(&guest);
        Ended { is_drained, is_finished }
    }

    /// Starts another filter for the requests from now on; the one before ends with what it has begun.
    fn replace(self: &Arc<Self>, program: &Program) -> Result<(), String> {
        let next = program.start(&self.clusters).map_err(|error| error.to_string())?;
        let before = std::mem::replace(&mut *self.guest.lock().unwrap_or_else(PoisonError::into_inner), next);
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&before));
        let worker = Arc::clone(self);
        tokio::spawn(async move {
            Arc::clone(&before).retire(REPLACED_LIMIT).await;
            worker.keep_stats(&before);
            let mut leaving = worker.leaving.lock().unwrap_or_else(PoisonError::into_inner);
            leaving.retain(|guest| !Arc::ptr_eq(guest, &before));
        });
        Ok(())
    }

    /// What all filters have to say so far, those that are gone, too.
    pub(super) fn reports(&self) -> Vec<Report> {
        let leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // One that goes just now is counted twice rather than not at all.
        let mut reports: Vec<Report> = leaving.iter().map(|guest| guest.report()).collect();
        reports.push(self.guest().report());
        reports.extend(self.retired.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        reports
    }

    fn keep_stats(&self, guest: &Guest) {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(guest.report());
    }

    async fn serve(
        self: Arc<Self>,
        socket: std::net::TcpStream,
        source: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        count(&self.counts.connections);
        let Ok(socket) = TcpStream::from_std(socket) else { return };
        let Ok(destination) = socket.local_addr() else { return };
        // Without it small writes wait; a system that refuses it is only slower.
        let _ = socket.set_nodelay(true);
        let id = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let mut connection = Connection { id, source, destination, tls: None, gone: Arc::default() };
        let Some(acceptor) = &self.tls else {
            return self.serve_http(socket, connection, watcher).await;
        };
        if self.takes_plain_text && !begins_tls(&socket).await {
            return self.serve_http(socket, connection, watcher).await;
        }
        match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(socket)).await {
            Ok(Ok((stream, _))) => {
                let session = stream.get_ref().1;
                let version =
                    session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default();
                let name = session.server_name().unwrap_or_default().to_owned();
                connection.tls = Some((version.replace("TLSv1_", "TLSv1."), name));
                self.serve_http(stream, connection, watcher).await;
            }
            Ok(Err(error @ AcceptError::Tls(_))) => tracing::warn!("no TLS with {source}: {error}"),
            Ok(Err(error)) => tracing::debug!("no TLS with {source}: {error}"),
            Err(_) => tracing::debug!("no TLS with {source} in {HEAD_TIMEOUT:?}"),
        }
    }

    async fn serve_http(
        self: Arc<Self>,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        connection: Connection,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let connection = Arc::new(connection);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().auto_date_header(false).timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        builder
            .http2()
            .auto_date_header(false)
            .enable_connect_protocol()
            .max_header_list_size(MAX_LIST_BYTES)
            .timer(TokioTimer::new());
        let service = service_fn({
            let connection = Arc::clone(&connection);
            move |request| exchange::serve(Arc::clone(&self), Arc::clone(&connection), request)
        });
        let watched = Watched::new(io, Arc::clone(&connection.gone));
        let serving = builder.serve_connection_with_upgrades(TokioIo::new(watched), service).into_owned();
        if let Err(error) = watcher.watch(serving).await {
            tracing::debug!("the connection from {} ended: {error}", connection.source);
        }
    }
}

/// Whether a client's first byte is that of a handshake (RFC 8446 §5.1), which no request begins with.
async fn begins_tls(socket: &TcpStream) -> bool {
    let mut first = [0];
    let peeked = tokio::time::timeout(HEAD_TIMEOUT, socket.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(1))) && first == [22]
}

/// When a filter that failed open is started anew.
struct Watch {
    wait: Duration,
    due: Option<tokio::time::Instant>,
}

impl Watch {
    fn new() -> Self {
        Self { wait: RESTART_AFTER, due: None }
    }

    fn is_restart_due(&mut self, guest: &Guest, program: &Program) -> bool {
        if !program.fails_open() || guest.is_running() {
            return false;
        }
        let now = tokio::time::Instant::now();
        let due = *self.due.get_or_insert(now + self.wait);
        if now < due {
            return false;
        }
        self.due = None;
        self.wait = (self.wait * 2).min(RESTART_AT_MOST);
        true
    }
}
