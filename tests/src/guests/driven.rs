//! The guests in the harness, given in Envoy's order what Envoy gave theirs, to whatever end that came.

use std::collections::VecDeque;
use std::time::Duration;

use meshspan::flow::{
    DEFAULT_BUFFER_LIMIT_BYTES, Flow, FlowOptions, HTTP2_WINDOW_BYTES, no_answer, timed_out, upstream_failed,
};
use meshspan::host::PropertyValue;
use meshspan::vm::{CallReply, LocalReply, StreamAction, Vm, VmError};

use super::inputs::{Input, Outcome};
use super::ours::{Ours, collect, text};
use super::{Event, Part, Pass, Side, Transcripts, oracle};
use crate::situation::Protocol;

impl Ours {
    /// What comes of it when to the guest comes what came to Envoy's.
    pub fn follow(
        &mut self,
        program: &str,
        protocol: Protocol,
        inputs: &[Input],
        outcomes: &[Outcome],
    ) -> Pass {
        let vm = self.vm(program);
        vm.take_logs();
        let (mut pass, mut outcomes) = (Pass::default(), outcomes.iter());
        let mut stream: Option<Stream<'_>> = None;
        for input in inputs {
            let failed = match (input, stream.take()) {
                (Input::End, None) | (Input::Answer, None) => Ok(()),
                (Input::End, Some(stream)) => stream.end(vm, &mut pass),
                (input, open) => {
                    let open = open.map_or_else(
                        || Stream::open(vm, protocol, outcomes.next().expect("it is logged")),
                        Ok,
                    );
                    open.and_then(|mut open| {
                        open.take(vm, input, &mut pass)?;
                        stream = Some(open);
                        Ok(())
                    })
                }
            };
            if let Err(error) = failed {
                pass.guest.push(format!("the VM failed: {error}"));
                break;
            }
        }
        let mut transcripts = Transcripts::default();
        for line in vm.take_logs() {
            transcripts.line(program, &line.message);
        }
        pass.guest.extend(transcripts.of(program).into_values().flatten());
        pass
    }
}

/// The flag that a response may have which the upstream gave.
const RETRIES_EXHAUSTED: i64 = 1 << 15;

/// The header by which one pass is known to the next.
const CONTEXT: &str = "traceparent";

/// One stream on its way.
struct Stream<'a> {
    flow: Flow,
    outcome: &'a Outcome,
    /// What has been asked for, and what comes for it.
    asked: VecDeque<(u32, VecDeque<CallReply>)>,
    /// The upstream's response, or an answer in its place, has begun.
    has_response: bool,
    /// Somebody has answered in the upstream's place.
    is_answered: bool,
}

impl<'a> Stream<'a> {
    fn open(vm: &mut Vm, protocol: Protocol, outcome: &'a Outcome) -> Result<Self, VmError> {
        let is_http2 = protocol == Protocol::Http2;
        let buffer_limit_bytes = if is_http2 { HTTP2_WINDOW_BYTES } else { DEFAULT_BUFFER_LIMIT_BYTES };
        // The pieces are Envoy's own: none has to be made for the end.
        let options = FlowOptions { buffer_limit_bytes, is_downstream_http2: true, is_upstream_http2: true };
        let flow = Flow::open(vm, options)?;
        let stream =
            Stream { flow, outcome, asked: VecDeque::new(), has_response: false, is_answered: false };
        stream.set(vm, "request.protocol", text(&outcome.protocol));
        stream.set(vm, "upstream.request_attempt_count", PropertyValue::Uint(0));
        Ok(stream)
    }

    fn set(&self, vm: &mut Vm, path: &str, value: PropertyValue) {
        vm.set_property(self.flow.stream(), &path.split('.').collect::<Vec<_>>(), value);
    }

    fn take(&mut self, vm: &mut Vm, input: &Input, pass: &mut Pass) -> Result<(), VmError> {
        match input {
            Input::Part(event) => self.part(vm, event, pass)?,
            Input::Answer => {
                let Some((token, replies)) = self.asked.iter_mut().find(|(_, replies)| !replies.is_empty())
                else {
                    return Ok(());
                };
                if let Some(reply) = replies.pop_front() {
                    vm.answer(*token, reply)?;
                }
            }
            Input::End => {}
        }
        self.flow.settle(vm)?;
        let during = self.during();
        self.is_answered |= collect(&mut self.flow, during, pass).answered;
        self.asked.extend(vm.take_calls().iter().map(|call| (call.token, oracle::replies(call).into())));
        if !self.has_response && !pass.after.is_empty() && self.outcome.attempts > 0 {
            self.chosen(vm);
        }
        Ok(())
    }

    fn during(&self) -> Side {
        if self.has_response { Side::Response } else { Side::Request }
    }

    fn part(&mut self, vm: &mut Vm, event: &Event, pass: &mut Pass) -> Result<(), VmError> {
        if event.side == Side::Response {
            if self.is_answered {
                return Ok(());
            }
            if !std::mem::replace(&mut self.has_response, true) && self.respond(vm, pass)? {
                return Ok(());
            }
            if event.end && self.outcome.is_complete {
                self.set(vm, "response.backend_latency", PropertyValue::Duration(Duration::from_millis(1)));
            }
        }
        match event.part.clone() {
            Part::Head(mut head) => {
                if let (Side::Request, Some(context)) = (event.side, context(pass)) {
                    head.replace(CONTEXT, context);
                }
                self.flow.head(vm, event.side, head, event.end)
            }
            Part::Data(data) => self.flow.data(vm, event.side, data, event.end),
            Part::Trailers(trailers) => self.flow.trailers(vm, event.side, trailers),
        }
    }

    /// What Envoy knows once the request's head has gone on.
    fn chosen(&self, vm: &mut Vm) {
        self.set(vm, "upstream.request_attempt_count", PropertyValue::Uint(1));
        if self.outcome.has_upstream {
            self.set(vm, "upstream.transport_failure_reason", text(""));
            self.set(vm, "upstream.address", text("127.0.0.1:8080"));
            self.set(vm, "upstream.port", PropertyValue::Int(8080));
        }
    }

    /// What it knows when a response begins; whether the proxy itself has answered.
    fn respond(&mut self, vm: &mut Vm, pass: &mut Pass) -> Result<bool, VmError> {
        self.set(vm, "upstream.request_attempt_count", PropertyValue::Uint(self.outcome.attempts));
        if self.outcome.has_connected {
            self.set(vm, "upstream.local_address", text("127.0.0.1:4321"));
        }
        if self.outcome.has_answered {
            self.set(vm, "response.code_details", text("via_upstream"));
            self.set(vm, "response.flags", PropertyValue::Int(self.outcome.flags & RETRIES_EXHAUSTED));
            return Ok(false);
        }
        self.conclude(vm);
        let Some(reply) = reply(&self.outcome.details) else { return Ok(false) };
        self.flow.answer(vm, reply)?;
        self.flow.settle(vm)?;
        collect(&mut self.flow, Side::Request, pass);
        self.is_answered = true;
        Ok(true)
    }

    /// What it says in the end.
    fn conclude(&self, vm: &mut Vm) {
        self.set(vm, "response.flags", PropertyValue::Int(self.outcome.flags));
        if !self.outcome.details.is_empty() {
            self.set(vm, "response.code_details", text(&self.outcome.details));
        }
        if !self.outcome.transport.is_empty() {
            self.set(vm, "upstream.transport_failure_reason", text(&self.outcome.transport));
        }
    }

    fn end(mut self, vm: &mut Vm, pass: &mut Pass) -> Result<(), VmError> {
        if self.outcome.details.starts_with("upstream_reset_after_response_started") {
            self.flow.apply(vm, StreamAction::Close)?;
            collect(&mut self.flow, Side::Response, pass);
        }
        self.conclude(vm);
        if self.outcome.has_connected {
            self.set(vm, "upstream.local_address", text("127.0.0.1:4321"));
        }
        // A response that Envoy has taken for itself.
        if !self.has_response && self.outcome.code > 0 {
            self.set(vm, "response.code", PropertyValue::Int(self.outcome.code));
        }
        self.set(vm, "request.duration", PropertyValue::Duration(Duration::from_millis(1)));
        self.flow.close(vm)?;
        // What is answered now is nobody's.
        for (token, replies) in self.asked {
            replies.into_iter().try_for_each(|reply| vm.answer(token, reply).map(|_| ()))?;
        }
        Ok(())
    }
}

/// The context that has gone on already, which a request carries that comes again.
fn context(pass: &Pass) -> Option<Vec<u8>> {
    let mut heads = pass.after.iter().rev().filter_map(|event| match &event.part {
        Part::Head(head) if event.side == Side::Request => head.first(CONTEXT),
        _ => None,
    });
    heads.next().map(<[u8]>::to_vec)
}

/// What the router answers in the place of an upstream that has not.
fn reply(details: &str) -> Option<LocalReply> {
    if let Some(reason) = details.strip_prefix("upstream_reset_before_response_started{") {
        let reason = reason.trim_end_matches('}').split('|').next().unwrap_or_default();
        return Some(LocalReply { details: details.into(), ..upstream_failed(reason) });
    }
    match details {
        "response_timeout" => Some(no_answer()),
        "stream_idle_timeout" => Some(timed_out(true)),
        _ => None,
    }
}
