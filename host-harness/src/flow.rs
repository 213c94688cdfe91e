//! One HTTP exchange through a filter: what comes from the wire goes in, what goes on comes out, and what
//! the filter pauses is held as Envoy holds it. Knows neither sockets nor clocks.
//!
//! | paused | held until `continue_stream` | meanwhile |
//! |---|---|---|
//! | head: 1, 4 and beyond | all of its side (Envoy's `StopAllIterationAndWatermark`) | the body is collected unseen, and shown as one piece afterwards; above the limit, reading stops |
//! | head: 3 | the same (`StopAllIterationAndBuffer`) | above the limit, 413 or 500 answers |
//! | body: 1 | this piece and those that follow (`StopIterationAndBuffer`) | each further piece is shown with all before it; above the limit, 413 or 500 answers |
//! | body: 2 | the same (`StopIterationAndWatermark`) | each further piece is shown alone; above the limit, reading stops |
//! | body: 3 and beyond | the same (`StopIterationNoBuffer`) | this piece is lost, unless it was shown with others before it |
//! | trailers: 1 and beyond | they, and the body if that was paused | nothing |
//!
//! A body that is paused goes on, too, when the filter lets the next piece or the trailers go.
//!
//! Sources: Envoy 1.40 `filter_manager.cc` (`commonContinue`, `commonHandleAfterDataCallback`),
//! `wasm/context.cc` (`decodeData`), proxy-wasm-cpp-host `context.cc` (`convertVmCallResultTo…`).
//!
//! `flow.head(&mut vm, Side::Request, head, false)` → `[Output::Forward { side: Request, part: Head(…), end: false }]`

mod answer;
mod lane;
mod options;
mod output;
mod reply;
mod steps;
#[cfg(test)]
mod tests;

pub use options::{DEFAULT_BUFFER_LIMIT_BYTES, FlowOptions, HTTP2_WINDOW_BYTES};
pub use output::{Output, Part, Side};
pub use reply::{local_reply, no_answer, timed_out, upstream_failed, vm_failed};

use crate::vm::{HeaderMap, StreamAction, StreamId, Vm, VmError};
use lane::{Held, Lane};

/// One exchange, one stream of a VM.
///
/// Whoever drives it applies [`Vm::take_stream_actions`] by [`apply`](Self::apply) after every entry into the
/// VM, ticks and answers to calls included, and ends it by [`close`](Self::close). Every method that enters
/// the guest fails if the guest does: then [`bypass`](Self::bypass) or [`refuse`](Self::refuse) it, and all
/// other flows of that VM, before the VM is dropped.
#[derive(Debug)]
pub struct Flow {
    stream: StreamId,
    options: FlowOptions,
    request: Lane,
    response: Lane,
    /// The request's method is HEAD: what answers it has no body.
    is_head: bool,
    is_grpc: bool,
    /// The guest is not asked any more.
    is_bypassed: bool,
    is_answered: bool,
    is_reset: bool,
    outputs: Vec<Output>,
}

impl Flow {
    /// Opens a stream for an exchange.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn open(vm: &mut Vm, options: FlowOptions) -> Result<Self, VmError> {
        Ok(Self::on(vm.open_stream()?, options))
    }

    /// An exchange on a stream that was opened for it.
    pub fn on(stream: StreamId, options: FlowOptions) -> Self {
        Self {
            stream,
            options,
            request: Lane::default(),
            response: Lane::default(),
            is_head: false,
            is_grpc: false,
            is_bypassed: false,
            is_answered: false,
            is_reset: false,
            outputs: Vec::new(),
        }
    }

    /// An exchange that no guest sees: it goes on as it is.
    pub fn unfiltered(options: FlowOptions) -> Self {
        Self { is_bypassed: true, ..Self::on(StreamId::NONE, options) }
    }

    /// The VM's stream, to set its properties.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Says by which HTTP the response comes, once that is known.
    pub fn set_upstream_http2(&mut self, is_http2: bool) {
        self.options.is_upstream_http2 = is_http2;
    }

    /// Whether the last of the response has been sent on, or the exchange was reset.
    pub fn is_done(&self) -> bool {
        self.is_reset || self.response.is_sent
    }

    /// Whether the exchange goes on without the guest: no method enters the VM any more.
    pub fn is_bypassed(&self) -> bool {
        self.is_bypassed
    }

    /// Whether the guest holds something of this side.
    pub fn holds(&self, side: Side) -> bool {
        !self.is_reset && self.lane(side).held != Held::Nothing
    }

    /// What the proxy has to do since the last time.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// A head comes from the wire, with `end` if nothing follows. No informational response (1xx but for
    /// 101), as in Envoy.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails; so for the other parts.
    pub fn head(&mut self, vm: &mut Vm, side: Side, headers: HeaderMap, end: bool) -> Result<(), VmError> {
        if self.drops(side) {
            return Ok(());
        }
        if side == Side::Request {
            (self.is_head, self.is_grpc) = reply::manner(&headers);
        }
        self.lane_mut(side).ended = end;
        self.show_head(vm, side, headers, end)
    }

    /// A piece of a body comes from the wire; the last of them may be empty.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn data(&mut self, vm: &mut Vm, side: Side, bytes: Vec<u8>, end: bool) -> Result<(), VmError> {
        if self.drops(side) {
            return Ok(());
        }
        let splits = end
            && !bytes.is_empty()
            && !self.is_bypassed
            && vm.profile().ends_with_empty_chunk()
            && !self.options.ends_with_data(side)
            && !matches!(self.lane(side).held, Held::Head(_));
        self.show_data(vm, side, bytes, end && !splits)?;
        if splits && !self.drops(side) {
            self.show_data(vm, side, Vec::new(), true)?;
        }
        Ok(())
    }

    /// Trailers come from the wire.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn trailers(&mut self, vm: &mut Vm, side: Side, trailers: HeaderMap) -> Result<(), VmError> {
        if self.drops(side) {
            return Ok(());
        }
        self.lane_mut(side).ended = true;
        if matches!(self.lane(side).held, Held::Head(_)) {
            self.lane_mut(side).trailers = Some(trailers);
            return Ok(());
        }
        self.show_trailers(vm, side, trailers)
    }

    /// Does what the guest decided about this stream beside the results of its callbacks.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn apply(&mut self, vm: &mut Vm, action: StreamAction) -> Result<(), VmError> {
        match action {
            StreamAction::ContinueRequest => self.go_on(vm, Side::Request),
            StreamAction::ContinueResponse => self.go_on(vm, Side::Response),
            StreamAction::LocalReply(reply) => self.answer(vm, reply),
            StreamAction::Close => {
                self.reset();
                Ok(())
            }
        }
    }

    /// [`apply`](Self::apply)s the actions for this stream, also those that follow from them; gives back the
    /// others. For a VM with one flow that is all that there is to do.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn settle(&mut self, vm: &mut Vm) -> Result<Vec<(StreamId, StreamAction)>, VmError> {
        let mut others = Vec::new();
        loop {
            let actions = vm.take_stream_actions();
            if actions.is_empty() {
                return Ok(others);
            }
            for (stream, action) in actions {
                if stream == self.stream {
                    self.apply(vm, action)?;
                } else {
                    others.push((stream, action));
                }
            }
        }
    }

    /// The VM is lost: what is held goes on as the guest left it, and the rest without the guest.
    pub fn bypass(&mut self, vm: &mut Vm) {
        self.is_bypassed = true;
        for side in [Side::Request, Side::Response] {
            self.release(vm, side);
            let lane = self.lane_mut(side);
            let (bytes, trailers, ended) = (lane.waiting.take(), lane.trailers.take(), lane.ended);
            if let Some(bytes) = bytes {
                self.send(side, Part::Data(bytes), ended && trailers.is_none());
            }
            if let Some(trailers) = trailers {
                self.send(side, Part::Trailers(trailers), true);
            }
        }
    }

    /// The VM is lost, and traffic is not to go on without it: 503, or a reset if the response has begun.
    pub fn refuse(&mut self, vm: &mut Vm) {
        self.is_bypassed = true;
        // Without the guest nothing fails.
        let _ = self.answer(vm, reply::vm_failed());
    }

    /// There is no guest, and traffic is not to go on without it: a request with this head gets a 503.
    pub fn turn_away(&mut self, vm: &mut Vm, head: &HeaderMap) {
        (self.is_head, self.is_grpc) = reply::manner(head);
        self.refuse(vm);
    }

    /// Ends the stream, whether or not the exchange came to its end.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn close(self, vm: &mut Vm) -> Result<(), VmError> {
        if self.is_bypassed { Ok(()) } else { vm.close_stream(self.stream) }
    }

    fn lane(&self, side: Side) -> &Lane {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    fn lane_mut(&mut self, side: Side) -> &mut Lane {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    /// Whether what still comes from the wire on this side is nobody's.
    fn drops(&self, side: Side) -> bool {
        self.is_answered || self.is_reset || self.lane(side).ended
    }
}
