//! One request's life in the proxy: its head, its response's head and trailers, its end.
//! Only a recorded request leaves anything here between callbacks.

use std::time::Duration;

use super::host::{self, Map};
use super::root::Root;
use crate::config::Direction;
use crate::headers::Headers;
use crate::propagation::Injector;
use crate::time::Timestamp;
use crate::tracer::{Pass, StartOutcome, StreamEnd};

/// A stream of the host's, and its pass through the filter while that is recorded.
#[derive(Debug)]
pub(super) struct Stream {
    root: u32,
    pass: Option<Pass>,
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

    /// Continues or starts a trace, and writes the context onward.
    pub(super) fn request_headers(&mut self, root: &mut Root) {
        let Some(root) = root.configured() else { return };
        let Ok(map) = host::map(Map::RequestHeaders) else { return };
        let headers = Headers::decode(&map);
        let mut injector = RequestInjector { headers: &headers };
        let start = root.tracer.start(&headers, host::now(), &mut root.ids, &mut injector);
        root.metrics.context_invalid.add(u64::from(start.invalid));
        match start.outcome {
            StartOutcome::Recording => root.metrics.spans_started.add(Pass::SPANS),
            StartOutcome::SampledOut => root.metrics.spans_sampled_out.add(Pass::SPANS),
            StartOutcome::Untraced => {
                if root.tracer.direction().or_else(direction) == Some(Direction::Outbound) {
                    root.metrics.outbound_without_context.add(1);
                }
            }
        }
        self.pass = start.pass;
    }

    /// Notes the response's status.
    pub(super) fn response_headers(&mut self) {
        let Some(pass) = &mut self.pass else { return };
        if let Ok(map) = host::map(Map::ResponseHeaders) {
            pass.record_response(&Headers::decode(&map));
        }
    }

    /// Notes gRPC's status.
    pub(super) fn response_trailers(&mut self) {
        let Some(pass) = self.pass.as_mut().filter(|pass| pass.wants_trailers()) else { return };
        if let Ok(map) = host::map(Map::ResponseTrailers) {
            pass.record_trailers(&Headers::decode(&map));
        }
    }

    /// Ends the spans and queues them; a second call does nothing.
    pub(super) fn end(&mut self, root: &mut Root, detail: Detail) {
        let Some(pass) = self.pass.take() else { return };
        let Some(root) = root.configured() else { return };
        let now = host::now();
        let known = |path| if detail == Detail::Properties { property(path) } else { None };
        let (source, upstream) = (known("source\0address"), known("upstream\0address"));
        let (protocol, code_details) = (known("request\0protocol"), known("response\0code_details"));
        let code = if pass.has_status() { None } else { known("response\0code").and_then(integer) };
        let end = StreamEnd {
            now,
            direction: pass.direction().or_else(direction),
            request_time: known("request\0time").and_then(timestamp),
            request_duration: known("request\0duration").and_then(duration),
            backend_latency: known("response\0backend_latency").and_then(duration),
            response_code: code.and_then(|code| code.try_into().ok()),
            code_details: code_details.as_deref(),
            source_address: source.as_deref(),
            upstream_address: upstream.as_deref(),
            protocol: protocol.as_deref(),
        };
        root.metrics.spans_finished.add(Pass::SPANS);
        for span in pass.end(&end) {
            if !root.queue.push(now, span) {
                root.metrics.spans_dropped_queue_full.add(1);
            }
        }
    }
}

/// Which side of the proxy this stream is on, where the host says so.
fn direction() -> Option<Direction> {
    property("xds\0listener_direction").and_then(integer).and_then(Direction::from_listener)
}

fn property(path: &str) -> Option<Vec<u8>> {
    host::property(path).filter(|value| !value.is_empty())
}

/// An integer as Envoy writes it, eight bytes little-endian, or as nginx does, in digits.
fn integer(value: Vec<u8>) -> Option<i64> {
    match <[u8; 8]>::try_from(value.as_slice()) {
        Ok(bytes) => Some(i64::from_le_bytes(bytes)),
        Err(_) => std::str::from_utf8(&value).ok()?.parse().ok(),
    }
}

/// Nanoseconds since the Unix epoch. Hosts that write text write another unit: those are passed over.
fn timestamp(value: Vec<u8>) -> Option<Timestamp> {
    Some(Timestamp::from_unix_nanos(nanos(&value)?))
}

fn duration(value: Vec<u8>) -> Option<Duration> {
    Some(Duration::from_nanos(nanos(&value)?))
}

fn nanos(value: &[u8]) -> Option<u64> {
    let nanos = i64::from_le_bytes(value.try_into().ok()?);
    u64::try_from(nanos).ok().filter(|nanos| *nanos > 0)
}

/// Writes into the proxy's request headers.
struct RequestInjector<'a> {
    headers: &'a Headers<'a>,
}

impl Injector for RequestInjector<'_> {
    /// Hosts differ on replacing a header that is there several times (Envoy keeps one, nginx
    /// none), so that case is a removal and an addition.
    fn set(&mut self, name: &str, value: &[u8]) {
        if self.headers.count(name) > 1 {
            host::remove_header(Map::RequestHeaders, name);
            host::add_header(Map::RequestHeaders, name, value);
        } else {
            host::replace_header(Map::RequestHeaders, name, value);
        }
    }

    fn remove(&mut self, name: &str) {
        if self.headers.count(name) > 0 {
            host::remove_header(Map::RequestHeaders, name);
        }
    }
}
