//! Bodies on their way out: pieces through a short channel, so that a slow reader holds the writer back.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::HeaderMap;
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

/// Pieces of traffic that may wait for a slow reader.
pub(super) const CHANNEL: usize = 2;

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// All was sent. A channel that closes without it is a body that broke off.
    End,
}

/// Why a body has no end.
#[derive(Debug, thiserror::Error)]
#[error("the exchange was ended in the middle")]
pub(super) struct Broken;

/// A body for hyper to send.
#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Whole(Option<Bytes>),
    Channel(mpsc::Receiver<Piece>),
    /// It has broken off, which is said when what came before is on the wire.
    Broken,
}

/// A body, and where its pieces go in, of which so many may wait.
pub(super) fn channel(pieces: usize) -> (mpsc::Sender<Piece>, Body) {
    let (sender, receiver) = mpsc::channel(pieces);
    (sender, Body::Channel(receiver))
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let body = self.get_mut();
        let piece = match body {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Channel(receiver) => std::task::ready!(receiver.poll_recv(context)),
            Self::Broken => {
                *body = Self::Empty;
                return Poll::Ready(Some(Err(Broken)));
            }
        };
        Poll::Ready(match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Piece::End) => {
                *body = Self::Empty;
                None
            }
            None => {
                // hyper forgets what it has not written when a body fails: it may write first.
                *body = Self::Broken;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty | Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Whole(None) => SizeHint::with_exact(0),
            Self::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Channel(_) | Self::Broken => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_that_is_not_ended_breaks_off() {
        for (ends, expected) in [(true, Some(b"ab".to_vec())), (false, None)] {
            let (sender, body) = channel(CHANNEL);
            sender.send(Piece::Data(Bytes::from_static(b"ab"))).await.unwrap();
            if ends {
                sender.send(Piece::End).await.unwrap();
            }
            drop(sender);
            assert_eq!(body.collect().await.ok().map(|body| body.to_bytes().to_vec()), expected);
        }
    }
}
