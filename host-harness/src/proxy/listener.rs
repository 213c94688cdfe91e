//! Accepts clients and deals them out to the workers in turn.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::ProxyError;
use super::worker::Message;
use crate::accept::{Entered, Entrance};

/// Accepts until it is stopped or dropped.
pub(super) struct Listener {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// # Errors
/// [`ProxyError::Listen`].
pub(super) fn bind(address: SocketAddr) -> Result<std::net::TcpListener, ProxyError> {
    let failed = |source| ProxyError::Listen { address, source };
    let socket = std::net::TcpListener::bind(address).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

impl Listener {
    /// # Errors
    /// [`ProxyError::Thread`].
    pub(super) fn start(
        socket: std::net::TcpListener,
        workers: Vec<mpsc::UnboundedSender<Message>>,
        max_connections: usize,
    ) -> Result<Self, ProxyError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ProxyError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("meshspan-accept".to_owned()).spawn(move || {
            runtime.block_on(async {
                match TcpListener::from_std(socket) {
                    Ok(listener) => serve(&Entrance::new(listener, max_connections), &workers, stopped).await,
                    Err(error) => tracing::error!("cannot accept connections: {error}"),
                }
            });
        });
        Ok(Self { stop: Some(stop), thread: Some(thread.map_err(ProxyError::Thread)?) })
    }

    /// Accepts no more, and waits for that.
    pub(super) fn stop(mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has ended, one way or the other.
            let _ = thread.join();
        }
    }
}

/// Accepts until it is stopped, and then what has connected already.
async fn serve(
    entrance: &Entrance,
    workers: &[mpsc::UnboundedSender<Message>],
    mut stopped: oneshot::Receiver<()>,
) {
    let mut turns = workers.iter().cycle();
    while let Some(client) = entrance.next(&mut stopped).await {
        deal(client, turns.next());
    }
    while let Some(client) = entrance.waiting().await {
        deal(client, turns.next());
    }
}

fn deal((client, source, permit): Entered, worker: Option<&mpsc::UnboundedSender<Message>>) {
    let (Some(worker), Ok(client)) = (worker, client.into_std()) else { return };
    // A worker that has ended takes no more; the client sees its connection closed.
    let _ = worker.send(Message::Connection(client, source, permit));
}
