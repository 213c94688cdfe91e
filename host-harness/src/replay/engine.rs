//! The event loop of a replay: every exchange's steps, the filters' ticks and the answers to their calls.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::application::{Applications, Handling};
use super::collector::Collector;
use super::fleet::{Call, Fleet};
use super::flight::{Flight, Surroundings};
use super::head::Head;
use super::pass::World;
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
    flights: HashMap<u64, Box<(Passage, Flight)>>,
    /// What applications know of requests that they handle or have handled lately.
    handlings: HashMap<u64, Handling>,
    queue: Queue<Event>,
    now: Timestamp,
    /// Steps of exchanges still to come.
    steps: usize,
    /// Answers that are on their way.
    answers: usize,
    /// For each proxy, its tick period, and which setting of it this is.
    ticks: Vec<(Option<Duration>, u32)>,
    spans: Vec<ResourceSpans>,
    /// Heads as they left the proxies, if anybody wants them.
    heads: Option<Vec<Head>>,
    pub(super) stats: ReplayStats,
    /// No request is sent any more.
    pub(super) is_stopping: bool,
}

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
            steps: 0,
            answers: 0,
            ticks: Vec::new(),
            spans: Vec::new(),
            heads: None,
            stats: ReplayStats::default(),
            is_stopping: false,
        }
    }

    /// Keeps the heads of requests and responses as they leave the proxies.
    pub(super) fn keep_heads(&mut self) {
        self.heads = Some(Vec::new());
    }

    /// Lines an exchange up.
    pub(super) fn add(&mut self, passage: Passage) {
        let steps = passage.steps();
        self.steps += steps.len();
        for ((at, step), rank) in steps.into_iter().zip(0..) {
            self.queue.plan(at, (passage.number, rank), Event::Step(passage.number, step));
        }
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
            if self.steps == 0 {
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

    /// The heads that were kept since the last time.
    pub(super) fn take_heads(&mut self) -> Vec<Head> {
        self.heads.as_mut().map(std::mem::take).unwrap_or_default()
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
        self.steps -= 1;
        let Some(mut under_way) = self.flights.remove(&number) else { return Ok(()) };
        let (passage, flight) = &mut *under_way;
        if step == Step::Send {
            self.send(passage, flight)?;
        } else if flight.is_sent() {
            let (applications, heads) = (&mut self.applications, self.heads.as_mut());
            let surroundings = Surroundings { applications, mesh: self.mesh, heads };
            let world = World { fleet: &mut self.fleet, stats: &mut self.stats, now: self.now };
            if let Some(handling) = flight.go_on(passage, step, surroundings, world) {
                self.handlings.insert(number, handling);
            }
        }
        if step != Step::Finish {
            self.flights.insert(number, under_way);
            return Ok(());
        }
        self.stats.exchanges += u64::from(flight.is_sent());
        if self.handlings.contains_key(&number) {
            // The linker knows it for as long.
            let at = passage.finished.plus(self.window).plus(Duration::from_nanos(1));
            self.queue.push(at, Event::Forget(number));
        }
        Ok(())
    }

    /// The source application sends, unless the request that it would do so for never came, or it
    /// would begin something new while the replay is stopping.
    fn send(&mut self, passage: &Passage, flight: &mut Flight) -> Result<(), ReplayError> {
        let handling = passage.parent.and_then(|parent| self.handlings.get(&parent.number));
        if (passage.parent.is_some() && handling.is_none()) || (passage.parent.is_none() && self.is_stopping)
        {
            self.stats.not_sent += 1;
            return Ok(());
        }
        for (hop, id) in passage.hops.iter().zip(&passage.proxies) {
            self.fleet.ensure(hop.proxy, id, self.now, &mut self.stats)?;
        }
        let sent = self.applications.send(&passage.exchange, handling);
        let was_seen = passage.parent.is_some_and(|parent| parent.was_seen);
        if let Some(Handling { traces, .. }) = handling.filter(|_| was_seen) {
            let went = propagation::trace_ids(&sent.headers);
            if !traces.is_empty() && !traces.iter().any(|trace| went.contains(trace)) {
                *self.stats.lost_context.entry(passage.exchange.source.clone()).or_default() += 1;
            }
        }
        flight.begin(sent);
        Ok(())
    }

    /// Takes in what the filters left outside: callouts and tick periods.
    fn settle(&mut self) {
        for call in std::mem::take(&mut self.fleet.calls) {
            if !call.call.kind.wants_answer() {
                continue;
            }
            let reply = self.collect(&call);
            self.answers += 1;
            self.queue.push(self.now.plus(ANSWER_DELAY), Event::Answer(Box::new((call, reply))));
        }
        for (proxy, period) in std::mem::take(&mut self.fleet.tick_changes) {
            if self.ticks.len() <= proxy {
                self.ticks.resize(proxy + 1, (None, 0));
            }
            let Some(tick) = self.ticks.get_mut(proxy) else { continue };
            *tick = (period, tick.1 + 1);
            if let Some(period) = period {
                self.queue.push(self.now.plus(period), Event::Tick(proxy, tick.1));
            }
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
        if self.fleet.is_current(call.proxy, call.generation) {
            let token = call.call.token;
            self.fleet.enter(call.proxy, self.now, &mut self.stats, |vm| vm.answer(token, reply));
        }
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
            let done = self.fleet.enter(proxy, self.now, &mut self.stats, crate::vm::Vm::finish).value;
            let calls = std::mem::take(&mut self.fleet.calls);
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
