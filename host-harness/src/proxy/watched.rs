//! A client's connection that remembers its end: HTTP/2 tells a stream that is lost with it no other way than one
//! that is reset.

use std::io::Result;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So often others get their turn before the end is told: what came with it then has come to where it belongs.
const TURNS: u8 = 4;

/// A connection.
pub(super) struct Watched<T> {
    io: T,
    gone: Arc<AtomicBool>,
    turns: u8,
}

impl<T> Watched<T> {
    /// `gone` becomes true as soon as the peer has gone.
    pub(super) fn new(io: T, gone: Arc<AtomicBool>) -> Self {
        Self { io, gone, turns: TURNS }
    }

    fn look<R>(&self, done: Result<R>) -> Poll<Result<R>> {
        if done.is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
        Poll::Ready(done)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let (filled, has_room) = (buffer.filled().len(), buffer.remaining() > 0);
        let read = ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        if !has_room || buffer.filled().len() > filled {
            return Poll::Ready(read);
        }
        // An end is there to be read again.
        if self.turns > 0 && read.is_ok() {
            self.turns -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.gone.store(true, Ordering::Relaxed);
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(context, bytes));
        self.look(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(context, pieces));
        self.look(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
