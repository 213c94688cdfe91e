//! One request's life in the proxy: its head, its response's head and trailers, its end.
//! Only a request whose spans may be exported leaves anything here between callbacks.

use std::borrow::Cow;
use std::time::Duration;

use super::host::{self, Callback, Map};
use super::proxy;
use super::root::Root;
use crate::config::Direction;
use crate::headers::Headers;
use crate::otlp;
use crate::propagation::Injector;
use crate::sampler::Surroundings;
use crate::time::Timestamp;
use crate::tracer::{Fate, Pass, StartOutcome, StreamEnd};

/// gRPC's own header, in trailers or in the head of a response that is nothing but it.
const GRPC_STATUS: &str = "grpc-status";

/// How often the request has been sent upstream.
const ATTEMPTS: &str = "upstream\0request_attempt_count";

/// Where the filter at the listener leaves its SERVER span.
const SERVER_SPAN: &str = "meshspan.server_span";
/// Where those in the upstream filters find it: Envoy keeps properties in the request's filter state.
const SHARED_SERVER_SPAN: &str = "filter_state\0wasm.meshspan.server_span";

/// A stream of the host's, and its pass through the filter while that is recorded.
#[derive(Debug)]
pub(super) struct Stream {
    root: u32,
    pass: Option<Box<Pass>>,
}

/// How much the host can say when a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// All properties, as in `proxy_on_log`.
    Properties,
    /// Nothing but the time.
    ClockOnly,
}

impl Stream {
    pub(super) fn new(root: u32) -> Self {
        Self { root, pass: None }
    }

    pub(super) fn root(&self) -> u32 {
        self.root
    }

    /// Continues or starts a trace, and writes the context onward. False if nothing is recorded. A second
    /// head of one request, which no sound host has, means nothing.
    pub(super) fn request_headers(&mut self, root: &mut Root, is_whole: bool, call: &Callback) -> bool {
        if self.pass.is_some() {
            return true;
        }
        let Some(root) = root.configured() else { return false };
        let Ok(map) = host::map(call, Map::RequestHeaders) else { return false };
        let kind = root.meet(call);
        let headers = Headers::decode(&map);
        let role = root.tracer.role();
        let proxy = Proxy { is_whole, call, kind };
        let start = root.tracer.start(&headers, &proxy, &mut root.ids, &mut RequestInjector);
        root.metrics.context_invalid.add(u64::from(start.invalid));
        match start.outcome {
            // Counted at its end, when it is known as what.
            StartOutcome::Undecided => {}
            StartOutcome::Recording => root.metrics.spans_started.add(role.spans()),
            StartOutcome::SampledOut | StartOutcome::Deferred => {
                root.metrics.spans_sampled_out.add(role.spans());
            }
            StartOutcome::Untraced => {
                if role.has_server()
                    && root.tracer.direction().or_else(|| proxy.direction()) == Some(Direction::Outbound)
                {
                    root.metrics.outbound_without_context.add(1);
                }
            }
        }
        if let Some(span) = start.server_span {
            host::set_property(SERVER_SPAN, &span);
        }
        self.pass = start.pass.map(Box::new);
        self.pass.is_some()
    }

    /// Notes the response's status.
    pub(super) fn response_headers(&mut self, call: &Callback) {
        let Some(pass) = &mut self.pass else { return };
        let header = |name| host::header(call, Map::ResponseHeaders, name);
        let grpc_status = if pass.is_grpc() { header(GRPC_STATUS) } else { None };
        let time = pass.wants_phases().then(host::now);
        pass.record_response(header(":status").as_deref(), grpc_status.as_deref(), time);
        if pass.wants_response_headers() {
            let map = host::map(call, Map::ResponseHeaders).unwrap_or_default();
            pass.record_response_headers(&Headers::decode(&map));
        }
    }

    /// Notes gRPC's status.
    pub(super) fn response_trailers(&mut self, call: &Callback) {
        let Some(pass) = self.pass.as_mut().filter(|pass| pass.is_grpc()) else { return };
        pass.record_trailers(host::header(call, Map::ResponseTrailers, GRPC_STATUS).as_deref());
    }

    /// Ends the spans and queues them.
    pub(super) fn end(self, root: &mut Root, detail: Detail, call: &Callback) {
        let Some(mut pass) = self.pass else { return };
        let Some(root) = root.configured() else { return };
        let (kind, role) = (root.proxy(), pass.role());
        // An attempt's host tells of the whole request: its times are not the attempt's.
        let all = detail == Detail::Properties && role.has_server();
        let known = |path: &str| if all { property(call, kind, path) } else { None };
        let code_details = if pass.wants_details() { known("response\0code_details") } else { None };
        let code = if pass.has_status() { None } else { known("response\0code").and_then(integer) };
        let end = StreamEnd {
            now: host::now(),
            request_time: known("request\0time").and_then(timestamp),
            response_code: code.and_then(|code| code.try_into().ok()),
            code_details: code_details.as_deref(),
            ..StreamEnd::default()
        };
        match pass.fate(&end) {
            Fate::Sampled => {}
            Fate::Kept => root.metrics.spans_started.add(role.spans()),
            Fate::SampledOut => return root.metrics.spans_sampled_out.add(role.spans()),
        }
        let of_upstream = |path| if role.has_client() { known(path) } else { None };
        let (source, upstream) = (known("source\0address"), of_upstream("upstream\0address"));
        let protocol = known("request\0protocol");
        let end = StreamEnd {
            direction: pass.direction().or_else(|| direction(call, kind)),
            attempts: of_upstream(ATTEMPTS).and_then(integer).and_then(|count| count.try_into().ok()),
            backend_latency: of_upstream("response\0backend_latency").and_then(duration),
            source_address: source.as_deref(),
            upstream_address: upstream.as_deref(),
            protocol: protocol.as_deref(),
            ..end
        };
        pass.record_properties(|path| host::property(call, path).filter(|value| !value.is_empty()));
        root.metrics.spans_finished.add(role.spans());
        for span in pass.end(&end).spans() {
            if !root.queue.push(end.now, |out| otlp::encode_span(&span, out)) {
                root.metrics.spans_dropped_queue_full.add(1);
            }
        }
    }
}

/// Which side of the proxy this stream is on, where the host says so. Asked for each stream: listeners of both
/// directions with equal plugins share a root context.
fn direction(call: &Callback, kind: proxy::Proxy) -> Option<Direction> {
    property(call, kind, "xds\0listener_direction").and_then(integer).and_then(Direction::from_listener)
}

fn property<'a>(call: &'a Callback, kind: proxy::Proxy, path: &str) -> Option<Cow<'a, [u8]>> {
    if !kind.has(path) {
        return None;
    }
    host::property(call, path).filter(|value| !value.is_empty())
}

/// An integer as Envoy writes it, eight bytes little-endian, or as nginx does, in digits.
fn integer(value: Cow<'_, [u8]>) -> Option<i64> {
    match <[u8; 8]>::try_from(&*value) {
        Ok(bytes) => Some(i64::from_le_bytes(bytes)),
        Err(_) => std::str::from_utf8(&value).ok()?.parse().ok(),
    }
}

/// Nanoseconds since the Unix epoch. Hosts that write text write another unit: those are passed over.
fn timestamp(value: Cow<'_, [u8]>) -> Option<Timestamp> {
    Some(Timestamp::from_unix_nanos(nanos(&value)?))
}

fn duration(value: Cow<'_, [u8]>) -> Option<Duration> {
    Some(Duration::from_nanos(nanos(&value)?))
}

fn nanos(value: &[u8]) -> Option<u64> {
    let nanos = i64::from_le_bytes(value.try_into().ok()?);
    u64::try_from(nanos).ok().filter(|nanos| *nanos > 0)
}

/// What the proxy knows of a request as it arrives.
struct Proxy<'a> {
    is_whole: bool,
    call: &'a Callback,
    kind: proxy::Proxy,
}

impl Surroundings for Proxy<'_> {
    fn now(&self) -> Timestamp {
        host::now()
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        property(self.call, self.kind, "xds\0route_name")
    }

    fn direction(&self) -> Option<Direction> {
        direction(self.call, self.kind)
    }

    fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn server_span(&self) -> Option<Cow<'_, [u8]>> {
        property(self.call, self.kind, SHARED_SERVER_SPAN)
    }

    fn attempt(&self) -> Option<u64> {
        property(self.call, self.kind, ATTEMPTS).and_then(integer)?.try_into().ok()
    }

    fn upstream_address(&self) -> Option<Cow<'_, [u8]>> {
        property(self.call, self.kind, "upstream\0address")
    }
}

/// Writes into the proxy's request headers.
struct RequestInjector;

impl Injector for RequestInjector {
    /// Hosts differ on replacing a header that is there several times (Envoy keeps one, nginx
    /// none), so that case is a removal and an addition.
    fn set(&mut self, name: &str, value: &[u8], is_repeated: bool) {
        if is_repeated {
            host::remove_header(Map::RequestHeaders, name);
            host::add_header(Map::RequestHeaders, name, value);
        } else {
            host::replace_header(Map::RequestHeaders, name, value);
        }
    }

    fn remove(&mut self, name: &str) {
        host::remove_header(Map::RequestHeaders, name);
    }
}
