//! What hostcalls do outside streams: calls, metrics, shared data and queues.

use super::super::callouts::Caller;
use super::super::{HostError, HostState, MetricKind, OutboundKind};

impl HostState {
    fn caller(&self) -> Caller {
        let context = self.context();
        Caller { context, root: self.root_of(context) }
    }

    /// Queues an HTTP call; returns its token.
    pub fn http_call(
        &mut self,
        upstream: &[u8],
        kind: OutboundKind,
        timeout_ms: u32,
    ) -> Result<u32, HostError> {
        if !self.profile.may_call_from(self.callback) {
            let why = "can only send HTTP dispatch during request headers, request body, tick, call response";
            return Err(HostError::Fatal { call: "http_call", why });
        }
        let caller = self.caller();
        self.callouts.http(caller, upstream, kind, timeout_ms)
    }

    /// Queues a unary gRPC call; returns its token.
    pub fn grpc_call(
        &mut self,
        upstream: &[u8],
        kind: OutboundKind,
        timeout_ms: u32,
    ) -> Result<u32, HostError> {
        let caller = self.caller();
        self.callouts.grpc(caller, upstream, kind, timeout_ms)
    }

    /// Queues the opening of a gRPC stream; returns its token.
    pub fn grpc_stream(&mut self, upstream: &[u8], kind: OutboundKind) -> Result<u32, HostError> {
        let caller = self.caller();
        self.callouts.open_stream(caller, upstream, kind)
    }

    /// Queues a message on a gRPC stream.
    pub fn grpc_send(&mut self, token: u32, message: &[u8], end_of_stream: bool) -> Result<(), HostError> {
        if !self.callouts.send(token, message, end_of_stream)? {
            self.explain("a message sent on a gRPC stream that is closed goes nowhere");
        }
        Ok(())
    }

    /// Ends the guest's side of a gRPC stream, or cancels a gRPC call.
    pub fn grpc_close(&mut self, token: u32) -> Result<(), HostError> {
        self.callouts.close(token)
    }

    /// Resets a gRPC stream, or cancels a gRPC call.
    pub fn grpc_cancel(&mut self, token: u32) -> Result<(), HostError> {
        self.callouts.cancel(token)
    }

    /// Defines a metric; returns its id.
    pub fn define_metric(&mut self, kind: MetricKind, name: &[u8]) -> Result<u32, HostError> {
        self.metrics.define(kind, name)
    }

    /// Adds to a counter, sets a gauge, records in a histogram.
    pub fn record_metric(&mut self, id: u32, value: u64) -> Result<(), HostError> {
        if !self.profile.changes_metric(self.metrics.kind(id), false) {
            return Err(HostError::Fatal { call: "record_metric", why: "could not record metric value" });
        }
        self.metrics.record(id, value)
    }

    /// Changes a counter or a gauge.
    pub fn increment_metric(&mut self, id: u32, offset: i64) -> Result<(), HostError> {
        if !self.profile.changes_metric(self.metrics.kind(id), true) {
            return Err(HostError::Fatal { call: "increment_metric", why: "could not increment metric" });
        }
        self.metrics.increment(id, offset)
    }

    /// Reads a counter or a gauge.
    pub fn metric(&self, id: u32) -> Result<u64, HostError> {
        self.metrics.value(id)
    }

    /// Appends a shared value; returns its compare-and-swap number.
    pub fn shared_data(&self, key: &[u8], out: &mut Vec<u8>) -> Result<u32, HostError> {
        self.shared.value(key, out)
    }

    /// Sets a shared value, if `cas` is 0 or its number.
    pub fn set_shared_data(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), HostError> {
        self.shared.set(key, value, cas)
    }

    /// Registers a shared queue, of whose messages the calling plugin's own context is told; returns its token.
    pub fn register_queue(&mut self, name: &[u8]) -> Result<u32, HostError> {
        let caller = self.caller();
        self.shared.register_queue(name, caller.root.0)
    }

    /// The token of a shared queue; no `vm_id` is the VM's own.
    pub fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, HostError> {
        self.shared.resolve_queue(vm_id, name)
    }

    /// Puts a message into a shared queue.
    pub fn enqueue(&self, token: u32, message: &[u8]) -> Result<(), HostError> {
        self.shared.enqueue(token, message)
    }

    /// Takes a message out of a shared queue.
    pub fn dequeue(&self, token: u32, out: &mut Vec<u8>) -> Result<(), HostError> {
        self.shared.dequeue(token, out)
    }
}
