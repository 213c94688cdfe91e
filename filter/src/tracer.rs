//! One request's way through the proxy as two spans. Orchestrates only: what headers mean is
//! `propagation`'s and `attributes`' affair, who is recorded the `sampler`'s.
//! `traceparent: 00-T-A-01` → SERVER span S (child of A), CLIENT span C (child of S), onward `00-T-C-01`

use std::borrow::Cow;
use std::mem::take;
use std::rc::Rc;
use std::time::Duration;

use crate::attributes::address::HostPort;
use crate::attributes::custom::{CustomValues, Limits, Names, SpanShape};
use crate::attributes::http::{Request, protocol_version};
use crate::attributes::outcome::Outcome;
use crate::attributes::route::PathTemplate;
use crate::attributes::url::QueryPolicy;
use crate::attributes::{Attributes, key};
use crate::config::{Config, Direction};
use crate::context::{Format, IncomingDecision, SpanContext, TraceFlags};
use crate::headers::Headers;
use crate::ids::{IdGenerator, SpanId};
use crate::propagation::{Injector, Propagator};
use crate::sampler::{Candidate, Facts, Keep, Sampler, SamplingDecision, Surroundings};
use crate::span::{FinishedSpan, Parent, SpanKind, Status};
use crate::time::Timestamp;

/// Starts spans by a fixed configuration.
#[derive(Clone, Debug)]
pub struct Tracer {
    propagator: Propagator,
    sampler: Sampler,
    start_traces: bool,
    query: QueryPolicy,
    path_templates: Vec<PathTemplate>,
    shape: Rc<SpanShape>,
    direction: Option<Direction>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// No context, and no leave to start a trace: headers are untouched.
    Untraced,
    /// Part of a trace that is not recorded; the next hop has been told so.
    SampledOut,
    /// A rule keeps this proxy out of the trace: headers are untouched.
    Deferred,
    /// Part of a trace that is not sampled, and the next hop has been told so; two spans have begun in
    /// case they are kept.
    Undecided,
    /// Two spans have begun.
    Recording,
}

/// The result of [`Tracer::start`].
#[derive(Debug)]
pub struct Start {
    /// The spans, if any have begun.
    pub pass: Option<Pass>,
    /// What became of the request.
    pub outcome: StartOutcome,
    /// How many formats of context were there and invalid.
    pub invalid: u32,
}

impl Tracer {
    /// A tracer for `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            propagator: config.propagator.clone(),
            sampler: config.sampler.clone(),
            start_traces: config.start_traces,
            query: config.query.clone(),
            path_templates: config.path_templates.clone(),
            shape: Rc::new(config.shape.clone()),
            direction: config.direction,
        }
    }

    /// The configured direction, if the proxy is not to be asked.
    pub const fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// Decides about a request, begins its spans at what the proxy's clock shows and writes the context
    /// of the CLIENT span onward. Without any context and with `start_traces` off, writes nothing.
    pub fn start(
        &mut self,
        headers: &Headers<'_>,
        proxy: &dyn Surroundings,
        ids: &mut IdGenerator,
        out: &mut impl Injector,
    ) -> Start {
        let mut extraction = self.propagator.extract(headers);
        let invalid = extraction.invalid;
        if extraction.context.is_none() && !self.start_traces {
            return Start { pass: None, outcome: StartOutcome::Untraced, invalid };
        }

        let incoming = extraction.context.as_ref().map(|context| context.decision);
        let parent = extraction.context.as_ref().and_then(|context| context.parent);
        let trace_id = parent.map_or_else(|| ids.trace_id(), |parent| parent.trace_id);
        let trace_state = extraction.context.as_mut().map(|context| take(&mut context.trace_state));
        let candidate = Candidate {
            incoming,
            trace_id,
            trace_state: trace_state.unwrap_or_default(),
            tells_threshold: self.propagator.goes_onward(Format::TraceContext, &extraction),
        };
        let facts = Facts::new(headers, self.direction, proxy);
        let sampling = self.sampler.decide(candidate, &facts);
        if sampling.decision == SamplingDecision::Defer {
            return Start { pass: None, outcome: StartOutcome::Deferred, invalid };
        }
        let sampled = sampling.decision == SamplingDecision::RecordAndSample;
        let flags = TraceFlags::new(sampled, parent.is_none_or(|parent| parent.random));
        let server_id = ids.span_id();
        let onward =
            SpanContext { trace_id, span_id: ids.span_id(), flags, trace_state: sampling.trace_state };
        self.propagator.inject(&extraction, &onward, incoming == Some(IncomingDecision::Debug), out);
        let keep = self.sampler.keep;
        let outcome = match sampling.decision {
            SamplingDecision::RecordAndSample => StartOutcome::Recording,
            SamplingDecision::SampleOut if !keep.is_nothing() => StartOutcome::Undecided,
            _ => return Start { pass: None, outcome: StartOutcome::SampledOut, invalid },
        };

        let identity = Identity { parent: parent.map(|parent| parent.span_id), server_id, onward };
        let mut pass = self.begin(headers, facts.now(), identity);
        if !sampled {
            pass.keep = Some(keep);
        }
        if self.shape.names == Names::Semconv {
            let decider = self.sampler.name(sampling.decider);
            for attributes in [&mut pass.server, &mut pass.client] {
                attributes.set(key::SAMPLING_RULE, decider);
                if !sampled {
                    attributes.set(key::SAMPLING_LOCAL, true);
                }
            }
        }
        Start { pass: Some(pass), outcome, invalid }
    }

    fn begin(&self, headers: &Headers<'_>, now: Timestamp, identity: Identity) -> Pass {
        let request = Request::read(headers, &self.path_templates);
        let (name, server, client) = match self.shape.names {
            Names::Semconv => (
                request.span_name(),
                request.server_attributes(&self.query),
                request.client_attributes(&self.query),
            ),
            Names::Linkerd => {
                let attributes = request.linkerd_attributes(headers, &self.query);
                (Cow::Owned(request.linkerd_name()), attributes.clone(), attributes)
            }
        };
        let is_plain = self.shape.is_plain();
        Pass {
            identity,
            name,
            names: self.shape.names,
            onward: now,
            server,
            client,
            custom: (!is_plain).then(|| CustomValues::of_request(&self.shape, headers)),
            limits: self.shape.limits,
            outcome: Outcome { is_grpc: request.is_grpc(), ..Outcome::default() },
            direction: self.direction,
            keep: None,
        }
    }
}

/// Which spans these are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    /// The caller's span, if there is a caller.
    parent: Option<SpanId>,
    /// The SERVER span's id.
    server_id: SpanId,
    /// The CLIENT span, as the next hop knows it.
    onward: SpanContext,
}

/// One recorded request on its way through the proxy: its SERVER span and its CLIENT span.
#[derive(Debug)]
pub struct Pass {
    identity: Identity,
    name: Cow<'static, str>,
    /// When the request's head went onward.
    onward: Timestamp,
    server: Attributes,
    client: Attributes,
    custom: Option<CustomValues>,
    names: Names,
    limits: Limits,
    outcome: Outcome,
    direction: Option<Direction>,
    /// What decides at the end whether it is kept; none if it is sampled.
    keep: Option<Keep>,
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
    /// How long the whole stream lasted.
    pub request_duration: Option<Duration>,
    /// From the first byte sent to the last byte received from the upstream.
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

impl Pass {
    /// Spans that each pass gives.
    pub const SPANS: u64 = 2;

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

    /// Takes in `:status` and `grpc-status` of the response's head.
    pub fn record_response(&mut self, status: Option<&[u8]>, grpc_status: Option<&[u8]>) {
        self.outcome.record_head(status, grpc_status);
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

    /// What becomes of the spans, as times, code and details of `end` have it; nothing else of it is asked.
    pub fn fate(&self, end: &StreamEnd<'_>) -> Fate {
        let Some(keep) = self.keep else { return Fate::Sampled };
        let conclusion = self.outcome.conclude(end.response_code, end.code_details);
        let has_failed = [SpanKind::Server, SpanKind::Client].iter().any(|kind| conclusion.is_error(*kind));
        let times = Times::new(self.onward, end);
        let is_kept = keep.wants(has_failed, times.end.since(times.server_start));
        if is_kept { Fate::Kept } else { Fate::SampledOut }
    }

    /// Ends both spans.
    pub fn end(mut self, end: &StreamEnd<'_>) -> FinishedPass {
        if self.names == Names::Semconv {
            self.record_connection(end);
        }
        let direction = self.direction.or(end.direction).map(Direction::as_str);
        let conclusion = self.outcome.conclude(end.response_code, end.code_details);
        let custom = self.custom.take().map(CustomValues::finish);
        let complete = |kind, attributes: &mut Attributes| {
            attributes.set_some(key::DIRECTION, direction);
            let status = match self.names {
                Names::Semconv => conclusion.record(kind, attributes),
                Names::Linkerd => conclusion.record_linkerd(attributes),
            };
            if let Some(custom) = &custom {
                attributes.append(custom);
            }
            (status, attributes.limit(self.limits))
        };
        let ends =
            [complete(SpanKind::Server, &mut self.server), complete(SpanKind::Client, &mut self.client)];
        FinishedPass { times: Times::new(self.onward, end), ends, pass: self }
    }

    fn record_connection(&mut self, end: &StreamEnd<'_>) {
        let server = &mut self.server;
        if let Some(source) = end.source_address.and_then(HostPort::parse) {
            source.record(server, key::NETWORK_PEER_ADDRESS, key::NETWORK_PEER_PORT);
            if !server.has(key::CLIENT_ADDRESS) {
                source.record(server, key::CLIENT_ADDRESS, key::CLIENT_PORT);
            }
        }
        if let Some(version) = end.protocol.and_then(protocol_version) {
            server.set(key::NETWORK_PROTOCOL_NAME, "http");
            server.set(key::NETWORK_PROTOCOL_VERSION, version);
        }
        let client = &mut self.client;
        if let Some(upstream) = end.upstream_address.and_then(HostPort::parse) {
            upstream.record(client, key::NETWORK_PEER_ADDRESS, key::NETWORK_PEER_PORT);
            if !client.has(key::SERVER_ADDRESS) {
                upstream.record(client, key::SERVER_ADDRESS, key::SERVER_PORT);
            }
        }
    }
}

/// A request that is over.
#[derive(Debug)]
pub struct FinishedPass {
    pass: Pass,
    times: Times,
    /// Each span's status, and how many attributes it lost.
    ends: [(Status, u32); 2],
}

impl FinishedPass {
    /// The SERVER span, then the CLIENT span.
    pub fn spans(&self) -> [FinishedSpan<'_>; 2] {
        let Self { pass, times, ends: [server_end, client_end] } = self;
        let Identity { parent, server_id, onward } = &pass.identity;
        let client = FinishedSpan {
            trace_id: onward.trace_id,
            span_id: onward.span_id,
            flags: onward.flags,
            trace_state: &onward.trace_state,
            parent: Some(Parent { span_id: *server_id, is_remote: false }),
            kind: SpanKind::Client,
            name: &pass.name,
            start: times.client_start,
            end: times.end,
            attributes: &pass.client,
            dropped_attributes: client_end.1,
            status: client_end.0,
        };
        let server = FinishedSpan {
            span_id: *server_id,
            parent: parent.map(|span_id| Parent { span_id, is_remote: true }),
            kind: SpanKind::Server,
            start: times.server_start,
            attributes: &pass.server,
            dropped_attributes: server_end.1,
            status: server_end.0,
            ..client
        };
        [server, client]
    }
}

/// When the two spans begin, and when both end: `server_start` ≤ `client_start` ≤ `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    server_start: Timestamp,
    client_start: Timestamp,
    end: Timestamp,
}

impl Times {
    /// From the stream's own times where the proxy has them, else from the clock, which showed
    /// `onward` when the request's headers went onward.
    fn new(onward: Timestamp, end: &StreamEnd<'_>) -> Self {
        let arrival = end.request_time.filter(|time| *time > Timestamp::default());
        let server_start = arrival.unwrap_or(onward);
        let measured = arrival.zip(end.request_duration).map(|(start, duration)| start.plus(duration));
        let stream_end = measured.unwrap_or(end.now).max(server_start);
        let client_start = end.backend_latency.map_or(onward, |latency| stream_end.minus(latency));
        Self { server_start, client_start: client_start.clamp(server_start, stream_end), end: stream_end }
    }
}

#[cfg(test)]
mod tests;
