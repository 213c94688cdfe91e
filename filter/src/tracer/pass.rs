//! One recorded request from the time its spans begin until they have ended.
//! Which requests are recorded is `tracer`'s affair.

use std::borrow::Cow;
use std::time::Duration;

use crate::attributes::address::HostPort;
use crate::attributes::custom::{CustomValues, Limits, Names};
use crate::attributes::http::protocol_version;
use crate::attributes::outcome::Outcome;
use crate::attributes::{Attributes, key};
use crate::config::{Direction, Role};
use crate::context::SpanContext;
use crate::headers::Headers;
use crate::ids::SpanId;
use crate::sampler::{Keep, Surroundings};
use crate::span::{Event, FinishedSpan, Parent, SpanKind, Status};
use crate::time::Timestamp;

/// Which spans these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The span before the first of these, if there is one.
    pub(super) parent: Option<Parent>,
    /// The SERVER span's id.
    pub(super) server_id: SpanId,
    /// The last of these spans, as the next hop knows it.
    pub(super) onward: SpanContext,
}

/// What has happened to a request so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Phases {
    pub(super) wanted: bool,
    pub(super) request_end: Option<Timestamp>,
    pub(super) response_start: Option<Timestamp>,
}

impl Phases {
    /// What is known, in the order of time.
    fn events(&self) -> [Option<Event>; 2] {
        let event = |name, time: Option<Timestamp>| Some(Event { name, time: time.filter(|_| self.wanted)? });
        [event(Event::REQUEST_END, self.request_end), event(Event::RESPONSE_START, self.response_start)]
    }
}

/// One recorded request on its way through the proxy: its SERVER span, its CLIENT span or both.
#[derive(Debug)]
pub struct Pass {
    pub(super) identity: Identity,
    pub(super) name: Cow<'static, str>,
    /// When the request's head went onward.
    pub(super) onward: Timestamp,
    pub(super) server: Attributes,
    pub(super) client: Attributes,
    /// Whether the request's headers name the caller.
    pub(super) names_client: bool,
    /// Whether they name the host that is called.
    pub(super) names_server: bool,
    pub(super) custom: Option<CustomValues>,
    pub(super) names: Names,
    pub(super) limits: Limits,
    pub(super) outcome: Outcome,
    pub(super) direction: Option<Direction>,
    pub(super) role: Role,
    pub(super) phases: Phases,
    /// What decides at the end whether it is kept; none if it is sampled.
    pub(super) keep: Option<Keep>,
}

/// What becomes of a request's spans at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Exported: the trace is sampled.
    Sampled,
    /// Exported, though the trace is not sampled.
    Kept,
    /// Not exported.
    SampledOut,
}

/// What the proxy knows of a request once its stream has ended. Whatever it does not know is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamEnd<'a> {
    /// The clock at the end.
    pub now: Timestamp,
    /// Which side of its workload the listener is on; the configuration's word counts before it.
    pub direction: Option<Direction>,
    /// When the request's first byte arrived.
    pub request_time: Option<Timestamp>,
    /// How often the request was sent upstream.
    pub attempts: Option<u64>,
    /// From the first byte sent to the last byte received from the upstream, of the last attempt.
    pub backend_latency: Option<Duration>,
    /// The proxy's own idea of the response's status; counts if it saw no head.
    pub response_code: Option<u16>,
    /// Why the stream ended so, as Envoy's `response.code_details` has it.
    pub code_details: Option<&'a [u8]>,
    /// The downstream end of the connection, with its port.
    pub source_address: Option<&'a [u8]>,
    /// The upstream end of the connection, with its port.
    pub upstream_address: Option<&'a [u8]>,
    /// The downstream protocol, such as `HTTP/2`.
    pub protocol: Option<&'a [u8]>,
}

impl StreamEnd<'_> {
    /// Of how many attempts the last one was a resend.
    fn resends(&self) -> Option<u64> {
        resends(self.attempts)
    }
}

/// Which resend of a request its last attempt is, from 1; none for the first attempt.
fn resends(attempts: Option<u64>) -> Option<u64> {
    attempts?.checked_sub(1).filter(|resends| *resends > 0)
}

impl Pass {
    /// Which spans the pass gives.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Does `work` for each span that the pass gives.
    pub(super) fn each(&mut self, mut work: impl FnMut(SpanKind, &mut Attributes)) {
        if self.role.has_server() {
            work(SpanKind::Server, &mut self.server);
        }
        if self.role.has_client() {
            work(SpanKind::Client, &mut self.client);
        }
    }

    /// The configured direction, if the proxy is not to be asked.
    pub const fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// Whether the response's head has given a status, so that the proxy's own idea of it is not needed.
    pub const fn has_status(&self) -> bool {
        self.outcome.http_status.is_some()
    }

    /// Whether the response's trailers say anything: gRPC's status.
    pub const fn is_grpc(&self) -> bool {
        self.outcome.is_grpc
    }

    /// Whether the proxy's reason for the end says anything that the statuses do not.
    pub const fn wants_details(&self) -> bool {
        self.outcome.wants_details()
    }

    /// Whether the time of the response's head is wanted.
    pub const fn wants_phases(&self) -> bool {
        self.phases.wanted
    }

    /// Takes in `:status` and `grpc-status` of the response's head, and when it was there.
    pub fn record_response(
        &mut self,
        status: Option<&[u8]>,
        grpc_status: Option<&[u8]>,
        time: Option<Timestamp>,
    ) {
        self.outcome.record_head(status, grpc_status);
        self.phases.response_start = time;
    }

    /// Whether any attribute is out of the response's head as a whole.
    pub fn wants_response_headers(&self) -> bool {
        self.custom.as_ref().is_some_and(CustomValues::wants_response)
    }

    /// Takes in the response's head as a whole.
    pub fn record_response_headers(&mut self, headers: &Headers<'_>) {
        if let Some(custom) = &mut self.custom {
            custom.record_response(headers);
        }
    }

    /// Takes in, at the end, the properties that attributes are configured to come from.
    pub fn record_properties<P: AsRef<[u8]>>(&mut self, property: impl Fn(&str) -> Option<P>) {
        if let Some(custom) = &mut self.custom {
            custom.record_properties(property);
        }
    }

    /// Takes in `grpc-status` of the response's trailers.
    pub fn record_trailers(&mut self, grpc_status: Option<&[u8]>) {
        self.outcome.record_trailers(grpc_status);
    }

    /// Takes in which attempt this is, and where it goes.
    pub(super) fn record_attempt(&mut self, proxy: &dyn Surroundings) {
        if self.names == Names::Semconv {
            self.record_upstream(proxy.upstream_address().as_deref(), resends(proxy.attempt()));
        }
    }

    /// What becomes of the spans, as times, code and details of `end` have it; nothing else of it is asked.
    pub fn fate(&self, end: &StreamEnd<'_>) -> Fate {
        let Some(keep) = self.keep else { return Fate::Sampled };
        let conclusion = self.outcome.conclude(end.response_code, end.code_details);
        let has_failed = [SpanKind::Server, SpanKind::Client].iter().any(|kind| conclusion.is_error(*kind));
        let times = Times::new(self.onward, end);
        let is_kept = keep.wants(has_failed, times.end.since(times.server_start));
        if is_kept { Fate::Kept } else { Fate::SampledOut }
    }

    /// Ends the spans.
    pub fn end(mut self, end: &StreamEnd<'_>) -> FinishedPass {
        if self.names == Names::Semconv {
            self.record_connection(end);
        }
        let direction = self.direction.or(end.direction).map(Direction::as_str);
        let custom = self.custom.take().map(CustomValues::finish);
        let (names, limits, outcome) = (self.names, self.limits, std::mem::take(&mut self.outcome));
        let conclusion = outcome.conclude(end.response_code, end.code_details);
        let (mut server, mut client) = (SpanEnd::default(), SpanEnd::default());
        self.each(|kind, attributes| {
            attributes.set_some(key::DIRECTION, direction);
            let status = match names {
                Names::Semconv => conclusion.record(kind, attributes),
                Names::Linkerd => conclusion.record_linkerd(attributes),
            };
            if let Some(custom) = &custom {
                attributes.append(custom);
            }
            let ended = SpanEnd { status, dropped_attributes: attributes.limit(limits) };
            match kind {
                SpanKind::Server => server = ended,
                SpanKind::Client => client = ended,
            }
        });
        FinishedPass { times: Times::new(self.onward, end), server, client, pass: self }
    }

    fn record_connection(&mut self, end: &StreamEnd<'_>) {
        let server = &mut self.server;
        if let Some(source) = end.source_address.and_then(HostPort::parse) {
            source.record(server, key::NETWORK_PEER_ADDRESS, key::NETWORK_PEER_PORT);
            if !self.names_client {
                source.record(server, key::CLIENT_ADDRESS, key::CLIENT_PORT);
            }
        }
        if let Some(version) = end.protocol.and_then(protocol_version) {
            server.set(key::NETWORK_PROTOCOL_NAME, "http");
            server.set(key::NETWORK_PROTOCOL_VERSION, version);
        }
        self.record_upstream(end.upstream_address, end.resends());
    }

    fn record_upstream(&mut self, address: Option<&[u8]>, resends: Option<u64>) {
        let client = &mut self.client;
        if let Some(upstream) = address.and_then(HostPort::parse) {
            upstream.record(client, key::NETWORK_PEER_ADDRESS, key::NETWORK_PEER_PORT);
            if !self.names_server {
                upstream.record(client, key::SERVER_ADDRESS, key::SERVER_PORT);
            }
        }
        let resends = resends.map(|resends| u16::try_from(resends).unwrap_or(u16::MAX));
        client.set_some(key::HTTP_REQUEST_RESEND_COUNT, resends);
    }
}

/// How one span of a pass ended.
#[derive(Clone, Copy, Debug, Default)]
struct SpanEnd {
    status: Status,
    dropped_attributes: u32,
}

/// A request that is over.
#[derive(Debug)]
pub struct FinishedPass {
    pass: Pass,
    times: Times,
    server: SpanEnd,
    client: SpanEnd,
}

impl FinishedPass {
    /// The SERVER span, then the CLIENT span, as far as the pass has them. The last one has the events.
    pub fn spans(&self) -> impl Iterator<Item = FinishedSpan<'_>> {
        let Self { pass, times, .. } = self;
        let Identity { parent, server_id, onward } = &pass.identity;
        let (has_server, has_client) = (pass.role.has_server(), pass.role.has_client());
        let local = Parent { span_id: *server_id, is_remote: false };
        let client = FinishedSpan {
            trace_id: onward.trace_id,
            span_id: onward.span_id,
            flags: onward.flags,
            trace_state: &onward.trace_state,
            parent: if has_server { Some(local) } else { *parent },
            kind: SpanKind::Client,
            name: &pass.name,
            start: times.client_start,
            end: times.end,
            attributes: &pass.client,
            dropped_attributes: self.client.dropped_attributes,
            events: pass.phases.events(),
            status: self.client.status,
        };
        let server = FinishedSpan {
            span_id: *server_id,
            parent: *parent,
            kind: SpanKind::Server,
            start: times.server_start,
            attributes: &pass.server,
            dropped_attributes: self.server.dropped_attributes,
            events: if has_client { [None; 2] } else { client.events },
            status: self.server.status,
            ..client
        };
        [has_server.then_some(server), has_client.then_some(client)].into_iter().flatten()
    }
}

/// When the two spans begin, and when both end: `server_start` ≤ `client_start` ≤ `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) server_start: Timestamp,
    pub(super) client_start: Timestamp,
    pub(super) end: Timestamp,
}

impl Times {
    /// From when the request arrived, where the proxy knows, else from when its headers went onward, to the
    /// clock at the stream's end. After a resend the proxy's latency is the last
    /// attempt's, and the CLIENT span stands for all of them.
    pub(super) fn new(onward: Timestamp, end: &StreamEnd<'_>) -> Self {
        let arrival = end.request_time.filter(|time| *time > Timestamp::default());
        let server_start = arrival.unwrap_or(onward);
        let stream_end = end.now.max(server_start);
        let latency = end.backend_latency.filter(|_| end.resends().is_none());
        let client_start = latency.map_or(onward, |latency| stream_end.minus(latency));
        Self { server_start, client_start: client_start.clamp(server_start, stream_end), end: stream_end }
    }
}
