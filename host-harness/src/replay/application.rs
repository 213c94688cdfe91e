//! The modelled applications: which trace headers they send, and the spans that they emit themselves.
//! What a topology says an application does is all that it does; the proxies' spans come from the
//! filter alone.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::message::{copy, recorded_response, request_headers};
use super::propagation::{self, CONTEXT_HEADERS, SpanContext};
use super::schedule::Passage;
use super::semantics::{describe, name, text};
use crate::host::HeaderMap;
use crate::topology::{Application, Format, Topology};
use crate::traffic::Exchange;

/// Span.flags: whether the parent is remote is known, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// All applications of a mesh, and the spans that they have emitted so far.
pub(super) struct Applications<'a> {
    topology: &'a Topology,
    ids: Xoshiro256PlusPlus,
    spans: BTreeMap<&'a str, Vec<Span>>,
}

/// A request as it left an application.
pub(super) struct Sent {
    /// Pseudo-headers first.
    pub(super) headers: HeaderMap,
    /// The CLIENT span that is open meanwhile.
    client: Option<OpenSpan>,
}

/// A request that an application is handling.
pub(super) struct Handling {
    /// As it came.
    pub(super) headers: HeaderMap,
    /// The SERVER span's context, if the application has one.
    context: Option<SpanContext>,
}

#[derive(Clone, Debug)]
struct OpenSpan {
    context: SpanContext,
    parent: Option<u64>,
}

impl<'a> Applications<'a> {
    pub(super) fn new(topology: &'a Topology, seed: u64) -> Self {
        Self { topology, ids: Xoshiro256PlusPlus::seed_from_u64(seed), spans: BTreeMap::new() }
    }

    /// The source application sends: as recorded, but for the trace headers.
    pub(super) fn send(&mut self, exchange: &Exchange, handling: Option<&Handling>) -> Sent {
        let mut headers = request_headers(exchange);
        let application = self.topology.services.get(&exchange.source).map(|service| &service.application);
        if handling.is_some() || matches!(application, Some(Application::Instrumented { .. })) {
            CONTEXT_HEADERS.iter().for_each(|name| headers.remove(name));
        }
        match (application, handling) {
            (Some(application @ Application::Instrumented { .. }), _) => {
                let client = self.child_of(handling.and_then(|handling| handling.context.as_ref()));
                if let Some(format) = format_of(application, exchange) {
                    propagation::inject(format, &client.context, &mut headers);
                }
                Sent { headers, client: Some(client) }
            }
            (Some(Application::Forwards { headers: names }), Some(handling)) => {
                copy(names, &handling.headers, &mut headers);
                Sent { headers, client: None }
            }
            _ => Sent { headers, client: None },
        }
    }

    /// The destination application gets the request; its SERVER span is emitted when it has answered.
    pub(super) fn receive(&mut self, passage: &Passage, headers: HeaderMap) -> Handling {
        let exchange = &passage.exchange;
        let Some((name, service)) = self.topology.services.get_key_value(&exchange.destination) else {
            return Handling { headers, context: None };
        };
        let Some(format) = format_of(&service.application, exchange) else {
            return Handling { headers, context: None };
        };
        let incoming = propagation::extract(format, &headers);
        let server = self.child_of(incoming.as_ref());
        if server.context.sampled {
            let mut span = server.span(span::SpanKind::Server, HAS_IS_REMOTE | IS_REMOTE, exchange);
            span.start_time_unix_nano = passage.arrived.as_unix_nanos();
            span.end_time_unix_nano = passage.answered.as_unix_nanos();
            describe(&mut span, exchange, &recorded_response(exchange), true);
            self.spans.entry(name).or_default().push(span);
        }
        Handling { headers, context: Some(server.context) }
    }

    /// The source application has the whole response: its CLIENT span is emitted.
    pub(super) fn finish(&mut self, passage: &Passage, sent: &Sent, response: &HeaderMap) {
        let exchange = &passage.exchange;
        let name = self.topology.services.get_key_value(&exchange.source).map(|(name, _)| name);
        let (Some(client), Some(name)) = (&sent.client, name) else { return };
        if client.context.sampled {
            let mut span = client.span(span::SpanKind::Client, HAS_IS_REMOTE, exchange);
            span.start_time_unix_nano = passage.sent.as_unix_nanos();
            span.end_time_unix_nano = passage.finished.as_unix_nanos();
            describe(&mut span, exchange, response, false);
            self.spans.entry(name).or_default().push(span);
        }
    }

    /// Every span emitted, by application.
    pub(super) fn into_spans(self) -> Vec<ResourceSpans> {
        let services = &self.topology.services;
        let emitted = self.spans.into_iter().filter_map(|(name, spans)| {
            let Application::Instrumented { sdk, scope, .. } = &services.get(name)?.application else {
                return None;
            };
            let attributes = vec![text("service.name", name), text("telemetry.sdk.name", sdk)];
            let scope = InstrumentationScope { name: scope.clone(), ..Default::default() };
            Some(ResourceSpans {
                resource: Some(Resource { attributes, ..Default::default() }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }],
                ..Default::default()
            })
        });
        emitted.collect()
    }

    /// A new span in the parent's trace; in a new trace, sampled, if there is no parent.
    fn child_of(&mut self, parent: Option<&SpanContext>) -> OpenSpan {
        let context = SpanContext {
            trace_id: parent.map_or_else(|| self.new_trace_id(), |parent| parent.trace_id),
            span_id: self.ids.next_u64().max(1),
            sampled: parent.is_none_or(|parent| parent.sampled),
            trace_state: parent.map(|parent| parent.trace_state.clone()).unwrap_or_default(),
        };
        OpenSpan { context, parent: parent.map(|parent| parent.span_id) }
    }

    fn new_trace_id(&mut self) -> u128 {
        let (high, low) = (self.ids.next_u64(), self.ids.next_u64());
        (u128::from(high) << 64 | u128::from(low)).max(1)
    }
}

impl OpenSpan {
    fn span(&self, kind: span::SpanKind, parent_flags: u32, exchange: &Exchange) -> Span {
        Span {
            trace_id: self.context.trace_id.to_be_bytes().to_vec(),
            span_id: self.context.span_id.to_be_bytes().to_vec(),
            parent_span_id: self.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
            trace_state: String::from_utf8_lossy(&self.context.trace_state).into_owned(),
            flags: 1 | self.parent.map_or(HAS_IS_REMOTE, |_| parent_flags),
            name: name(exchange).to_owned(),
            kind: kind.into(),
            ..Default::default()
        }
    }
}

fn format_of(application: &Application, exchange: &Exchange) -> Option<Format> {
    match application {
        Application::Instrumented { http, grpc, .. } => Some(if exchange.is_grpc() { *grpc } else { *http }),
        Application::Forwards { .. } | Application::Drops => None,
    }
}
