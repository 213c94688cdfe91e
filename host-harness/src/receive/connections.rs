//! Connections to a receiver: as many as are allowed, none that is silent for long, and a drain in the end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use super::Receiver;
use crate::accept::Entrance;
use crate::tls::Acceptor;

/// How long a client may take for its part of a TLS handshake, or for a request's head.
const GREETING: Duration = Duration::from_secs(10);

/// How often a quiet HTTP/2 connection is asked whether it is alive, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// What HTTP/2 lets one call, and one connection, send ahead.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Calls at once on one connection.
const MAX_STREAMS: u32 = 256;

/// How a port was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Whether every request under way was answered.
    pub is_whole: bool,
}

/// Answers on `listener` until `until` ends, and then for `drain` at most what is under way.
pub async fn serve(
    receiver: Receiver,
    listener: TcpListener,
    tls: Option<Arc<Acceptor>>,
    until: impl Future<Output = ()>,
    drain: Duration,
) -> Served {
    let entrance = Entrance::new(listener, receiver.0.options.max_connections);
    let open = GracefulShutdown::new();
    let mut until = pin!(until);
    while let Some((socket, _, permit)) = entrance.next(&mut until).await {
        tokio::spawn(connection(receiver.clone(), socket, tls.clone(), open.watcher(), permit));
    }
    drop(entrance);
    receiver.drain();
    Served { is_whole: timeout(drain, open.shutdown()).await.is_ok() }
}

async fn connection(
    receiver: Receiver,
    socket: TcpStream,
    tls: Option<Arc<Acceptor>>,
    open: Watcher,
    _permit: OwnedSemaphorePermit,
) {
    let metrics = Arc::clone(&receiver.0.metrics);
    let _counted = metrics.connection();
    // An answer is one small piece; waiting for more of it would hold the sender up.
    let _ = socket.set_nodelay(true);
    match tls {
        None => speak(receiver, socket, open).await,
        Some(tls) => match timeout(GREETING, tls.accept(socket)).await {
            Ok(Ok((stream, _))) => speak(receiver, stream, open).await,
            Ok(Err(error)) => tracing::warn!("a client was not let in: {error}"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

/// HTTP/1 or HTTP/2, whichever the client begins with.
async fn speak(receiver: Receiver, stream: impl AsyncRead + AsyncWrite + 'static, open: Watcher) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(receiver.0.options.idle_timeout));
    stream.set_write_timeout(Some(receiver.0.options.idle_timeout));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(GREETING);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let service = hyper::service::service_fn(move |request| {
        let receiver = receiver.clone();
        async move { Ok::<_, std::convert::Infallible>(receiver.answer(request).await) }
    });
    let served = open.watch(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    if let Err(error) = served.await {
        // Senders go away as they like.
        tracing::debug!("a connection ended: {error}");
    }
}
