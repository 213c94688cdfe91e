//! One exchange under way: its messages go from station to station, the source, the proxies and the destination.
//!
//! Each step is planned when what it needs is there: at its recorded instant, or as much later as a filter has
//! held the message, or earlier if a filter has answered. What a destination answers waits for the whole of the
//! request, and for the calls that it made.

use std::net::SocketAddr;

use super::application::{Applications, Handling, Sent, Served};
use super::letter::{Body, Letter};
use super::mesh::Mesh;
use super::message::{request_trailers, response_headers, response_trailers};
use super::pass::{Connection, Pass, World};
use super::passed::Book;
use super::schedule::{Passage, Step, shifted};
use crate::flow::{Output, Part, Side, timed_out};
use crate::time::Timestamp;
use crate::vm::StreamAction;

/// An exchange under way.
#[derive(Default)]
pub(super) struct Flight {
    sent: Option<Sent>,
    /// What is on its way between stations, from the source on.
    links: Vec<Link>,
    /// As far as the request has come.
    passes: Vec<Pass>,
    /// Nothing goes further than the pass of this index, which answered or broke off.
    cut: Option<usize>,
    /// The destination has the request's head, and has not answered.
    served: Option<Served>,
    has_arrived: bool,
    /// When the destination is to answer, once it has the whole request.
    due: Option<Timestamp>,
    has_answered: bool,
    /// The destination would answer but for its calls.
    is_waiting: bool,
    /// Calls that the destination has to have answers of first.
    pub(super) open_calls: u32,
    /// Calls that the destination makes when it has the request, by number.
    pub(super) waiting_calls: Vec<u64>,
    /// Steps to come, to be taken by the engine.
    pub(super) plans: Vec<(Timestamp, Step)>,
}

/// Between two stations.
#[derive(Default)]
struct Link {
    request: Letter,
    response: Letter,
}

/// Who is at the ends of an exchange.
pub(super) struct Surroundings<'e, 'a> {
    pub(super) applications: &'e mut Applications<'a>,
    pub(super) mesh: Mesh<'a>,
}

impl Flight {
    /// The source application has sent.
    pub(super) fn begin(&mut self, passage: &Passage, mut sent: Sent, now: Timestamp) {
        let request = &passage.exchange.request;
        let body = Body::recorded(request.body.as_deref(), request.body_bytes);
        let head = std::mem::take(&mut sent.headers);
        let letter = Letter::new(head, body, request_trailers(&passage.exchange));
        self.links.resize_with(passage.hops.len() + 1, Link::default);
        self.sent = Some(sent);
        let next = if passage.hops.is_empty() { Step::Arrive } else { Step::Request(0) };
        self.plan(passage, next, Step::Send, now);
        if passage.hops.is_empty() {
            self.due = Some(shifted(passage.finished, passage.sent, now));
        } else if !letter.is_head_only {
            self.plan(passage, Step::RequestEnd(0), Step::Send, now);
        }
        if let Some(link) = self.links.first_mut() {
            link.request = letter;
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether the destination has the request, or can still get it.
    pub(super) fn can_arrive(&self) -> bool {
        self.is_sent() && self.cut.is_none()
    }

    /// Takes the next step. If the destination gets the request, what its application knows of it is
    /// handed back.
    pub(super) fn go_on(
        &mut self,
        passage: &Passage,
        step: Step,
        surroundings: Surroundings<'_, '_>,
        world: &mut World<'_, '_>,
    ) -> Option<Handling> {
        match step {
            Step::Send => {}
            Step::Arrive => return self.arrive(passage, surroundings, world.now),
            Step::Request(hop) => self.request(passage, hop, surroundings.mesh, world),
            Step::RequestEnd(hop) => {
                self.request(passage, hop, surroundings.mesh, world);
                self.rest(passage, hop, Side::Request, world);
            }
            Step::ResponseStart(hop) => {
                if self.answers(passage, Step::ResponseStart(hop)) {
                    self.plan(passage, Step::ResponseEnd(hop), step, world.now);
                }
                self.response(passage, hop, world);
            }
            Step::ResponseEnd(hop) => {
                if Step::ResponseStart(hop) == passage.answer() {
                    self.emit(passage, Step::ResponseEnd(hop), surroundings.applications, world.now);
                }
                self.response_end(passage, hop, world);
            }
            Step::TimeOut(hop) => self.time_out(passage, hop, world),
            Step::Finish => self.finish(passage, surroundings.applications, world),
        }
        None
    }

    /// Does what a filter decided about a pass beside the results of its callbacks.
    pub(super) fn act(
        &mut self,
        passage: &Passage,
        hop: usize,
        action: StreamAction,
        world: &mut World<'_, '_>,
    ) {
        let Some(pass) = self.passes.get_mut(hop) else { return };
        let outputs = pass.act(world, action);
        self.carry(passage, hop, outputs, world);
    }

    /// Does what follows from the loss of a pass's VM.
    pub(super) fn look(&mut self, passage: &Passage, hop: usize, world: &mut World<'_, '_>) {
        let Some(pass) = self.passes.get_mut(hop) else { return };
        let outputs = pass.look(world);
        self.carry(passage, hop, outputs, world);
    }

    /// A call that the destination made has its answer, having been planned to end at `planned`.
    pub(super) fn call_ended(&mut self, passage: &Passage, planned: Timestamp, now: Timestamp) {
        self.open_calls = self.open_calls.saturating_sub(1);
        if self.open_calls == 0 && std::mem::take(&mut self.is_waiting) {
            let at = shifted(passage.planned(passage.answer()), planned, now);
            self.plans.push((at.max(now), passage.answer()));
        }
    }

    /// The request's head comes to a proxy.
    fn request(&mut self, passage: &Passage, hop: usize, mesh: Mesh<'_>, world: &mut World<'_, '_>) {
        let place = passage.hops.get(hop).filter(|_| self.passes.len() == hop && self.cut.is_none());
        let (Some(place), Some(connection)) = (place, connection(passage, mesh)) else { return };
        let Some(letter) = self.links.get_mut(hop).map(|link| &mut link.request) else { return };
        let (Some(head), end) = (letter.head.take(), letter.is_head_only) else { return };
        let mut pass = Pass::open(world, (passage.number, hop), *place, connection);
        let outputs = pass.show(world, Side::Request, Part::Head(head), end);
        self.passes.push(pass);
        self.carry(passage, hop, outputs, world);
    }

    /// The response's head comes to a proxy.
    fn response(&mut self, passage: &Passage, hop: usize, world: &mut World<'_, '_>) {
        let letter = self.links.get_mut(hop + 1).map(|link| &mut link.response);
        let (Some(letter), Some(pass)) = (letter, self.passes.get_mut(hop)) else { return };
        let Some(head) = letter.head.take() else { return };
        let outputs = pass.show_response(world, head, letter.is_head_only);
        self.carry(passage, hop, outputs, world);
    }

    /// The rest of the response comes, if it has not come with its head.
    fn response_end(&mut self, passage: &Passage, hop: usize, world: &mut World<'_, '_>) {
        self.response(passage, hop, world);
        let Some(pass) = self.passes.get_mut(hop) else { return };
        pass.describe_end(world);
        pass.is_ending();
        self.rest(passage, hop, Side::Response, world);
        self.settle(passage, hop, world);
    }

    /// What follows a head.
    fn rest(&mut self, passage: &Passage, hop: usize, side: Side, world: &mut World<'_, '_>) {
        loop {
            let link = if side == Side::Request { hop } else { hop + 1 };
            let Some(link) = self.links.get_mut(link) else { return };
            let letter = if side == Side::Request { &mut link.request } else { &mut link.response };
            let Some(pass) = self.passes.get_mut(hop).filter(|pass| !pass.has_ended()) else { return };
            let Some((part, end)) = letter.next() else { return };
            let outputs = pass.show(world, side, part, end);
            self.carry(passage, hop, outputs, world);
        }
    }

    /// Brings what came out of a pass on its way.
    fn carry(&mut self, passage: &Passage, hop: usize, outputs: Vec<Output>, world: &mut World<'_, '_>) {
        for output in outputs {
            match output {
                Output::Forward { side, part, end } => {
                    self.watch(passage, hop, (side, &part, end), world);
                    match side {
                        Side::Request => self.forward(passage, hop, part, end, world.now),
                        Side::Response => self.send_back(passage, hop, part, end, world.now),
                    }
                }
                Output::Answered { .. } => {
                    world.stats.local_replies += 1;
                    self.cut(hop, world);
                }
                Output::Reset => {
                    self.cut(hop, world);
                    self.break_off(passage, hop, world);
                }
                // Whoever reads a recording does not run ahead of it.
                Output::Stop(_) | Output::Resume(_) => {}
            }
        }
        self.settle(passage, hop, world);
    }

    /// A part of the request leaves a proxy.
    fn forward(&mut self, passage: &Passage, hop: usize, part: Part, end: bool, now: Timestamp) {
        let is_last = hop + 1 == passage.hops.len();
        let is_head = matches!(part, Part::Head(_));
        let Some(link) = self.links.get_mut(hop + 1) else { return };
        // Of the body the destination wants to know no more than that it has come.
        if is_head || !is_last {
            link.request.put(part, end);
        }
        let step = if is_head { Step::Request(hop) } else { Step::RequestEnd(hop) };
        if is_head {
            if let Some(pass) = self.passes.get_mut(hop) {
                pass.forwards(now);
            }
            self.plan(passage, if is_last { Step::Arrive } else { Step::Request(hop + 1) }, step, now);
        } else if end && !is_last {
            self.plan(passage, Step::RequestEnd(hop + 1), step, now);
        }
        if end && is_last {
            self.due = Some(shifted(passage.planned(passage.answer()), passage.planned(step), now));
            self.plan_answer(passage, now);
        }
    }

    /// A part of the response leaves a proxy.
    fn send_back(&mut self, passage: &Passage, hop: usize, part: Part, end: bool, now: Timestamp) {
        let is_head = matches!(part, Part::Head(_));
        let Some(link) = self.links.get_mut(hop) else { return };
        // Of the body the source wants to know no more than that it has come.
        if hop > 0 || !matches!(part, Part::Data(_)) {
            link.response.put(part, end);
        }
        if is_head && let Some(outer) = hop.checked_sub(1) {
            self.plan(passage, Step::ResponseStart(outer), Step::ResponseStart(hop), now);
        }
        if end {
            // What a filter answers is there at once.
            let with_head = is_head && self.cut != Some(hop);
            let step = if with_head { Step::ResponseStart(hop) } else { Step::ResponseEnd(hop) };
            self.plan(passage, hop.checked_sub(1).map_or(Step::Finish, Step::ResponseEnd), step, now);
        }
    }

    /// Nothing that lies behind this proxy has a part in the exchange any more.
    fn cut(&mut self, hop: usize, world: &mut World<'_, '_>) {
        self.cut = Some(self.cut.map_or(hop, |cut| cut.min(hop)));
        let mut behind = self.passes.iter_mut().skip(hop);
        behind.by_ref().take(1).for_each(Pass::is_ending);
        behind.for_each(|pass| pass.abort(world));
    }

    /// The proxy before this one, or the source, sees the connection break.
    fn break_off(&mut self, passage: &Passage, hop: usize, world: &mut World<'_, '_>) {
        let Some(outer) = hop.checked_sub(1) else {
            self.plan(passage, Step::Finish, Step::ResponseEnd(hop), world.now);
            return;
        };
        let Some(pass) = self.passes.get_mut(outer) else { return };
        let outputs = pass.break_off(world);
        self.carry(passage, outer, outputs, world);
    }

    /// Ends a pass if nothing is left to be done; sets it a time if only its filter can have it go on.
    fn settle(&mut self, passage: &Passage, hop: usize, world: &mut World<'_, '_>) {
        let Some(pass) = self.passes.get_mut(hop) else { return };
        pass.settle(world);
        if pass.has_ended() {
            self.stop_watching(passage, hop, world);
        } else if let Some(at) = pass.gets_stuck(world.now) {
            self.plans.push((at, Step::TimeOut(hop)));
        }
    }

    fn time_out(&mut self, passage: &Passage, hop: usize, world: &mut World<'_, '_>) {
        let Some(pass) = self.passes.get_mut(hop).filter(|pass| pass.is_stuck(world.now)) else { return };
        let is_whole = pass.has_request();
        world.stats.held += 1;
        let outputs = pass.answer(world, timed_out(is_whole));
        self.carry(passage, hop, outputs, world);
    }

    fn arrive(
        &mut self,
        passage: &Passage,
        surroundings: Surroundings<'_, '_>,
        now: Timestamp,
    ) -> Option<Handling> {
        let request = &mut self.links.last_mut()?.request;
        let head = request.head.take().filter(|_| self.cut.is_none())?;
        self.has_arrived = true;
        let (handling, served) = surroundings.applications.receive(passage, &head, now);
        self.served = served;
        self.plan_answer(passage, now);
        Some(handling)
    }

    /// The destination answers, if it has all that it needs.
    fn plan_answer(&mut self, passage: &Passage, now: Timestamp) {
        if let Some(due) = self.due.take_if(|_| self.has_arrived) {
            self.plans.push((due.max(now), passage.answer()));
        }
    }

    /// Whether it is now that the destination answers by this step.
    fn answers(&mut self, passage: &Passage, step: Step) -> bool {
        if step != passage.answer() || self.has_answered || self.cut.is_some() {
            return false;
        }
        self.is_waiting = self.open_calls > 0;
        if self.is_waiting {
            return false;
        }
        self.has_answered = true;
        let response = &passage.exchange.response;
        let body = Body::recorded(response.body.as_deref(), response.body_bytes);
        let letter =
            Letter::new(response_headers(&passage.exchange), body, response_trailers(&passage.exchange));
        if let Some(link) = self.links.last_mut() {
            link.response = letter;
        }
        true
    }

    /// The source has the whole response, or has seen it break off.
    fn finish(&mut self, passage: &Passage, applications: &mut Applications<'_>, world: &mut World<'_, '_>) {
        if passage.hops.is_empty() && !self.answers(passage, Step::Finish) {
            return;
        }
        for hop in 0..self.passes.len() {
            if let Some(pass) = self.passes.get_mut(hop) {
                pass.abort(world);
            }
            self.stop_watching(passage, hop, world);
        }
        let by = if passage.hops.is_empty() { Step::Finish } else { Step::Arrive };
        self.emit(passage, by, applications, world.now);
        let (Some(link), Some(sent)) = (self.links.first_mut(), self.sent.take()) else { return };
        let mut response = link.response.head.take().unwrap_or_default();
        let trailers = link.response.trailers.take().unwrap_or_default();
        trailers.iter().for_each(|(name, value)| response.add(name, value));
        applications.finish(passage, &sent, &response, world.now);
    }

    /// Whether it has come to its end.
    pub(super) fn is_over(&self) -> bool {
        self.sent.is_none()
    }

    /// The destination's application has answered, as planned if `step` is taken now.
    fn emit(&mut self, passage: &Passage, step: Step, applications: &mut Applications<'_>, now: Timestamp) {
        let Some(served) = self.served.take() else { return };
        let now = if step == Step::Arrive { served.arrived } else { now };
        let answered = shifted(passage.answered, passage.planned(step), now);
        applications.answer(passage, &served, answered);
    }

    /// Plans a step as much before or behind its instant as the one that it follows from.
    fn plan(&mut self, passage: &Passage, step: Step, from: Step, now: Timestamp) {
        let at = shifted(passage.planned(step), passage.planned(from), now);
        self.plans.push((at.max(now), step));
    }

    fn watch(
        &mut self,
        passage: &Passage,
        hop: usize,
        (side, part, end): (Side, &Part, bool),
        world: &mut World<'_, '_>,
    ) {
        let watch = self.passes.get_mut(hop).and_then(|pass| pass.watch.as_mut());
        if let (Some(watch), Some(book)) = (watch, book(passage, hop, world)) {
            watch.left(side, part, end, book);
        }
    }

    fn stop_watching(&mut self, passage: &Passage, hop: usize, world: &mut World<'_, '_>) {
        let Some(mut watch) = self.passes.get_mut(hop).and_then(|pass| pass.watch.take()) else { return };
        for side in [Side::Request, Side::Response] {
            if let Some(book) = book(passage, hop, world) {
                watch.ended(side, book);
            }
        }
    }
}

fn book<'e>(passage: &'e Passage, hop: usize, world: &'e mut World<'_, '_>) -> Option<Book<'e>> {
    let passed = world.passed.as_deref_mut()?;
    Some(Book { exchange: &passage.exchange.id, proxy: passage.proxies.get(hop)?.to_string(), passed })
}

fn connection(passage: &Passage, mesh: Mesh<'_>) -> Option<Connection> {
    let (source, destination) = mesh.addresses(&passage.exchange)?;
    // Linux's ephemeral ports are 32768 to 60999.
    let port = 32_768 + u16::try_from(passage.number % 28_232).unwrap_or_default();
    let is_http2 = passage.exchange.is_grpc();
    Some(Connection { source: SocketAddr::new(source, port), destination, is_http2 })
}
