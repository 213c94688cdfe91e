//! One request's way through the proxy as two spans. Orchestrates only: what headers mean is
//! `propagation`'s and `attributes`' affair, who is recorded the `sampler`'s.
//! `traceparent: 00-T-A-01` → SERVER span S (child of A), CLIENT span C (child of S), onward `00-T-C-01`

use std::mem::take;
use std::time::Duration;

use crate::attributes::address::HostPort;
use crate::attributes::http::{Request, protocol_version};
use crate::attributes::key;
use crate::attributes::outcome::Outcome;
use crate::attributes::route::PathTemplate;
use crate::attributes::url::QueryPolicy;
use crate::config::{Config, Direction};
use crate::context::{Format, IncomingDecision, SpanContext, TraceFlags};
use crate::headers::Headers;
use crate::ids::IdGenerator;
use crate::otlp;
use crate::propagation::{Injector, Propagator};
use crate::sampler::{Candidate, Sampler, SamplingDecision};
use crate::span::{ActiveSpan, Parent, SpanKind};
use crate::time::Timestamp;

/// Starts spans by a fixed configuration.
#[derive(Clone, Debug)]
pub struct Tracer {
    propagator: Propagator,
    sampler: Sampler,
    start_traces: bool,
    query: QueryPolicy,
    path_templates: Vec<PathTemplate>,
    direction: Option<Direction>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// No context, and no leave to start a trace: headers are untouched.
    Untraced,
    /// Part of a trace that is not recorded; the next hop has been told so.
    SampledOut,
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
            sampler: config.sampler,
            start_traces: config.start_traces,
            query: config.query,
            path_templates: config.path_templates.clone(),
            direction: config.direction,
        }
    }

    /// The configured direction, if the proxy is not to be asked.
    pub const fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// Decides about a request that arrived at `now`, begins its spans and writes the context of
    /// the CLIENT span onward. Without any context and with `start_traces` off, writes nothing.
    pub fn start(
        &self,
        headers: &Headers<'_>,
        now: Timestamp,
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
        let sampling = self.sampler.decide(Candidate {
            incoming,
            trace_id,
            trace_state: trace_state.unwrap_or_default(),
            tells_threshold: self.propagator.goes_onward(Format::TraceContext, &extraction),
        });
        let sampled = sampling.decision == SamplingDecision::RecordAndSample;
        let flags = TraceFlags::new(sampled, parent.is_none_or(|parent| parent.random));
        let server_id = ids.span_id();
        let onward =
            SpanContext { trace_id, span_id: ids.span_id(), flags, trace_state: sampling.trace_state };
        self.propagator.inject(headers, &extraction, &onward, incoming == Some(IncomingDecision::Debug), out);
        if !sampled {
            return Start { pass: None, outcome: StartOutcome::SampledOut, invalid };
        }

        let server = SpanContext { span_id: server_id, ..onward.clone() };
        let remote = parent.map(|parent| Parent { span_id: parent.span_id, is_remote: true });
        let pass = self.begin(headers, now, server, remote, onward);
        Start { pass: Some(pass), outcome: StartOutcome::Recording, invalid }
    }

    fn begin(
        &self,
        headers: &Headers<'_>,
        now: Timestamp,
        server: SpanContext,
        remote: Option<Parent>,
        client: SpanContext,
    ) -> Pass {
        let request = Request::read(headers, &self.path_templates);
        let name = request.span_name();
        let local = Parent { span_id: server.span_id, is_remote: false };
        let span = |context, parent, kind, attributes| ActiveSpan {
            context,
            parent,
            kind,
            name: name.clone(),
            start: now,
            attributes,
        };
        Pass {
            server: span(server, remote, SpanKind::Server, request.server_attributes(self.query)),
            client: span(client, Some(local), SpanKind::Client, request.client_attributes(self.query)),
            outcome: Outcome { is_grpc: request.is_grpc(), ..Outcome::default() },
            direction: self.direction,
        }
    }
}

/// One recorded request on its way through the proxy: its SERVER span and its CLIENT span.
#[derive(Debug)]
pub struct Pass {
    server: ActiveSpan,
    client: ActiveSpan,
    outcome: Outcome,
    direction: Option<Direction>,
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
    pub const fn wants_trailers(&self) -> bool {
        self.outcome.is_grpc
    }

    /// Takes in the response's head.
    pub fn record_response(&mut self, headers: &Headers<'_>) {
        self.outcome.record_head(headers);
    }

    /// Takes in the response's trailers.
    pub fn record_trailers(&mut self, trailers: &Headers<'_>) {
        self.outcome.record_trailers(trailers);
    }

    /// Ends both spans and encodes them: the SERVER span, then the CLIENT span, each as
    /// [`otlp::encode_span`] writes it.
    pub fn end(mut self, end: &StreamEnd<'_>) -> [Vec<u8>; 2] {
        self.outcome.conclude(end.response_code, end.code_details);
        self.record_connection(end);
        let direction = self.direction.or(end.direction).map(Direction::as_str);
        let times = Times::new(self.server.start, end);
        self.server.start = times.server_start;
        self.client.start = times.client_start;
        [self.server, self.client].map(|mut span| {
            span.attributes.set_some(key::DIRECTION, direction);
            let status = self.outcome.record(span.kind, &mut span.attributes);
            let mut encoded = Vec::with_capacity(768);
            otlp::encode_span(&span.end(times.end, status), &mut encoded);
            encoded
        })
    }

    fn record_connection(&mut self, end: &StreamEnd<'_>) {
        let server = &mut self.server.attributes;
        if let Some(source) = end.source_address.and_then(HostPort::parse) {
            source.record(server, key::NETWORK_PEER_ADDRESS, key::NETWORK_PEER_PORT);
            if server.find(key::CLIENT_ADDRESS).is_none() {
                source.record(server, key::CLIENT_ADDRESS, key::CLIENT_PORT);
            }
        }
        if let Some(version) = end.protocol.and_then(protocol_version) {
            server.set(key::NETWORK_PROTOCOL_NAME, "http");
            server.set(key::NETWORK_PROTOCOL_VERSION, version);
        }
        let client = &mut self.client.attributes;
        if let Some(upstream) = end.upstream_address.and_then(HostPort::parse) {
            upstream.record(client, key::NETWORK_PEER_ADDRESS, key::NETWORK_PEER_PORT);
            if client.find(key::SERVER_ADDRESS).is_none() {
                upstream.record(client, key::SERVER_ADDRESS, key::SERVER_PORT);
            }
        }
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
