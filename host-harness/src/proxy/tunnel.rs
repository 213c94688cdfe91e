//! What follows an upgrade: bytes both ways, which the filter sees as bodies, as in Envoy.

use hyper::body::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::body::Piece;

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// Pieces that may wait on each way.
const CHANNEL: usize = 2;

/// The ends of a connection that has left HTTP.
pub(super) struct Tunnel {
    /// What comes; ends when the peer ends its side. An error is the last that comes.
    pub(super) incoming: mpsc::Receiver<std::io::Result<Bytes>>,
    /// What goes.
    pub(super) outgoing: mpsc::Sender<Piece>,
}

/// Takes a connection over as soon as its upgrade is done. Dropping both ends closes it.
pub(super) fn open(upgrade: OnUpgrade) -> Tunnel {
    let (into, incoming) = mpsc::channel(CHANNEL);
    let (outgoing, from) = mpsc::channel(CHANNEL);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
                tokio::join!(read(reader, into), write(writer, from));
            }
            Err(error) => tracing::debug!("a connection was not upgraded: {error}"),
        }
    });
    Tunnel { incoming, outgoing }
}

async fn read(
    mut reader: ReadHalf<TokioIo<hyper::upgrade::Upgraded>>,
    into: mpsc::Sender<std::io::Result<Bytes>>,
) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = tokio::select! {
            read = reader.read(&mut buffer) => read,
            () = into.closed() => return,
        };
        let came = read.map(|count| Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default()));
        let is_over = came.as_ref().map_or(true, Bytes::is_empty);
        if came.as_ref().is_ok_and(Bytes::is_empty) || into.send(came).await.is_err() || is_over {
            return;
        }
    }
}

async fn write(mut writer: WriteHalf<TokioIo<hyper::upgrade::Upgraded>>, mut from: mpsc::Receiver<Piece>) {
    while let Some(piece) = from.recv().await {
        let written = match piece {
            Piece::Data(bytes) => match writer.write_all(&bytes).await {
                Ok(()) => writer.flush().await,
                Err(error) => Err(error),
            },
            // A peer that is gone needs no farewell.
            Piece::Trailers(_) | Piece::End => {
                let _ = writer.shutdown().await;
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}
