//! Connections to a collector, with TLS where the endpoint asks for it; HTTP comes on top.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ::http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tower_service::Service;

use super::{ExportError, ExporterConfig};
use crate::tls::Connector;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Dials, and shakes hands if TLS is spoken there.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    tcp: HttpConnector,
    tls: Option<Arc<Connector>>,
    versions: &'static [&'static [u8]],
    limit: Duration,
}

impl Dialer {
    /// `versions` of HTTP are offered where TLS is spoken, in order of preference.
    pub(crate) fn new(
        config: &ExporterConfig,
        versions: &'static [&'static [u8]],
    ) -> Result<Self, ExportError> {
        let tls = config.tls.clone().map(Connector::new).transpose().map_err(|error| ExportError::Setup {
            endpoint: config.endpoint.to_string(),
            problem: error.to_string(),
        })?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(config.timeout));
        tcp.set_nodelay(true);
        Ok(Self { tcp, tls: tls.map(Arc::new), versions, limit: config.timeout })
    }
}

impl Service<Uri> for Dialer {
    type Response = Wire;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.call(uri.clone());
        let (tls, versions, limit) = (self.tls.clone(), self.versions, self.limit);
        Box::pin(async move {
            let tcp = connecting.await?.into_inner();
            let Some(tls) = tls else { return Ok(Wire::new(Box::new(tcp), false)) };
            let host = uri.host().unwrap_or_default();
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no TLS within {limit:?}"));
            let stream = timeout(limit, tls.connect(host, tcp, versions)).await.map_err(late)??;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok(Wire::new(Box::new(stream), is_http2))
        })
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection, encrypted or not.
pub(crate) struct Wire {
    stream: TokioIo<Box<dyn Stream>>,
    is_http2: bool,
}

impl Wire {
    fn new(stream: Box<dyn Stream>, is_http2: bool) -> Self {
        Self { stream: TokioIo::new(stream), is_http2 }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TokioIo<Box<dyn Stream>>> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        if self.is_http2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(context, buffers)
    }
}
