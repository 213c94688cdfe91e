//! One exchange's pass through one proxy: what the host tells the filter of it, part by part, as Envoy does.

use std::net::SocketAddr;
use std::time::Duration;

use super::ReplayStats;
use super::fleet::{Fleet, Place, Stream};
use super::passed::{Passed, Watch};
use super::schedule::{Hop, shifted};
use crate::flow::{Flow, FlowOptions, Output, Part, Side, upstream_failed};
use crate::host::{HeaderMap, PropertyValue};
use crate::time::Timestamp;
use crate::vm::{LocalReply, Outcome, StreamAction, Vm, VmError};

/// How long a filter may hold a whole message before the proxy gives up: Envoy's route time-out.
const PATIENCE: Duration = Duration::from_secs(15);

/// A pass under way.
pub(super) struct Pass {
    hop: Hop,
    /// None if no filter sees it.
    stream: Option<Stream>,
    /// None once it has ended.
    flow: Option<Flow>,
    /// The filter has failed, and traffic with it.
    is_refused: bool,
    /// Nothing more comes to it.
    is_ending: bool,
    /// The last part of the request, and of the response, was shown.
    shown: [bool; 2],
    /// The response's head was shown.
    has_response: bool,
    /// When the request's first byte came, and when its head went onward.
    arrived: Timestamp,
    forwarded: Timestamp,
    /// When the proxy gives up, if nothing but the filter can have it go on.
    gives_up: Option<Timestamp>,
    /// Real time that the filter has taken.
    took: Duration,
    /// What is kept for those who compare.
    pub(super) watch: Option<Box<Watch>>,
}

/// The connection that a pass is on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) is_http2: bool,
}

/// The replay's side of a pass: its proxies and its books.
pub(super) struct World<'e, 'a> {
    pub(super) fleet: &'e mut Fleet<'a>,
    pub(super) stats: &'e mut ReplayStats,
    pub(super) now: Timestamp,
    /// Where to keep the messages that leave proxies, if anybody wants them.
    pub(super) passed: Option<&'e mut Vec<Passed>>,
}

impl Pass {
    /// A request comes.
    pub(super) fn open(world: &mut World<'_, '_>, place: Place, hop: Hop, connection: Connection) -> Self {
        world.stats.passes += 1;
        let (opened, took) = world.fleet.open(hop.proxy, place, world.now, world.stats);
        let options = FlowOptions {
            is_downstream_http2: connection.is_http2,
            is_upstream_http2: connection.is_http2,
            ..FlowOptions::default()
        };
        let stream = opened.filtered();
        let flow = stream.map_or_else(|| Flow::unfiltered(options), |stream| Flow::on(stream.id(), options));
        let arrived = shifted(hop.arrives, hop.forwards, world.now);
        let pass = Self {
            hop,
            stream,
            flow: Some(flow),
            is_refused: matches!(opened, Outcome::Refused),
            is_ending: false,
            shown: [false; 2],
            has_response: false,
            arrived,
            forwarded: world.now,
            gives_up: None,
            took,
            watch: world.passed.is_some().then(Box::default),
        };
        pass.describe_request(world, connection);
        pass
    }

    /// Shows the filter a part from the wire.
    pub(super) fn show(
        &mut self,
        world: &mut World<'_, '_>,
        side: Side,
        part: Part,
        end: bool,
    ) -> Vec<Output> {
        let held = self.holds(side);
        if let (Part::Head(head), Some(watch)) = (&part, &mut self.watch) {
            watch.came(side, head);
        }
        let [request, response] = &mut self.shown;
        *(if side == Side::Request { request } else { response }) |= end;
        let is_refused = self.is_refused;
        let outputs = self.enter(world, |flow, vm| match part {
            Part::Head(head) if is_refused => {
                flow.turn_away(vm, &head);
                Ok(())
            }
            Part::Head(head) => flow.head(vm, side, head, end),
            Part::Data(bytes) => flow.data(vm, side, bytes, end),
            Part::Trailers(trailers) => flow.trailers(vm, side, trailers),
        });
        world.stats.pauses += u64::from(!held && self.holds(side));
        outputs
    }

    /// Shows the filter the upstream's head.
    pub(super) fn show_response(
        &mut self,
        world: &mut World<'_, '_>,
        head: HeaderMap,
        end: bool,
    ) -> Vec<Output> {
        self.has_response = true;
        let details = PropertyValue::Bytes(b"via_upstream".to_vec());
        self.describe(world, vec![(&["response", "code_details"], details)]);
        if end {
            let ends = shifted(self.hop.response_end, self.hop.response_start, world.now);
            self.describe_latency(world, ends);
        }
        self.show(world, Side::Response, Part::Head(head), end)
    }

    /// Does what the filter decided beside the results of its callbacks.
    pub(super) fn act(&mut self, world: &mut World<'_, '_>, action: StreamAction) -> Vec<Output> {
        self.enter(world, |flow, vm| flow.apply(vm, action))
    }

    /// Answers in the upstream's place.
    pub(super) fn answer(&mut self, world: &mut World<'_, '_>, reply: LocalReply) -> Vec<Output> {
        self.enter(world, |flow, vm| flow.answer(vm, reply))
    }

    /// Does what follows from the loss of its VM, if that is lost.
    pub(super) fn look(&mut self, world: &mut World<'_, '_>) -> Vec<Output> {
        self.enter(world, |_, _| Ok(()))
    }

    /// The upstream breaks off.
    pub(super) fn break_off(&mut self, world: &mut World<'_, '_>) -> Vec<Output> {
        if self.has_response {
            return self.act(world, StreamAction::Close);
        }
        self.answer(world, upstream_failed("connection_termination"))
    }

    /// The request's head goes onward.
    pub(super) fn forwards(&mut self, now: Timestamp) {
        self.forwarded = now;
    }

    /// Nothing more comes to it: it ends as soon as it has sent on what it has.
    pub(super) fn is_ending(&mut self) {
        self.is_ending = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.flow.is_none()
    }

    /// Whether nothing but the filter can have it go on, and that for the whole of [`PATIENCE`].
    pub(super) fn is_stuck(&self, now: Timestamp) -> bool {
        self.gives_up.is_some_and(|at| at <= now)
    }

    /// When the proxy gives up, if that has to be decided now.
    pub(super) fn gets_stuck(&mut self, now: Timestamp) -> Option<Timestamp> {
        let [request, response] = self.shown;
        let waits = (request && self.holds(Side::Request)) || (response && self.holds(Side::Response));
        if !waits {
            self.gives_up = None;
            return None;
        }
        let is_new = self.gives_up.is_none();
        let at = *self.gives_up.get_or_insert(now.plus(PATIENCE));
        is_new.then_some(at)
    }

    /// Whether the request has come as a whole.
    pub(super) fn has_request(&self) -> bool {
        self.shown.first().is_some_and(|shown| *shown)
    }

    /// Ends it if nothing is left to be done.
    pub(super) fn settle(&mut self, world: &mut World<'_, '_>) {
        if self.is_ending && self.flow.as_ref().is_some_and(Flow::is_done) {
            self.close(world);
        }
    }

    /// Ends it, however far it has come.
    pub(super) fn abort(&mut self, world: &mut World<'_, '_>) {
        self.act(world, StreamAction::Close);
        self.close(world);
    }

    /// What is known when the response's last byte has come from the upstream.
    pub(super) fn describe_end(&self, world: &mut World<'_, '_>) {
        self.describe_latency(world, world.now);
    }

    fn close(&mut self, world: &mut World<'_, '_>) {
        let Some(flow) = self.flow.take() else { return };
        let duration = PropertyValue::Duration(world.now.since(self.arrived));
        self.describe(world, vec![(&["request", "duration"], duration)]);
        if let Some(stream) = self.stream {
            self.took += world.fleet.close(stream, flow, (world.now, world.stats));
        }
        world.stats.filter_time.add(self.took);
    }

    fn holds(&self, side: Side) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.holds(side))
    }

    fn enter(
        &mut self,
        world: &mut World<'_, '_>,
        step: impl FnOnce(&mut Flow, &mut Vm) -> Result<(), VmError>,
    ) -> Vec<Output> {
        let Some(flow) = &mut self.flow else { return Vec::new() };
        self.took += world.fleet.step(self.hop.proxy, self.stream, flow, (world.now, world.stats), step);
        flow.take_outputs()
    }

    fn describe_request(&self, world: &mut World<'_, '_>, connection: Connection) {
        let Connection { source, destination, is_http2 } = connection;
        let address = |address: SocketAddr| PropertyValue::Bytes(address.to_string().into_bytes());
        let port = |address: SocketAddr| PropertyValue::Int(address.port().into());
        let protocol = if is_http2 { "HTTP/2" } else { "HTTP/1.1" };
        let known: Vec<(&[&str], PropertyValue)> = vec![
            (&["request", "time"], PropertyValue::Timestamp(self.arrived)),
            (&["request", "protocol"], PropertyValue::Bytes(protocol.into())),
            (&["source", "address"], address(source)),
            (&["source", "port"], port(source)),
            (&["destination", "address"], address(destination)),
            (&["destination", "port"], port(destination)),
            (&["upstream", "address"], address(destination)),
            (&["upstream", "port"], port(destination)),
        ];
        self.describe(world, known);
    }

    fn describe_latency(&self, world: &mut World<'_, '_>, ends: Timestamp) {
        let latency = PropertyValue::Duration(ends.since(self.forwarded));
        self.describe(world, vec![(&["response", "backend_latency"], latency)]);
    }

    fn describe(&self, world: &mut World<'_, '_>, properties: Vec<(&[&str], PropertyValue)>) {
        if let Some(stream) = self.stream {
            world.fleet.describe(stream, properties);
        }
    }
}
