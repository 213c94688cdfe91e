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
    /// What comes; ends when the peer ends its side or is gone.
    pub(super) incoming: mpsc::Receiver<Bytes>,
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

async fn read(mut reader: ReadHalf<TokioIo<hyper::upgrade::Upgraded>>, into: mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = tokio::select! {
            read = reader.read(&mut buffer) => read,
            () = into.closed() => return,
        };
        let Some(bytes) = read.ok().and_then(|count| buffer.get(..count)) else { return };
        if bytes.is_empty() || into.send(Bytes::copy_from_slice(bytes)).await.is_err() {
            return;
        }
    }
}

async fn write(mut writer: WriteHalf<TokioIo<hyper::upgrade::Upgraded>>, mut from: mpsc::Receiver<Piece>) {
    while let Some(Piece::Data(bytes)) = from.recv().await {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    // A peer that is gone needs no farewell.
    let _ = writer.shutdown().await;
}
