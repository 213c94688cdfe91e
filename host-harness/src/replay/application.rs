//! The modelled applications: which trace headers they send, and the spans that they emit themselves.
//! What a topology says an application does is all that it does; the proxies' spans come from the
//! filter alone.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::mesh::Mesh;
use super::message::{copy, recorded_response, request_headers};
use super::propagation::{self, CONTEXT_HEADERS, SpanContext};
use super::schedule::Passage;
use super::semantics::{describe, name, text};
use super::shard::hash;
use crate::host::HeaderMap;
use crate::time::Timestamp;
use crate::topology::{Application, Format};
use crate::traffic::Exchange;

/// Span.flags: whether the parent is remote is known, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// An application exports when it has so many spans, or those that it has are so old, as SDKs do.
const MAX_BATCH_SPANS: usize = 512;
const MAX_BATCH_AGE: Duration = Duration::from_secs(1);

/// All applications of a mesh, and the spans that they have not exported yet.
pub(super) struct Applications<'a> {
    mesh: Mesh<'a>,
    seed: u64,
    spans: BTreeMap<&'a str, Vec<Span>>,
    waiting: usize,
    exported: Timestamp,
}

/// A request as it left an application.
pub(super) struct Sent {
    /// Pseudo-headers first.
    pub(super) headers: HeaderMap,
    at: Timestamp,
    /// The CLIENT span that is open meanwhile.
    client: Option<OpenSpan>,
}

/// What an application knows of a request that it is handling, for the calls that it makes meanwhile.
pub(super) struct Handling {
    /// The traces that the request named.
    pub(super) traces: Vec<u128>,
    /// The headers that the application copies.
    copied: HeaderMap,
    /// The SERVER span's context, if the application has one.
    context: Option<SpanContext>,
    /// How much later than planned the request came.
    pub(super) late: Duration,
}

/// A request that an application has not answered yet.
pub(super) struct Served {
    server: OpenSpan,
    pub(super) arrived: Timestamp,
}

#[derive(Clone, Debug)]
struct OpenSpan {
    context: SpanContext,
    parent: Option<u64>,
}

impl<'a> Applications<'a> {
    pub(super) fn new(mesh: Mesh<'a>, seed: u64) -> Self {
        Self { mesh, seed, spans: BTreeMap::new(), waiting: 0, exported: Timestamp::default() }
    }

    /// The source application sends: as recorded, but for the trace headers.
    pub(super) fn send(&self, exchange: &Exchange, handling: Option<&Handling>, at: Timestamp) -> Sent {
        let mut headers = request_headers(exchange);
        let application = self.mesh.application(&exchange.source).map(|(_, application)| application);
        if handling.is_some() || matches!(application, Some(Application::Instrumented { .. })) {
            CONTEXT_HEADERS.iter().for_each(|name| headers.remove(name));
        }
        match (application, handling) {
            (Some(application @ Application::Instrumented { .. }), _) => {
                let parent = handling.and_then(|handling| handling.context.as_ref());
                let client = child_of(parent, &mut self.ids(exchange, "client"));
                if let Some(format) = format_of(application, exchange) {
                    propagation::inject(format, &client.context, &mut headers);
                }
                Sent { headers, at, client: Some(client) }
            }
            (Some(Application::Forwards { headers: names }), Some(handling)) => {
                copy(names, &handling.copied, &mut headers);
                Sent { headers, at, client: None }
            }
            _ => Sent { headers, at, client: None },
        }
    }

    /// The destination application gets the request's head. If it is instrumented, it is to say when it has
    /// answered, too.
    pub(super) fn receive(
        &self,
        passage: &Passage,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> (Handling, Option<Served>) {
        let exchange = &passage.exchange;
        let (traces, late) = (propagation::trace_ids(headers), now.since(passage.arrived));
        let mut handling = Handling { traces, copied: HeaderMap::new(), context: None, late };
        let Some((_, application)) = self.mesh.application(&exchange.destination) else {
            return (handling, None);
        };
        if let Application::Forwards { headers: names } = application {
            copy(names, headers, &mut handling.copied);
        }
        let Some(format) = format_of(application, exchange) else { return (handling, None) };
        let incoming = propagation::extract(format, headers);
        let server = child_of(incoming.as_ref(), &mut self.ids(exchange, "server"));
        handling.context = Some(server.context.clone());
        (handling, Some(Served { server, arrived: now }))
    }

    /// The destination application has answered: its SERVER span is emitted.
    pub(super) fn answer(&mut self, passage: &Passage, served: &Served, answered: Timestamp) {
        let exchange = &passage.exchange;
        let Some((name, _)) = self.mesh.application(&exchange.destination) else { return };
        if served.server.context.sampled {
            let mut span = served.server.span(span::SpanKind::Server, HAS_IS_REMOTE | IS_REMOTE, exchange);
            span.start_time_unix_nano = served.arrived.as_unix_nanos();
            span.end_time_unix_nano = answered.max(served.arrived).as_unix_nanos();
            describe(&mut span, exchange, &recorded_response(exchange), true);
            self.emit(name, span);
        }
    }

    /// The source application has the whole response: its CLIENT span is emitted.
    pub(super) fn finish(&mut self, passage: &Passage, sent: &Sent, response: &HeaderMap, now: Timestamp) {
        let exchange = &passage.exchange;
        let application = self.mesh.application(&exchange.source);
        let (Some(client), Some((name, _))) = (&sent.client, application) else { return };
        if client.context.sampled {
            let mut span = client.span(span::SpanKind::Client, HAS_IS_REMOTE, exchange);
            span.start_time_unix_nano = sent.at.as_unix_nanos();
            span.end_time_unix_nano = now.as_unix_nanos();
            describe(&mut span, exchange, response, false);
            self.emit(name, span);
        }
    }

    /// The spans that are due for their export.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<ResourceSpans> {
        if self.waiting == 0 || (self.waiting < MAX_BATCH_SPANS && now.since(self.exported) < MAX_BATCH_AGE) {
            return Vec::new();
        }
        self.exported = now;
        self.take_all()
    }

    /// Every span not exported yet, by application.
    pub(super) fn take_all(&mut self) -> Vec<ResourceSpans> {
        self.waiting = 0;
        let emitted = std::mem::take(&mut self.spans).into_iter().filter_map(|(name, spans)| {
            let (name, Application::Instrumented { sdk, scope, .. }) = self.mesh.application(name)? else {
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

    fn emit(&mut self, name: &'a str, span: Span) {
        self.spans.entry(name).or_default().push(span);
        self.waiting += 1;
    }

    /// Each exchange's ids are its own, whichever others there are.
    fn ids(&self, exchange: &Exchange, role: &str) -> Xoshiro256PlusPlus {
        let name = [exchange.id.as_bytes(), role.as_bytes(), &self.seed.to_le_bytes()].concat();
        Xoshiro256PlusPlus::seed_from_u64(hash(&name))
    }
}

/// A new span in the parent's trace; in a new trace, sampled, if there is no parent.
fn child_of(parent: Option<&SpanContext>, ids: &mut Xoshiro256PlusPlus) -> OpenSpan {
    let context = SpanContext {
        trace_id: parent.map_or_else(|| new_trace_id(ids), |parent| parent.trace_id),
        span_id: ids.next_u64().max(1),
        sampled: parent.is_none_or(|parent| parent.sampled),
        trace_state: parent.map(|parent| parent.trace_state.clone()).unwrap_or_default(),
    };
    OpenSpan { context, parent: parent.map(|parent| parent.span_id) }
}

fn new_trace_id(ids: &mut Xoshiro256PlusPlus) -> u128 {
    let (high, low) = (ids.next_u64(), ids.next_u64());
    (u128::from(high) << 64 | u128::from(low)).max(1)
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
