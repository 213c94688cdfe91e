//! Accepting connections, no more at once than are allowed, until it is time to stop.
//! What is spoken on them is the affair of whoever accepts.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long accepting rests when the system has no more descriptors.
const REST: Duration = Duration::from_millis(50);

/// A listener, and how many more connections it may have.
pub(crate) struct Entrance {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

/// A connection, from where it comes, and its place among those that are allowed, to be held as long as it is open.
pub(crate) type Entered = (TcpStream, SocketAddr, OwnedSemaphorePermit);

impl Entrance {
    /// Lets in `max_connections` at once, at least one.
    pub(crate) fn new(listener: TcpListener, max_connections: usize) -> Self {
        let permits = max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self { listener, permits: Arc::new(Semaphore::new(permits)) }
    }

    /// The next connection, once there is a place for it; `None` when `until` has ended.
    pub(crate) async fn next(&self, until: &mut (impl Future + Unpin)) -> Option<Entered> {
        loop {
            let accepted = async {
                let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
                Some((self.listener.accept().await, permit))
            };
            let accepted = tokio::select! {
                biased;
                _ = &mut *until => return None,
                accepted = accepted => accepted,
            };
            match accepted? {
                (Ok((socket, source)), permit) => return Some((socket, source, permit)),
                (Err(error), _) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// One that has connected already, if there is any and a place for it.
    pub(crate) async fn waiting(&self) -> Option<Entered> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let accepted = tokio::time::timeout(Duration::ZERO, self.listener.accept()).await;
        let (socket, source) = accepted.ok()?.ok()?;
        Some((socket, source, permit))
    }
}
