//! Connections to one upstream, kept alive and used again: HTTP/1.1 one request at a time, HTTP/2 all
//! requests of a worker on one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::body::Body;
use super::breach::Breach;
use super::endpoint::Endpoint;
use super::limits::{MAX_HEAD_BYTES, MAX_LIST_BYTES};
use super::{clock, wire};
use crate::host::HeaderMap;
use crate::time::Timestamp;
use crate::tls::{ANY_HTTP, ClientFiles, Connector, TlsError, fault};

/// Idle connections kept for each worker.
const MAX_IDLE: usize = 64;
/// How long an idle connection is used again; upstreams commonly close theirs after a minute.
const IDLE_FOR: Duration = Duration::from_secs(50);
/// Envoy's default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which HTTP an upstream is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// What the client used; over TLS, what the upstream chooses.
    #[default]
    Same,
    /// What the client used, over TLS, too: behind the upstream stands somebody who speaks but one.
    AsClient,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS by prior knowledge.
    Http2,
}

/// Why no response came.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("cannot connect to {0}: {1}")]
    Connect(String, String),
    #[error("cannot connect to {0}: {1}")]
    Refused(String, std::io::Error),
    #[error("{0}")]
    Head(#[from] wire::HeadError),
    #[error("the response's head is larger than {MAX_HEAD_BYTES} bytes or has too many fields")]
    TooLarge,
    #[error("the upstream broke off: {0}")]
    Broken(String, Breach),
}

impl SendError {
    /// The same in Envoy's words.
    pub(super) fn breach(&self) -> Breach {
        match self {
            Self::Connect(..) | Self::Refused(..) => Breach::Connect,
            Self::TooLarge => Breach::Protocol,
            Self::Head(_) => Breach::Termination,
            Self::Broken(_, breach) => *breach,
        }
    }

    /// `upstream.transport_failure_reason`; empty if it is no failure of the transport.
    pub(super) fn transport(&self) -> String {
        let Self::Refused(_, error) = self else { return String::new() };
        let said = error.to_string();
        format!("delayed connect error: {}", said.split(" (os error").next().unwrap_or_default())
    }
}

/// A request to send.
pub(super) struct Outbound<'a> {
    pub(super) head: &'a HeaderMap,
    pub(super) body: Body,
    /// Counts where the protocol leaves a choice.
    pub(super) prefers_http2: bool,
    pub(super) leaves_http: bool,
}

/// A response's head, its body still to come.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) is_http2: bool,
}

/// The addresses of both ends of a connection to an upstream, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub(super) upstream: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
}

/// One upstream of one worker.
pub(super) struct Pool {
    endpoint: Endpoint,
    protocol: Protocol,
    tls: Option<Connector>,
    idle: Mutex<Vec<Idle>>,
    http2: tokio::sync::Mutex<Option<(http2::SendRequest<Body>, Ends)>>,
}

struct Idle {
    sender: http1::SendRequest<Body>,
    ends: Ends,
    since: Timestamp,
}

enum Connected {
    Http1(Idle),
    Http2(http2::SendRequest<Body>, Ends),
}

impl Pool {
    /// # Errors
    /// [`TlsError`] if a file cannot be used.
    pub(super) fn new(endpoint: Endpoint, protocol: Protocol, files: ClientFiles) -> Result<Self, TlsError> {
        let tls = endpoint.is_tls.then(|| Connector::new(files)).transpose()?;
        Ok(Self { endpoint, protocol, tls, idle: Mutex::default(), http2: tokio::sync::Mutex::default() })
    }

    /// Where it is, if its URL says so without a name.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.endpoint.host.parse().ok().map(|host| SocketAddr::new(host, self.endpoint.port))
    }

    /// Sends a request; tells between which addresses. A kept connection that turns out to be closed is
    /// replaced, unless part of the request has gone out on it.
    ///
    /// # Errors
    /// [`SendError`] if no response comes.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Outbound<'_>,
        tell: impl Fn(Ends),
    ) -> Result<Answer, SendError> {
        let Outbound { head, mut body, prefers_http2, leaves_http } = request;
        // What leaves HTTP needs more of HTTP/2 than an upstream may offer: it goes as it came.
        let wants_http2 = match self.protocol {
            Protocol::Same if leaves_http => prefers_http2,
            _ => self.wants_http2(prefers_http2),
        };
        loop {
            let (connected, is_fresh) = self.connection(wants_http2).await?;
            let failed = match connected {
                Connected::Http1(mut idle) => {
                    tell(idle.ends);
                    let request = wire::request(head, body, false)?;
                    match idle.sender.try_send_request(request).await {
                        Ok(response) => {
                            // Behind a request that asked to leave HTTP may come what is none, whatever the answer.
                            if !leaves_http {
                                self.keep(idle);
                            }
                            return Ok(Answer { response, is_http2: false });
                        }
                        Err(failed) => failed,
                    }
                }
                Connected::Http2(mut sender, ends) => {
                    tell(ends);
                    let request = wire::request(head, body, true)?;
                    match sender.try_send_request(request).await {
                        Ok(response) => return Ok(Answer { response, is_http2: true }),
                        Err(failed) => failed,
                    }
                }
            };
            let mut failed = failed;
            match failed.take_message() {
                Some(request) if !is_fresh => body = request.into_body(),
                _ if failed.error().is_parse_too_large() => return Err(SendError::TooLarge),
                _ => {
                    let breach = Breach::before_head(failed.error());
                    return Err(SendError::Broken(said(failed.error()), breach));
                }
            }
        }
    }

    fn wants_http2(&self, prefers_http2: bool) -> bool {
        match self.protocol {
            Protocol::Same => prefers_http2 || self.tls.is_some(),
            Protocol::AsClient => prefers_http2,
            Protocol::Http1 => false,
            Protocol::Http2 => true,
        }
    }

    /// A connection, and whether it is a new one.
    async fn connection(self: &Arc<Self>, wants_http2: bool) -> Result<(Connected, bool), SendError> {
        if wants_http2 {
            let mut shared = self.http2.lock().await;
            if let Some((sender, ends)) = shared.as_mut().filter(|(sender, _)| !sender.is_closed())
                && sender.ready().await.is_ok()
            {
                return Ok((Connected::Http2(sender.clone(), *ends), false));
            }
            *shared = None;
            // Over TLS an upstream may have chosen HTTP/1.1 before; else the idle ones are other clients'.
            let is_chosen = self.protocol == Protocol::Same && self.tls.is_some();
            if let Some(idle) = is_chosen.then(|| self.take_idle()).flatten() {
                return Ok((Connected::Http1(idle), false));
            }
            let connected = self.connect(true).await?;
            if let Connected::Http2(sender, ends) = &connected {
                *shared = Some((sender.clone(), *ends));
            }
            return Ok((connected, true));
        }
        match self.take_idle() {
            Some(idle) => Ok((Connected::Http1(idle), false)),
            None => Ok((self.connect(false).await?, true)),
        }
    }

    async fn connect(&self, wants_http2: bool) -> Result<Connected, SendError> {
        let failed =
            |error: &dyn std::fmt::Display| SendError::Connect(self.endpoint.to_string(), error.to_string());
        let address = (self.endpoint.host.as_str(), self.endpoint.port);
        let socket = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(socket) => socket.map_err(|error| SendError::Refused(self.endpoint.to_string(), error))?,
            Err(_) => return Err(failed(&format_args!("no answer in {CONNECT_TIMEOUT:?}"))),
        };
        // Without it small writes wait; a system that refuses it is only slower.
        let _ = socket.set_nodelay(true);
        let ends = Ends { upstream: socket.peer_addr().ok(), local: socket.local_addr().ok() };
        let Some(tls) = &self.tls else { return self.shake_hands(socket, ends, wants_http2).await };
        let versions: &[&[u8]] = match self.protocol {
            Protocol::Same if wants_http2 => &ANY_HTTP,
            Protocol::AsClient if wants_http2 => &[b"h2"],
            Protocol::Same | Protocol::AsClient | Protocol::Http1 => &[b"http/1.1"],
            Protocol::Http2 => &[b"h2"],
        };
        let stream = tls.connect(&self.endpoint.host, socket, versions);
        let stream = match tokio::time::timeout(CONNECT_TIMEOUT, stream).await {
            Ok(stream) => stream.map_err(|error| match fault(&error) {
                Some(fault) => {
                    tracing::warn!("nothing was sent to {}: {fault}", self.endpoint);
                    failed(&fault)
                }
                None => failed(&error),
            })?,
            Err(_) => return Err(failed(&format_args!("no TLS in {CONNECT_TIMEOUT:?}"))),
        };
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        self.shake_hands(stream, ends, is_http2).await
    }

    async fn shake_hands(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        ends: Ends,
        is_http2: bool,
    ) -> Result<Connected, SendError> {
        let failed = |error: hyper::Error| SendError::Connect(self.endpoint.to_string(), said(&error));
        let io = TokioIo::new(io);
        if is_http2 {
            let builder = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_header_list_size(MAX_LIST_BYTES)
                .to_owned();
            let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
            tokio::spawn(connection);
            return Ok(Connected::Http2(sender, ends));
        }
        let builder = http1::Builder::new().max_header_size(MAX_HEAD_BYTES).to_owned();
        let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
        tokio::spawn(connection.with_upgrades());
        Ok(Connected::Http1(Idle { sender, ends, since: clock::now() }))
    }

    /// The connection that was used last, if it can still be used.
    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        idle.retain(|idle| !idle.sender.is_closed() && now.since(idle.since) < IDLE_FOR);
        let ready = idle.iter().rposition(|idle| idle.sender.is_ready())?;
        Some(idle.remove(ready))
    }

    /// Puts a connection back once its response has been read.
    fn keep(self: &Arc<Self>, mut used: Idle) {
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            // One that is closed meanwhile is nobody's.
            if used.sender.ready().await.is_err() {
                return;
            }
            let Some(pool) = pool.upgrade() else { return };
            used.since = clock::now();
            let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                idle.push(used);
            }
        });
    }
}

/// An error with its causes.
fn said(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Pool {
    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.endpoint.is_tls { "https" } else { "http" }
    }

    /// Host and port, as a request names them.
    pub(super) fn authority(&self) -> String {
        let url = self.endpoint.to_string();
        url.split_once("://").map_or(url.as_str(), |(_, authority)| authority).to_owned()
    }
}
