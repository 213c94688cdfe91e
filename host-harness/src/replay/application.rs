//! The modelled applications: which trace headers they send, and the spans that they emit themselves.
//! What a topology says an application does is all that it does; the proxies' spans come from the
//! filter alone.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::propagation::{self, CONTEXT_HEADERS, SpanContext};
use super::schedule::Passage;
use crate::host::HeaderMap;
use crate::topology::{Application, Format, Topology};
use crate::traffic::Exchange;

/// Span.flags: whether the parent is remote is known, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// gRPC statuses that are a server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
/// UNAVAILABLE, DATA_LOSS.
const SERVER_ERRORS: [u32; 6] = [2, 4, 12, 13, 14, 15];

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
        let path = exchange.request.path.split('?').next().unwrap_or_default();
        let name = if exchange.is_grpc() { path.trim_start_matches('/') } else { &exchange.request.method };
        Span {
            trace_id: self.context.trace_id.to_be_bytes().to_vec(),
            span_id: self.context.span_id.to_be_bytes().to_vec(),
            parent_span_id: self.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
            trace_state: String::from_utf8_lossy(&self.context.trace_state).into_owned(),
            flags: 1 | self.parent.map_or(HAS_IS_REMOTE, |_| parent_flags),
            name: name.to_owned(),
            kind: kind.into(),
            ..Default::default()
        }
    }
}

/// The request's head as the source puts it on the wire, names in lower case as HTTP/2 and Envoy have them.
fn request_headers(exchange: &Exchange) -> HeaderMap {
    let request = &exchange.request;
    let pseudo = [
        (":method", &request.method),
        (":path", &request.path),
        (":authority", &request.authority),
        (":scheme", &request.scheme),
    ];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.clone()));
    HeaderMap::from_pairs(pseudo.chain(request.headers.iter().map(lower_case)))
}

/// The response's head as the destination put it on the wire.
pub(super) fn response_headers(exchange: &Exchange) -> HeaderMap {
    let status = (":status".to_owned(), exchange.response.status.to_string());
    HeaderMap::from_pairs(std::iter::once(status).chain(exchange.response.headers.iter().map(lower_case)))
}

/// The response's trailers; empty if there are none.
pub(super) fn response_trailers(exchange: &Exchange) -> HeaderMap {
    HeaderMap::from_pairs(exchange.response.trailers.iter().map(lower_case))
}

fn recorded_response(exchange: &Exchange) -> HeaderMap {
    let mut head = response_headers(exchange);
    response_trailers(exchange).iter().for_each(|(name, value)| head.add(name, value));
    head
}

fn lower_case((name, value): &(String, String)) -> (String, String) {
    (name.to_ascii_lowercase(), value.clone())
}

fn format_of(application: &Application, exchange: &Exchange) -> Option<Format> {
    match application {
        Application::Instrumented { http, grpc, .. } => Some(if exchange.is_grpc() { *grpc } else { *http }),
        Application::Forwards { .. } | Application::Drops => None,
    }
}

/// Puts the incoming values of the headers in `names` in place of the outgoing ones.
fn copy(names: &[String], incoming: &HeaderMap, outgoing: &mut HeaderMap) {
    for name in names {
        let name = name.to_ascii_lowercase();
        outgoing.remove(&name);
        for (_, value) in incoming.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())) {
            outgoing.add(name.as_str(), value);
        }
    }
}

/// Attributes and status, as the HTTP and gRPC semantic conventions have them.
fn describe(span: &mut Span, exchange: &Exchange, response: &HeaderMap, is_server: bool) {
    let code = number(response.first(":status"));
    let grpc = number(response.first("grpc-status"));
    let request = &exchange.request;
    let is_error = if exchange.is_grpc() {
        span.attributes.extend([text("rpc.system.name", "grpc"), text("rpc.method", &span.name)]);
        grpc.map_or(
            code != Some(200),
            |grpc| if is_server { SERVER_ERRORS.contains(&grpc) } else { grpc != 0 },
        )
    } else {
        span.attributes.push(text("http.request.method", &request.method));
        code.is_none_or(|code| code >= if is_server { 500 } else { 400 })
    };
    if let Some(grpc) = grpc.filter(|_| exchange.is_grpc()) {
        span.attributes.push(text("rpc.response.status_code", grpc_status_name(grpc)));
    }
    if let Some(code) = code.filter(|_| !exchange.is_grpc()) {
        span.attributes.push(integer("http.response.status_code", code));
    }
    let path = request.path.split('?').next().unwrap_or_default();
    span.attributes.push(text("url.path", path));
    span.attributes.push(text("server.address", host_of(&request.authority)));
    if is_error {
        let message = response.first("grpc-message").map(String::from_utf8_lossy).unwrap_or_default();
        span.status = Some(Status { message: message.into_owned(), code: status::StatusCode::Error.into() });
    }
}

/// An authority without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn number(value: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

/// gRPC's names of its statuses, by number.
fn grpc_status_name(code: u32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    usize::try_from(code).ok().and_then(|code| NAMES.get(code)).copied().unwrap_or("UNKNOWN")
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn integer(key: &str, value: u32) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value.into()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(content_type: &str, path: &str) -> Exchange {
        let json = serde_json::json!({
            "id": "1", "source": "a", "destination": "b", "start": "2026-11-22T05:00:00Z",
            "request": {"method": "POST", "scheme": "http", "authority": "b-svc.ns:8080", "path": path,
                        "headers": [["Content-Type", content_type]]},
            "response": {"status": 200},
            "timing_us": {"request_end": 0, "response_start": 1, "response_end": 2},
        });
        serde_json::from_value(json).unwrap()
    }

    fn described(exchange: &Exchange, response: &[(&str, &str)], is_server: bool) -> (bool, Span) {
        let context = SpanContext { trace_id: 1, span_id: 2, sampled: true, trace_state: vec![] };
        let mut span = OpenSpan { context, parent: None }.span(span::SpanKind::Server, 0, exchange);
        describe(&mut span, exchange, &HeaderMap::from_pairs(response.iter().copied()), is_server);
        (span.status.as_ref().is_some_and(|status| status.code == 2), span)
    }

    #[test]
    fn a_status_is_an_error_to_whom_the_conventions_say() {
        let (http, grpc) = ("application/json", "application/grpc");
        let rows: [(&str, &[(&str, &str)], bool, bool, &str); 10] = [
            (http, &[(":status", "200")], false, false, "success"),
            (http, &[(":status", "399")], false, false, "redirection"),
            (http, &[(":status", "404")], false, true, "the client's mistake"),
            (http, &[(":status", "500")], true, true, "the server's fault"),
            (http, &[], true, true, "no answer"),
            (grpc, &[(":status", "200"), ("grpc-status", "0")], false, false, "OK"),
            (grpc, &[(":status", "200"), ("grpc-status", "5")], false, true, "NOT_FOUND"),
            (grpc, &[(":status", "200"), ("grpc-status", "2")], true, true, "UNKNOWN"),
            (grpc, &[(":status", "200")], false, false, "no gRPC status seen"),
            (grpc, &[(":status", "503")], true, true, "no gRPC at all"),
        ];
        for (content_type, response, server, client, reason) in rows {
            let exchange = exchange(content_type, "/p.S/M");
            assert_eq!(described(&exchange, response, true).0, server, "server: {reason}");
            assert_eq!(described(&exchange, response, false).0, client, "client: {reason}");
        }
    }

    #[test]
    fn names_are_low_in_cardinality_and_grpc_statuses_have_names() {
        let (_, span) =
            described(&exchange("application/json", "/vote?choice=1"), &[(":status", "200")], true);
        assert_eq!(span.name, "POST");
        assert!(span.attributes.contains(&text("url.path", "/vote")));
        assert!(span.attributes.contains(&text("server.address", "b-svc.ns")));
        assert!(span.attributes.contains(&integer("http.response.status_code", 200)));
        let response = [(":status", "200"), ("grpc-status", "2"), ("grpc-message", "ERROR")];
        let (_, span) = described(&exchange("application/grpc", "/p.S/M"), &response, true);
        assert_eq!(span.name, "p.S/M");
        assert!(span.attributes.contains(&text("rpc.response.status_code", "UNKNOWN")));
        assert_eq!(span.status.unwrap().message, "ERROR");
    }

    #[test]
    fn copied_headers_keep_duplicates_and_replace_what_was_recorded() {
        let incoming = HeaderMap::from_pairs([("b3", "1"), ("x", "a"), ("x", "b"), ("y", "c")]);
        let mut outgoing = HeaderMap::from_pairs([("x", "recorded"), ("b3", "stale")]);
        copy(&["X".to_owned(), "b3".to_owned(), "absent".to_owned()], &incoming, &mut outgoing);
        assert_eq!(outgoing, HeaderMap::from_pairs([("x", "a"), ("x", "b"), ("b3", "1")]));
    }
}
