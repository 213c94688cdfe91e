//! Answers in the upstream's place, and the end in the middle.

use super::lane::Lane;
use super::{Flow, Output, Part, Side, reply};
use crate::vm::{HeaderMap, LocalReply, PropertyValue, Vm, VmError};

impl Flow {
    /// Answers in the upstream's place. The guest sees the answer as a response, unless it has seen one
    /// already; once a response has begun there is nothing left but to end it.
    ///
    /// # Errors
    /// [`VmError`] if the guest fails.
    pub fn answer(&mut self, vm: &mut Vm, reply: LocalReply) -> Result<(), VmError> {
        if self.is_reset || self.response.is_sent {
            return Ok(());
        }
        if self.response.has_begun {
            self.reset();
            return Ok(());
        }
        let is_unseen = !self.response.has_come;
        self.is_answered = true;
        self.outputs.push(Output::Answered { details: reply.details.clone() });
        for side in [Side::Request, Side::Response] {
            *self.lane_mut(side) = Lane::default();
        }
        let details = PropertyValue::Bytes(reply.details.clone());
        vm.set_property(self.stream, &["response", "code_details"], details);
        // Until the head has gone, whatever its status is: that of gRPC is always 200.
        let code = PropertyValue::Int(reply.status.into());
        let (head, body) = reply::message(reply, self.is_head, self.is_grpc);
        if !is_unseen || self.is_bypassed {
            self.send_answer(vm, head, body);
            return Ok(());
        }
        vm.set_property(self.stream, &["response", "code"], code);
        let is_empty = body.is_empty();
        self.response.ended = true;
        self.response.waiting = (!is_empty).then_some(body);
        self.show_head(vm, Side::Response, head, is_empty)
    }

    /// Sends an answer that the guest does not see.
    fn send_answer(&mut self, vm: &mut Vm, head: HeaderMap, body: Vec<u8>) {
        self.tell_code(vm, &head);
        self.response.has_come = true;
        self.send(Side::Response, Part::Head(head), body.is_empty());
        if !body.is_empty() {
            self.send(Side::Response, Part::Data(body), true);
        }
    }

    /// The status that the client gets is the exchange's.
    pub(super) fn tell_code(&self, vm: &mut Vm, head: &HeaderMap) {
        if let Some(code) = reply::status(head) {
            vm.set_property(self.stream, &["response", "code"], PropertyValue::Int(code));
        }
    }

    pub(super) fn reset(&mut self) {
        if !self.is_reset && !self.response.is_sent {
            self.is_reset = true;
            self.outputs.push(Output::Reset);
        }
    }
}
