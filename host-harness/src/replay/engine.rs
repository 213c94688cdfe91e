//! The event loop of a replay: every exchange's steps, the filters' ticks and the answers to their calls.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::application::{Applications, Handling, Sent};
use super::collector::Collector;
use super::fleet::{Call, Fleet, Place, Wishes};
use super::flight::{Flight, Surroundings};
use super::pass::World;
use super::passed::Passed;
use super::queue::Queue;
use super::schedule::{Passage, Step};
use super::{Mesh, ReplayError, ReplayStats, StreamOptions, propagation};
use crate::host::LogLevel;
use crate::time::Timestamp;
use crate::vm::{CallReply, Filter};

/// How long the collector takes to answer, in virtual time.
const ANSWER_DELAY: Duration = Duration::from_micros(800);
/// How long the filters may go on exporting after the last exchange, in virtual time.
const DRAIN: Duration = Duration::from_secs(60);
/// How often a VM that is not done yet is asked to finish.
const MAX_FINISHES: u32 = 64;

/// A replay under way: one lane of it, with VMs of its own.
pub(super) struct Engine<'a> {
    mesh: Mesh<'a>,
    window: Duration,
    fleet: Fleet<'a>,
    applications: Applications<'a>,
    collector: Collector<'a>,
    /// Exchanges under way, by number.
    flights: Flights,
    /// What applications know of requests that they handle or have handled lately.
    handlings: HashMap<u64, Handling>,
    queue: Queue<Event>,
    now: Timestamp,
    /// Answers that are on their way.
    answers: usize,
    /// For each proxy, its tick period, and which setting of it this is.
    ticks: Vec<(Option<Duration>, u32)>,
    spans: Vec<ResourceSpans>,
    /// Messages as they left the proxies, if anybody wants them.
    passed: Option<Vec<Passed>>,
    pub(super) stats: ReplayStats,
    /// No request is sent any more.
    pub(super) is_stopping: bool,
}

type Flights = HashMap<u64, Box<(Passage, Flight)>>;

enum Event {
    Step(u64, Step),
    /// Nobody makes calls for this exchange any more.
    Forget(u64),
    /// Of this proxy, by this setting of its period.
    Tick(usize, u32),
    Answer(Box<(Call, CallReply)>),
}

impl<'a> Engine<'a> {
    pub(super) fn new(filter: &'a Filter, mesh: Mesh<'a>, options: &'a StreamOptions, lane: usize) -> Self {
        Self {
            mesh,
            window: options.window,
            fleet: Fleet::new(filter, mesh, options.replay, lane),
            applications: Applications::new(mesh, options.replay.seed),
            collector: Collector::new(&options.answers),
            flights: HashMap::new(),
            handlings: HashMap::new(),
            queue: Queue::new(),
            now: Timestamp::default(),
            answers: 0,
            ticks: Vec::new(),
            spans: Vec::new(),
            passed: None,
            stats: ReplayStats::default(),
            is_stopping: false,
        }
    }

    /// Keeps requests and responses as they leave the proxies.
    pub(super) fn keep_messages(&mut self) {
        self.passed = Some(Vec::new());
    }

    /// Lines an exchange up.
    pub(super) fn add(&mut self, passage: Passage) {
        self.queue.plan(passage.sent, (passage.number, 0), Event::Step(passage.number, Step::Send));
        self.flights.insert(passage.number, Box::new((passage, Flight::default())));
    }

    /// Does what is to be done before `until`.
    pub(super) fn run_until(&mut self, until: Timestamp) -> Result<(), ReplayError> {
        while let Some((at, event)) = self.queue.pop_before(Some(until)) {
            self.handle(at, event)?;
        }
        Ok(())
    }

    /// Runs to the end and closes everything; nothing was lined up that is not done then.
    pub(super) fn finish(&mut self) -> Result<(), ReplayError> {
        let mut end = None;
        while let Some((at, event)) = self.queue.pop_before(None) {
            if self.flights.is_empty() {
                // Some filters say at a tick only what waits for its export.
                let (told, end) =
                    *end.get_or_insert_with(|| (self.now.plus(self.longest_tick()), self.now.plus(DRAIN)));
                if at > end || (at > told && self.answers == 0 && self.fleet.is_idle()) {
                    break;
                }
            }
            self.handle(at, event)?;
        }
        for proxy in 0..self.fleet.len() {
            self.finish_proxy(proxy);
        }
        self.fleet.retire(&mut self.stats);
        self.stats.count_dropped();
        self.spans.extend(self.applications.take_all());
        Ok(())
    }

    /// The spans that came out since the last time.
    pub(super) fn take_spans(&mut self) -> Vec<ResourceSpans> {
        std::mem::take(&mut self.spans)
    }

    /// The messages that were kept since the last time.
    pub(super) fn take_messages(&mut self) -> Vec<Passed> {
        self.passed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The virtual clock.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    fn handle(&mut self, at: Timestamp, event: Event) -> Result<(), ReplayError> {
        self.now = self.now.max(at);
        match event {
            Event::Step(number, step) => self.step(number, step)?,
            Event::Forget(number) => drop(self.handlings.remove(&number)),
            Event::Tick(proxy, setting) => self.tick(proxy, setting),
            Event::Answer(answer) => {
                let (call, reply) = *answer;
                self.answer(&call, reply);
            }
        }
        self.settle();
        self.spans.extend(self.applications.take_due(self.now));
        Ok(())
    }

    fn step(&mut self, number: u64, step: Step) -> Result<(), ReplayError> {
        if step == Step::Send {
            return self.send(number);
        }
        let Some(under_way) = self.flights.get_mut(&number) else { return Ok(()) };
        let (passage, flight) = &mut **under_way;
        let surroundings = Surroundings { applications: &mut self.applications, mesh: self.mesh };
        let (fleet, stats, passed) = (&mut self.fleet, &mut self.stats, self.passed.as_mut());
        let mut world = World { fleet, stats, now: self.now, passed };
        if let Some(handling) = flight.go_on(passage, step, surroundings, &mut world) {
            for call in std::mem::take(&mut flight.waiting_calls) {
                self.queue.push(self.now, Event::Step(call, Step::Send));
            }
            self.handlings.insert(number, handling);
        }
        line_up(&mut self.queue, passage, flight);
        if flight.is_over() {
            self.end(number);
        }
        Ok(())
    }

    /// An exchange has come to its end.
    fn end(&mut self, number: u64) {
        let Some(ended) = self.flights.remove(&number) else { return };
        let (passage, flight) = *ended;
        self.stats.exchanges += 1;
        if self.handlings.contains_key(&number) {
            // The linker knows it for as long.
            let at = passage.finished.max(self.now).plus(self.window).plus(Duration::from_nanos(1));
            self.queue.push(at, Event::Forget(number));
        }
        for call in flight.waiting_calls {
            self.leave_out(call);
        }
        let Some(parent) = passage.parent.and_then(|parent| self.flights.get_mut(&parent.number)) else {
            return;
        };
        let (outer, parent) = &mut **parent;
        if is_awaited(&passage, outer) {
            parent.call_ended(outer, passage.finished, self.now);
            line_up(&mut self.queue, outer, parent);
        }
    }

    /// The request that this exchange would be made for never came, or it would begin something new while the
    /// replay is stopping.
    fn leave_out(&mut self, number: u64) {
        self.stats.not_sent += 1;
        let left_out = self.flights.remove(&number);
        for call in left_out.map(|left_out| left_out.1.waiting_calls).unwrap_or_default() {
            self.leave_out(call);
        }
    }

    /// The source application sends, as soon as it has the request that it does so for.
    fn send(&mut self, number: u64) -> Result<(), ReplayError> {
        let Some(parent) = self.flights.get(&number).map(|under_way| under_way.0.parent) else {
            return Ok(());
        };
        let handling = parent.and_then(|parent| self.handlings.get(&parent.number));
        if let (Some(parent), None) = (parent, handling) {
            match self.flights.get_mut(&parent.number).filter(|outer| outer.1.can_arrive()) {
                Some(outer) => outer.1.waiting_calls.push(number),
                None => self.leave_out(number),
            }
            return Ok(());
        }
        if parent.is_none() && self.is_stopping {
            self.leave_out(number);
            return Ok(());
        }
        let Some((passage, _)) = self.flights.get(&number).map(|under_way| &**under_way) else {
            return Ok(());
        };
        let due = passage.sent.plus(handling.map(|handling| handling.late).unwrap_or_default());
        if due > self.now {
            self.queue.plan(due, (number, 0), Event::Step(number, Step::Send));
            return Ok(());
        }
        for (hop, id) in passage.hops.iter().zip(&passage.proxies) {
            self.fleet.ensure(hop.proxy, id, self.now, &mut self.stats)?;
        }
        let sent = self.applications.send(&passage.exchange, handling, self.now);
        let was_seen = passage.parent.is_some_and(|parent| parent.was_seen);
        if let Some(Handling { traces, .. }) = handling.filter(|_| was_seen) {
            let went = propagation::trace_ids(&sent.headers);
            if !traces.is_empty() && !traces.iter().any(|trace| went.contains(trace)) {
                *self.stats.lost_context.entry(passage.exchange.source.clone()).or_default() += 1;
            }
        }
        self.begin(number, sent);
        Ok(())
    }

    fn begin(&mut self, number: u64, sent: Sent) {
        let Some(mut under_way) = self.flights.remove(&number) else { return };
        let (passage, flight) = &mut *under_way;
        flight.begin(passage, sent, self.now);
        line_up(&mut self.queue, passage, flight);
        if let Some(parent) = passage.parent.and_then(|parent| self.flights.get_mut(&parent.number))
            && is_awaited(passage, &parent.0)
        {
            parent.1.open_calls += 1;
        }
        self.flights.insert(number, under_way);
    }

    /// Does what the filters left outside.
    fn settle(&mut self) {
        while !self.fleet.wishes.is_empty() {
            let Wishes { calls, ticks, actions, forsaken } = std::mem::take(&mut self.fleet.wishes);
            for (place, action) in actions {
                self.touch(place, |flight, passage, hop, world| flight.act(passage, hop, action, world));
            }
            for place in forsaken {
                self.touch(place, |flight, passage, hop, world| flight.look(passage, hop, world));
            }
            for call in calls.into_iter().filter(|call| call.call.kind.wants_answer()) {
                let reply = self.collect(&call);
                self.answers += 1;
                self.queue.push(self.now.plus(ANSWER_DELAY), Event::Answer(Box::new((call, reply))));
            }
            for (proxy, period) in ticks {
                self.set_tick(proxy, period);
            }
        }
    }

    /// Has something done to a pass under way.
    fn touch(
        &mut self,
        (number, hop): Place,
        touch: impl FnOnce(&mut Flight, &Passage, usize, &mut World<'_, '_>),
    ) {
        let Some(under_way) = self.flights.get_mut(&number) else { return };
        let (passage, flight) = &mut **under_way;
        let (fleet, stats, passed) = (&mut self.fleet, &mut self.stats, self.passed.as_mut());
        touch(flight, passage, hop, &mut World { fleet, stats, now: self.now, passed });
        line_up(&mut self.queue, passage, flight);
    }

    fn set_tick(&mut self, proxy: usize, period: Option<Duration>) {
        if self.ticks.len() <= proxy {
            self.ticks.resize(proxy + 1, (None, 0));
        }
        let Some(tick) = self.ticks.get_mut(proxy) else { return };
        *tick = (period, tick.1 + 1);
        if let Some(period) = period {
            self.queue.push(self.now.plus(period), Event::Tick(proxy, tick.1));
        }
    }

    fn collect(&mut self, call: &Call) -> CallReply {
        let answer = self.collector.answer(&call.call);
        self.spans.extend(answer.spans);
        if let Some(complaint) = answer.complaint {
            self.fleet.log(call.proxy, LogLevel::Warn, complaint, &mut self.stats);
        }
        answer.reply
    }

    fn answer(&mut self, call: &Call, reply: CallReply) {
        self.answers -= 1;
        self.fleet.answer(call, reply, self.now, &mut self.stats);
    }

    fn longest_tick(&self) -> Duration {
        self.ticks.iter().filter_map(|(period, _)| *period).max().unwrap_or_default()
    }

    fn tick(&mut self, proxy: usize, setting: u32) {
        let Some(&(Some(period), current)) = self.ticks.get(proxy) else { return };
        if setting == current {
            self.fleet.enter(proxy, self.now, &mut self.stats, crate::vm::Vm::tick);
            self.queue.push(self.now.plus(period), Event::Tick(proxy, setting));
        }
    }

    /// Asks the VM to finish, and answers what it still calls for, until it is done.
    fn finish_proxy(&mut self, proxy: usize) {
        for _ in 0..MAX_FINISHES {
            let done = self.fleet.enter(proxy, self.now, &mut self.stats, crate::vm::Vm::finish);
            let calls = std::mem::take(&mut self.fleet.wishes).calls;
            if done != Some(false) && calls.is_empty() {
                return;
            }
            for call in calls {
                let reply = self.collect(&call);
                self.now = self.now.plus(ANSWER_DELAY);
                self.answers += 1;
                self.answer(&call, reply);
            }
        }
        let message = format!("the filter was not done after {MAX_FINISHES} requests to finish");
        self.fleet.log(proxy, LogLevel::Warn, message, &mut self.stats);
    }
}

/// Lines up the steps that were planned.
fn line_up(queue: &mut Queue<Event>, passage: &Passage, flight: &mut Flight) {
    for (at, step) in flight.plans.drain(..) {
        queue.plan(at, (passage.number, passage.rank(step)), Event::Step(passage.number, step));
    }
}

/// Whether the application that makes this call waits for its answer before it answers itself, as it did when that
/// was recorded.
fn is_awaited(call: &Passage, outer: &Passage) -> bool {
    call.finished <= outer.planned(outer.answer())
}
