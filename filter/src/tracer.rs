//! One request's way through the proxy as spans. Orchestrates only: what headers mean is
//! `propagation`'s and `attributes`' affair, who is recorded the `sampler`'s.
//! `traceparent: 00-T-A-01` → SERVER span S (child of A), CLIENT span C (child of S), onward `00-T-C-01`

mod pass;

use std::borrow::Cow;
use std::mem::take;
use std::rc::Rc;

use crate::attributes::custom::{CustomValues, Names, SpanShape};
use crate::attributes::http::Request;
use crate::attributes::key;
use crate::attributes::outcome::Outcome;
use crate::attributes::route::PathTemplate;
use crate::config::{Config, Direction, Role};
use crate::context::{Format, IncomingDecision, SpanContext, TraceFlags};
use crate::headers::Headers;
use crate::ids::{IdGenerator, TraceId};
use crate::propagation::{Injector, Propagator, w3c};
use crate::sampler::{Candidate, Facts, Sampler, SamplingDecision, Surroundings};
use crate::span::Parent;

pub use pass::{Fate, FinishedPass, Pass, StreamEnd};
use pass::{Identity, Phases};

/// Starts spans by a fixed configuration.
#[derive(Clone, Debug)]
pub struct Tracer {
    propagator: Propagator,
    sampler: Sampler,
    start_traces: bool,
    path_templates: Vec<PathTemplate>,
    shape: Rc<SpanShape>,
    direction: Option<Direction>,
    role: Role,
    phases: bool,
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
    /// Part of a trace that is not sampled, and the next hop has been told so; its spans have begun in
    /// case they are kept.
    Undecided,
    /// Its spans have begun.
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
    /// The SERVER span, for the filters above the upstream; a `traceparent`'s value.
    pub server_span: Option<[u8; w3c::LEN]>,
}

impl Start {
    fn without_spans(outcome: StartOutcome, invalid: u32) -> Self {
        Self { pass: None, outcome, invalid, server_span: None }
    }
}

impl Tracer {
    /// A tracer for `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            propagator: config.propagator.clone(),
            sampler: config.sampler.clone(),
            start_traces: config.start_traces,
            path_templates: config.path_templates.clone(),
            shape: Rc::new(config.shape.clone()),
            direction: config.direction,
            role: config.role,
            phases: config.phases,
        }
    }

    /// Which spans are recorded.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The configured direction, if the proxy is not to be asked.
    pub const fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// Decides about a request, begins its spans at what the proxy's clock shows and writes the context
    /// of the last of them onward. Without any context and with `start_traces` off, writes nothing.
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
            return Start::without_spans(StartOutcome::Untraced, invalid);
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
            return Start::without_spans(StartOutcome::Deferred, invalid);
        }
        let sampled = sampling.decision == SamplingDecision::RecordAndSample;
        let flags = TraceFlags::new(sampled, parent.is_none_or(|parent| parent.random));
        let server_id = ids.span_id();
        let span_id = if self.role.has_client() { ids.span_id() } else { server_id };
        let onward = SpanContext { trace_id, span_id, flags, trace_state: sampling.trace_state };
        self.propagator.inject(&extraction, &onward, incoming == Some(IncomingDecision::Debug), out);
        let outcome = match sampling.decision {
            SamplingDecision::RecordAndSample => StartOutcome::Recording,
            SamplingDecision::SampleOut if !self.sampler.keep.is_nothing() => StartOutcome::Undecided,
            _ => return Start::without_spans(StartOutcome::SampledOut, invalid),
        };

        let server_span = (self.role == Role::Server).then(|| w3c::format(&onward));
        let remote = parent.map(|parent| Parent { span_id: parent.span_id, is_remote: true });
        let parent = self.local_parent(trace_id, proxy).or(remote);
        let mut pass = self.begin(headers, &facts, Identity { parent, server_id, onward });
        if self.shape.names == Names::Semconv {
            let decider = self.sampler.name(sampling.decider);
            pass.each(|_, attributes| {
                attributes.set(key::SAMPLING_RULE, decider);
                attributes.set_some(key::SAMPLING_LOCAL, (!sampled).then_some(true));
            });
        }
        pass.keep = (!sampled).then_some(self.sampler.keep);
        pass.phases.request_end = proxy.is_whole().then(|| facts.now());
        if self.role == Role::Client {
            pass.record_attempt(proxy);
        }
        Start { pass: Some(pass), outcome, invalid, server_span }
    }

    /// The SERVER span that this proxy's filter at the listener has begun for the same request. What the
    /// headers name may be the attempt before: hosts have one header map for all attempts.
    fn local_parent(&self, trace_id: TraceId, proxy: &dyn Surroundings) -> Option<Parent> {
        if self.role != Role::Client {
            return None;
        }
        let (trace, span_id, _) = w3c::parse(&proxy.server_span()?).ok()?;
        (trace == trace_id).then_some(Parent { span_id, is_remote: false })
    }

    fn begin(&self, headers: &Headers<'_>, facts: &Facts<'_>, identity: Identity) -> Pass {
        let request = Request::read(headers, &self.path_templates);
        let (has_server, has_client) = (self.role.has_server(), self.role.has_client());
        let query = &self.shape.query;
        let (name, server, client) = match self.shape.names {
            Names::Semconv => (
                request.span_name(),
                has_server.then(|| request.server_attributes(query)),
                has_client.then(|| request.client_attributes(query)),
            ),
            Names::Linkerd => {
                let attributes = || request.linkerd_attributes(headers, query);
                let name = Cow::Owned(request.linkerd_name());
                (name, has_server.then(attributes), has_client.then(attributes))
            }
        };
        let is_plain = self.shape.is_plain();
        Pass {
            identity,
            name,
            names: self.shape.names,
            onward: facts.now(),
            server: server.unwrap_or_default(),
            client: client.unwrap_or_default(),
            names_client: request.client().is_some(),
            names_server: request.server().is_some(),
            custom: (!is_plain).then(|| CustomValues::of_request(&self.shape, headers)),
            limits: self.shape.limits,
            outcome: Outcome { is_grpc: request.is_grpc(), ..Outcome::default() },
            direction: self.direction,
            role: self.role,
            phases: Phases { wanted: self.phases, ..Phases::default() },
            keep: None,
        }
    }
}

#[cfg(test)]
mod tests;
