//! Showing parts to the guest, and sending on what it lets go.

use super::lane::{Excess, Held};
use super::{Flow, Output, Part, Side, reply};
use crate::host::{Direction, MAX_BODY_BYTES};
use crate::vm::{HeaderMap, Verdict, Vm, VmError};

impl Flow {
    pub(super) fn show_head(
        &mut self,
        vm: &mut Vm,
        side: Side,
        headers: HeaderMap,
        end: bool,
    ) -> Result<(), VmError> {
        self.lane_mut(side).has_come = true;
        if self.is_bypassed {
            self.send(side, Part::Head(headers), end);
            return Ok(());
        }
        // Held until the guest says otherwise, also if it fails.
        self.lane_mut(side).held = Held::Head(Excess::Stops);
        let verdict = match side {
            Side::Request => vm.request_headers(self.stream, headers, end),
            Side::Response => vm.response_headers(self.stream, headers, end),
        }?;
        if verdict == Verdict::Buffer {
            self.lane_mut(side).held = Held::Head(Excess::Refused);
        }
        self.judge(vm, side, verdict)
    }

    pub(super) fn show_data(
        &mut self,
        vm: &mut Vm,
        side: Side,
        bytes: Vec<u8>,
        end: bool,
    ) -> Result<(), VmError> {
        let limit = self.options.limit();
        self.lane_mut(side).ended |= end;
        if self.is_bypassed {
            self.send(side, Part::Data(bytes), end);
            return Ok(());
        }
        if let Held::Head(excess) = self.lane(side).held {
            let is_too_much = self.lane_mut(side).wait(bytes, limit);
            return if is_too_much { self.exceed(vm, side, excess) } else { Ok(()) };
        }
        let held = match self.lane(side).held {
            Held::Body(_) => self.held_bytes(vm, side),
            _ => 0,
        };
        if held > 0 && held.saturating_add(bytes.len()) > MAX_BODY_BYTES {
            return self.answer(vm, reply::too_large(side));
        }
        // The guest still sees the piece that is too much.
        let is_added = self.lane(side).held == Held::Body(Excess::Refused);
        let is_too_much = is_added && held > 0 && held.saturating_add(bytes.len()) > limit;
        self.lane_mut(side).held = Held::Body(Excess::Refused);
        let verdict = match side {
            Side::Request => vm.request_body(self.stream, bytes, end),
            Side::Response => vm.response_body(self.stream, bytes, end),
        }?;
        if is_too_much {
            return self.answer(vm, reply::too_large(side));
        }
        let excess = match verdict {
            Verdict::Continue | Verdict::LocalReply(_) => return self.judge(vm, side, verdict),
            Verdict::Pause | Verdict::Buffer => Excess::Refused,
            Verdict::Watermark | Verdict::Drop => Excess::Stops,
        };
        self.lane_mut(side).held = Held::Body(excess);
        if self.held_bytes(vm, side) > limit { self.exceed(vm, side, excess) } else { Ok(()) }
    }

    /// More is held than the limit.
    fn exceed(&mut self, vm: &mut Vm, side: Side, excess: Excess) -> Result<(), VmError> {
        match excess {
            Excess::Refused => return self.answer(vm, reply::too_large(side)),
            Excess::Stops if self.lane_mut(side).stop() => self.outputs.push(Output::Stop(side)),
            Excess::Stops => {}
        }
        Ok(())
    }

    pub(super) fn show_trailers(
        &mut self,
        vm: &mut Vm,
        side: Side,
        trailers: HeaderMap,
    ) -> Result<(), VmError> {
        if self.is_bypassed {
            self.send(side, Part::Trailers(trailers), true);
            return Ok(());
        }
        let with_body = matches!(self.lane(side).held, Held::Body(_));
        self.lane_mut(side).held = Held::Trailers { with_body };
        let verdict = match side {
            Side::Request => vm.request_trailers(self.stream, trailers),
            Side::Response => vm.response_trailers(self.stream, trailers),
        }?;
        self.judge(vm, side, verdict)
    }

    fn judge(&mut self, vm: &mut Vm, side: Side, verdict: Verdict) -> Result<(), VmError> {
        match verdict {
            Verdict::Continue => self.go_on(vm, side),
            Verdict::Pause | Verdict::Buffer | Verdict::Watermark | Verdict::Drop => Ok(()),
            Verdict::LocalReply(reply) => self.answer(vm, reply),
        }
    }

    /// Lets go what is held; what waited behind a head is then shown to the guest.
    pub(super) fn go_on(&mut self, vm: &mut Vm, side: Side) -> Result<(), VmError> {
        if self.is_reset {
            return Ok(());
        }
        self.release(vm, side);
        let lane = self.lane_mut(side);
        let is_last = lane.ended && lane.trailers.is_none();
        if let Some(bytes) = lane.waiting.take() {
            self.show_data(vm, side, bytes, is_last)?;
        }
        // An answer to the data leaves none.
        match self.lane_mut(side).trailers.take() {
            Some(trailers) if !self.is_reset => self.show_trailers(vm, side, trailers),
            _ => Ok(()),
        }
    }

    /// Sends on what is held.
    pub(super) fn release(&mut self, vm: &mut Vm, side: Side) {
        let lane = self.lane_mut(side);
        let held = std::mem::take(&mut lane.held);
        let is_last = lane.ended && lane.waiting.is_none() && lane.trailers.is_none();
        if std::mem::take(&mut lane.is_stopped) {
            self.outputs.push(Output::Resume(side));
        }
        match held {
            Held::Nothing => {}
            Held::Head(_) => {
                let head = match side {
                    Side::Request => vm.onward_request(self.stream),
                    Side::Response => vm.response_map(self.stream).clone(),
                };
                if side == Side::Response && self.is_answered {
                    self.tell_code(vm, &head);
                }
                self.send(side, Part::Head(head), is_last);
            }
            Held::Body(_) => {
                let made = vm.take_made_trailers(self.stream, direction(side));
                self.send_body(vm, side, is_last && made.is_none());
                if let Some(trailers) = made {
                    self.send(side, Part::Trailers(trailers), true);
                }
            }
            Held::Trailers { with_body } => {
                if with_body {
                    self.send_body(vm, side, false);
                }
                let trailers = match side {
                    Side::Request => vm.request_trailers_map(self.stream),
                    Side::Response => vm.response_trailers_map(self.stream),
                };
                self.send(side, Part::Trailers(trailers.clone()), true);
            }
        }
    }

    fn send_body(&mut self, vm: &mut Vm, side: Side, end: bool) {
        let bytes = match side {
            Side::Request => vm.take_request_body(self.stream),
            Side::Response => vm.take_response_body(self.stream),
        };
        self.send(side, Part::Data(bytes), end);
    }

    pub(super) fn send(&mut self, side: Side, part: Part, end: bool) {
        if part == Part::Data(Vec::new()) && !end {
            return;
        }
        let lane = self.lane_mut(side);
        lane.has_begun = true;
        lane.is_sent |= end;
        self.outputs.push(Output::Forward { side, part, end });
    }

    fn held_bytes(&self, vm: &Vm, side: Side) -> usize {
        match side {
            Side::Request => vm.request_body_bytes(self.stream).len(),
            Side::Response => vm.response_body_bytes(self.stream).len(),
        }
    }
}

fn direction(side: Side) -> Direction {
    match side {
        Side::Request => Direction::Request,
        Side::Response => Direction::Response,
    }
}
