//! A filter's calls under way: which there are, and how to end them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::body::{Piece, channel};
use super::callout::{self, Clusters};
use super::grpc_stream::{self, Opening};
use crate::vm::{CallReply, Generation, OutboundCall, OutboundKind};

/// Messages of a gRPC stream that may wait for a slow upstream; one more ends the stream.
const MAX_WAITING_MESSAGES: usize = 1024;

/// Names a call: the VM that made it, and its token there.
type Key = (Generation, u32);

/// The calls under way.
#[derive(Default)]
pub(super) struct Calls {
    under_way: Mutex<BTreeMap<Key, Ongoing>>,
    clusters: Arc<Clusters>,
    /// Told whenever a call has ended.
    ended: Arc<Notify>,
}

struct Ongoing {
    task: AbortHandle,
    /// Where a gRPC stream's messages go.
    messages: Option<mpsc::Sender<Piece>>,
}

impl Calls {
    pub(super) fn new(clusters: Arc<Clusters>, ended: Arc<Notify>) -> Self {
        Self { under_way: Mutex::default(), clusters, ended }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Does what the guest asks for; `tell` gets the answers, later.
    pub(super) fn take(
        self: &Arc<Self>,
        generation: Generation,
        call: OutboundCall,
        tell: impl Fn(CallReply) + Send + Sync + 'static,
    ) {
        let key = (generation, call.token);
        match call.kind {
            OutboundKind::Http { .. } | OutboundKind::Grpc { .. } => {
                let calls = Arc::clone(self);
                self.spawn(key, None, async move {
                    if let Some(reply) = callout::perform(&calls.clusters, call).await {
                        tell(reply);
                    }
                });
            }
            OutboundKind::GrpcStream { service, method, metadata } => {
                let route = self.clusters.get(&call.upstream).cloned();
                let (sender, messages) = channel(MAX_WAITING_MESSAGES);
                let opening = Opening { service, method, metadata, messages };
                self.spawn(key, Some(sender), grpc_stream::run(route, opening, tell));
            }
            OutboundKind::GrpcStreamMessage { message, end_of_stream } => {
                self.push(key, Piece::Data(grpc_stream::framed(&message)));
                if end_of_stream {
                    self.push(key, Piece::End);
                }
            }
            OutboundKind::GrpcStreamClose => self.push(key, Piece::End),
            OutboundKind::GrpcCancel => self.cancel(key),
        }
    }

    fn spawn(
        self: &Arc<Self>,
        key: Key,
        messages: Option<mpsc::Sender<Piece>>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        // Held until the call is listed, so that it cannot end before.
        let mut under_way = self.lock();
        let calls = Arc::clone(self);
        let task = tokio::spawn(async move {
            work.await;
            calls.forget(key);
        });
        under_way.insert(key, Ongoing { task: task.abort_handle(), messages });
    }

    fn push(&self, key: Key, piece: Piece) {
        let ends = matches!(piece, Piece::End);
        let mut under_way = self.lock();
        let Some(ongoing) = under_way.get_mut(&key) else { return };
        let is_lost = ongoing.messages.as_ref().is_none_or(|messages| messages.try_send(piece).is_err());
        if ends || is_lost {
            // A body without its end resets the stream.
            ongoing.messages = None;
        }
    }

    fn cancel(&self, key: Key) {
        if let Some(ongoing) = self.lock().get(&key) {
            ongoing.task.abort();
        }
        self.forget(key);
    }

    fn forget(&self, key: Key) {
        self.lock().remove(&key);
        self.ended.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Ongoing>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
