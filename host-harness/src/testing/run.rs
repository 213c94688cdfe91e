//! An exchange's way through the filter, step by step.

use super::request::{Draft, Plan};
use super::surroundings;
use super::{Exchange, Message, Side, TestHost};
use crate::flow::{Flow, FlowOptions, Output, Part};
use crate::time::Timestamp;
use crate::vm::{Generation, Outcome, Vm, VmError};

/// An exchange under way.
pub(super) struct Run<'h> {
    host: &'h mut TestHost,
    flow: Flow,
    generation: Generation,
    began: Timestamp,
    /// The VM has failed, and the flow knows.
    is_alone: bool,
    exchange: Exchange,
}

/// How much of what a host has done was there before.
struct Before {
    logs: usize,
    callouts: usize,
    spans: usize,
    callbacks: usize,
}

impl<'h> Run<'h> {
    /// The whole of it.
    pub(super) fn of(host: &'h mut TestHost, plan: &Plan) -> Result<Exchange, VmError> {
        let before = Before {
            logs: host.logs.len(),
            callouts: host.callouts.len(),
            spans: host.spans.len(),
            callbacks: host.callbacks.len(),
        };
        let options = FlowOptions {
            is_downstream_http2: plan.is_http2,
            is_upstream_http2: plan.is_http2,
            ..host.setup.flow
        };
        let opened = host.plugin.open_with(host.now, |vm| Flow::open(vm, options));
        host.settle();
        let mut exchange = match opened {
            Outcome::Filtered((generation, flow)) => {
                let context = flow.stream();
                let exchange = Exchange::default();
                let began = host.now;
                let mut run = Run { host: &mut *host, flow, generation, began, is_alone: false, exchange };
                run.carry(plan)?;
                let mut exchange = run.end()?;
                let since = host.callbacks.get(before.callbacks..).unwrap_or_default();
                let own = since.iter().filter(|callback| callback.context == context.0);
                exchange.callbacks = own.cloned().collect();
                exchange
            }
            outcome => without_filter(plan, &outcome.map(drop), host),
        };
        exchange.logs = host.logs.get(before.logs..).unwrap_or_default().to_vec();
        exchange.callouts = host.callouts.get(before.callouts..).unwrap_or_default().to_vec();
        exchange.spans = host.spans.get(before.spans..).unwrap_or_default().to_vec();
        Ok(exchange)
    }

    fn carry(&mut self, plan: &Plan) -> Result<(), VmError> {
        let stream = self.flow.stream();
        surroundings::of_request(self.host.plugin.vm_mut(), stream, plan, self.began);
        self.side(Side::Request, &plan.request)?;
        if self.is_over() || self.exchange.answered.is_some() || !self.is_complete(Side::Request) {
            return Ok(());
        }
        let arrives = self.host.now.plus(plan.upstream_takes);
        self.wait(arrives, |run| run.is_over())?;
        self.host.now = self.host.now.max(arrives);
        surroundings::of_response(self.host.plugin.vm_mut(), stream, plan);
        self.side(Side::Response, &plan.response)
    }

    /// All of one side, and the wait until it has gone on.
    fn side(&mut self, side: Side, draft: &Draft) -> Result<(), VmError> {
        let (pieces, has_trailers) = (draft.chunks.len(), draft.trailers.is_some());
        let head = draft.head.clone();
        self.enter(|flow, vm| flow.head(vm, side, head, pieces == 0 && !has_trailers))?;
        for (index, chunk) in draft.chunks.iter().enumerate() {
            let is_last = index + 1 == pieces && !has_trailers;
            let chunk = chunk.clone();
            self.enter(|flow, vm| flow.data(vm, side, chunk, is_last))?;
        }
        if let Some(trailers) = draft.trailers.clone() {
            self.enter(|flow, vm| flow.trailers(vm, side, trailers))?;
        }
        let end = self.host.now.plus(self.host.setup.patience);
        self.wait(end, |run| run.is_over() || run.is_complete(side))?;
        if !self.is_over() && !self.is_complete(side) {
            self.exchange.held = Some(side);
        }
        Ok(())
    }

    /// Lets time pass until something is so, or `end`.
    fn wait(&mut self, end: Timestamp, is_so: impl Fn(&Self) -> bool) -> Result<(), VmError> {
        while !is_so(self) && self.host.step(end) {
            self.look()?;
        }
        Ok(())
    }

    /// Enters the filter for this exchange, and takes in all that comes of it.
    fn enter(&mut self, step: impl FnOnce(&mut Flow, &mut Vm) -> Result<(), VmError>) -> Result<(), VmError> {
        self.step(step)?;
        self.look()
    }

    fn step(&mut self, step: impl FnOnce(&mut Flow, &mut Vm) -> Result<(), VmError>) -> Result<(), VmError> {
        if self.is_alone {
            return step(&mut self.flow, self.host.plugin.vm_mut());
        }
        let flow = &mut self.flow;
        let entered = self.host.plugin.on(self.generation, self.host.now, |vm| step(flow, vm))?;
        self.face(&entered);
        Ok(())
    }

    /// What the failure policy has become of the exchange.
    fn face(&mut self, outcome: &Outcome<()>) {
        let vm = self.host.plugin.vm_mut();
        match outcome {
            Outcome::Filtered(()) => return,
            Outcome::Bypassed => self.flow.bypass(vm),
            Outcome::Refused => self.flow.refuse(vm),
        }
        self.is_alone = true;
        self.exchange.failure = failure(self.host);
    }

    /// Takes in what the guest left outside, and what goes on.
    fn look(&mut self) -> Result<(), VmError> {
        self.host.settle();
        if !self.is_alone && !self.host.plugin.is_running() {
            // It failed in a tick or an answer.
            self.step(|_, _| Ok(()))?;
        }
        let stream = self.flow.stream();
        let (own, others) =
            std::mem::take(&mut self.host.actions).into_iter().partition(|(id, _)| *id == stream);
        self.host.actions = others;
        let own: Vec<_> = own;
        let has_acted = !own.is_empty();
        for (_, action) in own {
            self.step(|flow, vm| flow.apply(vm, action))?;
        }
        for output in self.flow.take_outputs() {
            self.take(output);
        }
        if has_acted { self.look() } else { Ok(()) }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Forward { side, part, end } => {
                let message = match side {
                    Side::Request => &mut self.exchange.request,
                    Side::Response => &mut self.exchange.response,
                };
                let message = message.get_or_insert_default();
                message.is_complete |= end;
                match part {
                    Part::Head(head) => message.head = head,
                    Part::Data(bytes) => message.body.extend_from_slice(&bytes),
                    Part::Trailers(trailers) => message.trailers = Some(trailers),
                }
            }
            Output::Answered { details } => {
                self.exchange.answered = Some(String::from_utf8_lossy(&details).into_owned());
            }
            Output::Reset => self.exchange.is_reset = true,
            Output::Stop(_) | Output::Resume(_) => {}
        }
    }

    fn is_over(&self) -> bool {
        self.flow.is_done()
    }

    fn is_complete(&self, side: Side) -> bool {
        self.exchange.message(side).is_some_and(|message| message.is_complete)
    }

    fn end(self) -> Result<Exchange, VmError> {
        let Run { host, flow, generation, began, is_alone, mut exchange } = self;
        surroundings::of_end(host.plugin.vm_mut(), flow.stream(), began, host.now);
        if !is_alone && host.plugin.is_running() {
            let closed = host.plugin.on(generation, host.now, |vm| flow.close(vm))?;
            if closed != Outcome::Filtered(()) {
                exchange.failure = failure(host);
            }
        }
        host.settle();
        Ok(exchange)
    }
}

/// An exchange that no filter sees.
fn without_filter(plan: &Plan, outcome: &Outcome<()>, host: &TestHost) -> Exchange {
    let as_is = |draft: &Draft| {
        let (head, trailers) = (draft.head.clone(), draft.trailers.clone());
        Some(Message { head, body: draft.chunks.concat(), trailers, is_complete: true })
    };
    let failure = failure(host);
    if *outcome == Outcome::Bypassed {
        let (request, response) = (as_is(&plan.request), as_is(&plan.response));
        return Exchange { request, response, failure, ..Exchange::default() };
    }
    let head = crate::host::HeaderMap::from_pairs([(":status", "503")]);
    let response = Some(Message { head, is_complete: true, ..Message::default() });
    let answered = Some("wasm_fail_stream".to_owned());
    Exchange { response, answered, failure, ..Exchange::default() }
}

fn failure(host: &TestHost) -> Option<String> {
    host.plugin.failure().map(ToString::to_string)
}
