//! The event loop of a replay: every exchange's steps, the filters' ticks and the collector's answers.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::application::{Applications, Handling, Sent};
use super::fleet::{Call, Fleet};
use super::message::{response_headers, response_trailers};
use super::pass::{Connection, Pass, Reply, World};
use super::queue::Queue;
use super::schedule::{Passage, Plan, Step};
use super::{Capture, ReplayError, ReplayOptions, ReplayStats, propagation};
use crate::collect;
use crate::host::{HeaderMap, LogLevel};
use crate::time::Timestamp;
use crate::topology::Topology;
use crate::vm::{CallReply, Filter, OutboundKind};

/// How long the collector takes to answer, in virtual time.
const ANSWER_DELAY: Duration = Duration::from_micros(800);
/// How long the filters may go on exporting after the last exchange, in virtual time.
const DRAIN: Duration = Duration::from_secs(60);
/// How often a VM that is not done yet is asked to finish.
const MAX_FINISHES: u32 = 64;
/// gRPC's UNAVAILABLE.
const UNAVAILABLE: u32 = 14;

/// A replay under way.
pub(super) struct Engine<'a> {
    topology: &'a Topology,
    plan: &'a Plan,
    fleet: Fleet<'a>,
    applications: Applications<'a>,
    flights: Vec<Flight>,
    queue: Queue<Event>,
    now: Timestamp,
    /// Steps of exchanges still to come.
    steps: usize,
    /// Answers that are on their way.
    answers: usize,
    /// For each proxy, its tick period, and which setting of it this is.
    ticks: Vec<(Option<Duration>, u32)>,
    spans: Vec<ResourceSpans>,
    stats: ReplayStats,
    /// No request is sent any more.
    is_stopping: bool,
}

/// An exchange under way.
#[derive(Default)]
struct Flight {
    sent: Option<Sent>,
    /// The request's head, as it has left the last proxy that it passed.
    request: HeaderMap,
    handling: Option<Handling>,
    passes: Vec<Pass>,
    response: Reply,
    /// What a filter answered in the destination's stead, and at which hop.
    local: Option<(usize, Reply)>,
}

enum Event {
    Step(usize, Step),
    /// Of this proxy, by this setting of its period.
    Tick(usize, u32),
    Answer(Box<(Call, CallReply)>),
}

impl<'a> Engine<'a> {
    /// Starts the proxies and lines up the exchanges.
    pub(super) fn new(
        filter: &'a Filter,
        topology: &'a Topology,
        plan: &'a Plan,
        options: &ReplayOptions,
    ) -> Result<Self, ReplayError> {
        let mut stats = ReplayStats::default();
        let fleet = Fleet::start(filter, topology, plan, options, &mut stats)?;
        let mut queue = Queue::new();
        let mut steps = 0;
        for (index, passage) in plan.passages.iter().enumerate() {
            for (at, step) in passage.steps() {
                queue.push(at, Event::Step(index, step));
                steps += 1;
            }
        }
        let mut engine = Self {
            topology,
            plan,
            ticks: vec![(None, 0); fleet.len()],
            fleet,
            applications: Applications::new(topology, options.seed),
            flights: plan.passages.iter().map(|_| Flight::default()).collect(),
            queue,
            now: plan.start(),
            steps,
            answers: 0,
            spans: Vec::new(),
            stats,
            is_stopping: false,
        };
        engine.settle();
        Ok(engine)
    }

    /// Runs to the end.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Capture {
        let mut end = None;
        while let Some((at, event)) = self.queue.pop() {
            if self.steps == 0 {
                let end = *end.get_or_insert(self.now.plus(DRAIN));
                if at > end || (self.answers == 0 && self.fleet.is_idle()) {
                    break;
                }
            }
            self.now = self.now.max(at);
            match event {
                Event::Step(index, step) => self.step(index, step, progress),
                Event::Tick(proxy, setting) => self.tick(proxy, setting),
                Event::Answer(answer) => {
                    let (call, reply) = *answer;
                    self.answer(&call, reply);
                }
            }
            self.settle();
        }
        for proxy in 0..self.fleet.len() {
            self.finish_proxy(proxy);
        }
        self.fleet.retire(&mut self.stats);
        self.stats.count_dropped();
        self.spans.extend(self.applications.into_spans());
        Capture { spans: self.spans, stats: self.stats }
    }

    fn step(&mut self, index: usize, step: Step, progress: &mut dyn FnMut(u64) -> ControlFlow<()>) {
        self.steps -= 1;
        let plan = self.plan;
        let Some(passage) = plan.passages.get(index) else { return };
        if step == Step::Send {
            self.send(index, passage);
            return;
        }
        let Some(mut flight) = self.flights.get_mut(index).map(std::mem::take) else { return };
        if flight.sent.is_some() {
            self.go_on(passage, &mut flight, index, step);
        }
        if step == Step::Finish {
            self.stats.exchanges += u64::from(flight.sent.is_some());
            self.is_stopping |= progress(self.stats.exchanges + self.stats.not_sent).is_break();
            // Calls that outlive the request that they were made for need no more than this.
            flight = Flight { handling: flight.handling, ..Flight::default() };
        }
        if let Some(place) = self.flights.get_mut(index) {
            *place = flight;
        }
    }

    /// The source application sends, unless the request that it would do so for never came, or it
    /// would begin something new while the replay is stopping.
    fn send(&mut self, index: usize, passage: &Passage) {
        let parent = passage.parent.and_then(|parent| self.flights.get(parent));
        let handling = parent.and_then(|parent| parent.handling.as_ref());
        if (passage.parent.is_some() && handling.is_none()) || (passage.parent.is_none() && self.is_stopping)
        {
            self.stats.not_sent += 1;
            return;
        }
        let sent = self.applications.send(&passage.exchange, handling);
        let was_seen = passage.parent.is_some_and(|parent| self.plan.is_proxied_inbound(parent));
        if let Some(handling) = handling.filter(|_| was_seen) {
            let (came, went) =
                (propagation::trace_ids(&handling.headers), propagation::trace_ids(&sent.headers));
            if !came.is_empty() && !came.iter().any(|trace| went.contains(trace)) {
                *self.stats.lost_context.entry(passage.exchange.source.clone()).or_default() += 1;
            }
        }
        if let Some(flight) = self.flights.get_mut(index) {
            flight.request = sent.headers.clone();
            flight.sent = Some(sent);
        }
    }

    fn go_on(&mut self, passage: &Passage, flight: &mut Flight, index: usize, step: Step) {
        let exchange = &passage.exchange;
        let connection = self.connection(passage, index);
        let mut world = World { fleet: &mut self.fleet, stats: &mut self.stats, now: self.now };
        match step {
            Step::Send => {}
            Step::Request(hop) => {
                let place = passage.hops.get(hop).zip(connection).filter(|_| flight.local.is_none());
                let Some((&place, connection)) = place else { return };
                let has_body = exchange.request.body_bytes > 0;
                let (pass, reply) = Pass::begin(&mut world, place, connection, &mut flight.request, has_body);
                flight.passes.push(pass);
                flight.local = reply.map(|reply| (hop, reply));
            }
            Step::RequestEnd(hop) => {
                let Some(pass) = flight.passes.get_mut(hop) else { return };
                if flight.local.as_ref().is_none_or(|(local, _)| *local > hop) {
                    let reply = pass.request_body(&mut world, exchange.request.body_bytes);
                    flight.local = reply.map(|reply| (hop, reply)).or(flight.local.take());
                }
            }
            Step::Arrive => {
                if flight.local.is_none() {
                    flight.handling = Some(self.applications.receive(passage, flight.request.clone()));
                }
                flight.response = recorded(passage);
            }
            Step::ResponseStart(hop) => {
                flight.take_local(hop);
                if let Some(pass) = flight.passes.get_mut(hop) {
                    pass.response_head(&mut world, &mut flight.response);
                }
            }
            Step::ResponseEnd(hop) => {
                if let Some(pass) = flight.passes.get_mut(hop) {
                    pass.end(&mut world, &flight.response);
                }
            }
            Step::Finish => self.finish(passage, flight),
        }
    }

    fn finish(&mut self, passage: &Passage, flight: &Flight) {
        let mut response = flight.response.head.clone();
        flight.response.trailers.iter().for_each(|(name, value)| response.add(name, value));
        if let Some(sent) = &flight.sent {
            self.applications.finish(passage, sent, &response);
        }
    }

    fn connection(&self, passage: &Passage, index: usize) -> Option<Connection> {
        let service = |name| self.topology.services.get(name);
        let source = service(&passage.exchange.source)?.address.ip();
        let destination = service(&passage.exchange.destination)?.address;
        // Linux's ephemeral ports are 32768 to 60999.
        let port = 32_768 + u16::try_from(index % 28_232).unwrap_or_default();
        Some(Connection {
            source: SocketAddr::new(source, port),
            destination,
            is_http2: passage.exchange.is_grpc(),
        })
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
            let Some(tick) = self.ticks.get_mut(proxy) else { continue };
            *tick = (period, tick.1 + 1);
            if let Some(period) = period {
                self.queue.push(self.now.plus(period), Event::Tick(proxy, tick.1));
            }
        }
    }

    /// The collector's part: keeps the spans that a callout exports, and answers it.
    fn collect(&mut self, call: &Call) -> CallReply {
        let refused = match collect::decode_call(&call.call) {
            Some(Ok(export)) => {
                self.spans.extend(export.resource_spans);
                return collect::accept(&call.call);
            }
            Some(Err(error)) => format!("the filter's export was refused: {error}"),
            None => {
                let upstream = String::from_utf8_lossy(&call.call.upstream).into_owned();
                format!(
                    "the filter called {upstream:?} for something else than an OTLP export, and was refused"
                )
            }
        };
        self.fleet.log(call.proxy, LogLevel::Warn, refused.clone(), &mut self.stats);
        match call.call.kind {
            OutboundKind::Http { .. } => CallReply::HttpFailure,
            OutboundKind::Grpc { .. } => CallReply::GrpcFailure { status: UNAVAILABLE, message: refused },
            OutboundKind::GrpcStream { .. }
            | OutboundKind::GrpcStreamMessage { .. }
            | OutboundKind::GrpcStreamClose
            | OutboundKind::GrpcCancel => CallReply::GrpcClosed { status: UNAVAILABLE, message: refused },
        }
    }

    fn answer(&mut self, call: &Call, reply: CallReply) {
        self.answers -= 1;
        if self.fleet.is_current(call.proxy, call.generation) {
            let token = call.call.token;
            self.fleet.enter(call.proxy, self.now, &mut self.stats, |vm| vm.answer(token, reply));
        }
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

impl Flight {
    /// From this hop outward, what its filter answered takes the place of the response.
    fn take_local(&mut self, hop: usize) {
        if let Some((_, reply)) = self.local.take_if(|(local, _)| *local == hop) {
            self.response = reply;
        }
    }
}

fn recorded(passage: &Passage) -> Reply {
    let exchange = &passage.exchange;
    Reply {
        head: response_headers(exchange),
        body_bytes: exchange.response.body_bytes,
        trailers: response_trailers(exchange),
        details: b"via_upstream".to_vec(),
    }
}
