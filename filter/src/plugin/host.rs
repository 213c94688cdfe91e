//! The proxy as the plugin sees it: safe calls over the proxy-wasm 0.2.1 imports.
//! Every value is bytes that last as long as the callback, every failure a [`Status`]; nothing here
//! can panic.
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>

#![expect(unsafe_code, reason = "the one module that calls the host")]

mod memory;

use std::borrow::Cow;
use std::time::Duration;

use crate::time::Timestamp;

pub(super) use memory::{Callback, allocate, callback};

/// Why the host refused a call. ABI 0.2.1, `proxy_status_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The thing asked for is not there.
    NotFound,
    /// An argument is not acceptable: among others, an unknown cluster.
    BadArgument,
    /// An argument could not be parsed: `grpc_call` says so of an unknown cluster.
    ParseFailure,
    /// Anything else, by its number.
    Other(u32),
}

fn check(status: u32) -> Result<(), Status> {
    match status {
        0 => Ok(()),
        1 => Err(Status::NotFound),
        2 => Err(Status::BadArgument),
        4 => Err(Status::ParseFailure),
        other => Err(Status::Other(other)),
    }
}

/// `proxy_map_type_t`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Map {
    RequestHeaders = 0,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CallHeaders = 6,
}

/// `proxy_buffer_type_t`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Buffer {
    HttpCallBody = 4,
    GrpcReceive = 5,
    PluginConfiguration = 7,
}

/// `proxy_log_level_t`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Level {
    Debug = 1,
    Warn = 3,
    Error = 4,
}

/// `proxy_metric_type_t`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum MetricKind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_grpc_call(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        message: *const u8,
        message_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    safe fn proxy_record_metric(id: u32, value: u64) -> u32;
    safe fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    safe fn proxy_done() -> u32;
}

/// Runs a hostcall that hands over a buffer allocated through `proxy_on_memory_allocate`.
fn receive(
    callback: &Callback,
    call: impl FnOnce(*mut *mut u8, *mut usize) -> u32,
) -> Result<Cow<'_, [u8]>, Status> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    check(call(&raw mut data, &raw mut size))?;
    // SAFETY: the host got `data` from our `allocate` with exactly `size` bytes during this call,
    // wrote all of them, and gives them up by returning.
    Ok(unsafe { memory::take(callback, data, size) })
}

/// Writes one line to the proxy's log.
pub(super) fn log(level: Level, message: &str) {
    // SAFETY: pointer and size describe `message`, which outlives the call.
    unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// The proxy's wall clock.
pub(super) fn now() -> Timestamp {
    let mut nanos = 0;
    // SAFETY: `nanos` is a valid place for one u64 during the call.
    unsafe { proxy_get_current_time_nanoseconds(&raw mut nanos) };
    Timestamp::from_unix_nanos(nanos)
}

/// Asks for a tick every `period`.
pub(super) fn set_tick_period(period: Duration) {
    proxy_set_tick_period_milliseconds(u32::try_from(period.as_millis()).unwrap_or(u32::MAX));
}

/// A whole buffer.
pub(super) fn buffer(callback: &Callback, buffer: Buffer) -> Result<Cow<'_, [u8]>, Status> {
    // SAFETY: `receive` hands over valid places for the result.
    receive(callback, |data, size| unsafe {
        proxy_get_buffer_bytes(buffer as u32, 0, usize::MAX, data, size)
    })
}

/// A whole header map, serialized; [`crate::headers::Headers::decode`] reads it.
pub(super) fn map(callback: &Callback, map: Map) -> Result<Cow<'_, [u8]>, Status> {
    // SAFETY: `receive` hands over valid places for the result.
    receive(callback, |data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })
}

/// The first value of a header; none if it is empty, which some hosts say of one that is not there.
pub(super) fn header<'a>(callback: &'a Callback, map: Map, name: &str) -> Option<Cow<'a, [u8]>> {
    // SAFETY: pointer and size describe `name`; `receive` hands over valid places for the result.
    receive(callback, |data, size| unsafe {
        proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size)
    })
    .ok()
    .filter(|value| !value.is_empty())
}

/// Appends a header.
pub(super) fn add_header(map: Map, name: &str, value: &[u8]) {
    // SAFETY: pointers and sizes describe `name` and `value`, which outlive the call.
    unsafe { proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// Replaces a header that is there at most once, or adds it.
pub(super) fn replace_header(map: Map, name: &str, value: &[u8]) {
    // SAFETY: pointers and sizes describe `name` and `value`, which outlive the call.
    unsafe {
        proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
}

/// Removes every value of a header.
pub(super) fn remove_header(map: Map, name: &str) {
    // SAFETY: pointer and size describe `name`, which outlives the call.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
}

/// A property by its path, parts separated by zero bytes: `"request\0time"`.
pub(super) fn property<'a>(callback: &'a Callback, path: &str) -> Option<Cow<'a, [u8]>> {
    // SAFETY: pointer and size describe `path`; `receive` hands over valid places for the result.
    receive(callback, |data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) }).ok()
}

/// Leaves a property for others that handle the same request.
pub(super) fn set_property(path: &str, value: &[u8]) {
    // SAFETY: pointers and sizes describe `path` and `value`, which outlive the call.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

/// Names the reply to an outbound call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallToken(pub(super) u32);

/// Sends a POST to a cluster. `headers` is a serialized map.
pub(super) fn http_call(
    cluster: &str,
    headers: &[u8],
    body: &[u8],
    timeout: Duration,
) -> Result<CallToken, Status> {
    let mut token = 0;
    let no_trailers = 0_u32.to_le_bytes();
    // SAFETY: every pointer and size describes a slice that outlives the call; `token` is a valid place.
    check(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            no_trailers.as_ptr(),
            no_trailers.len(),
            milliseconds(timeout),
            &raw mut token,
        )
    })?;
    Ok(CallToken(token))
}

/// Sends a unary gRPC call to a cluster, of which `upstream` is the name or a serialized `GrpcService`.
/// `metadata` is a serialized map.
pub(super) fn grpc_call(
    upstream: &[u8],
    (service, method): (&str, &str),
    metadata: &[u8],
    message: &[u8],
    timeout: Duration,
) -> Result<CallToken, Status> {
    let mut token = 0;
    // SAFETY: every pointer and size describes a slice that outlives the call; `token` is a valid place.
    check(unsafe {
        proxy_grpc_call(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            milliseconds(timeout),
            &raw mut token,
        )
    })?;
    Ok(CallToken(token))
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// A metric of the proxy's; `None` where the host has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric(Option<u32>);

impl Metric {
    /// Defines a metric, or finds the one of that name.
    pub(super) fn define(kind: MetricKind, name: &str) -> Self {
        let mut id = 0;
        // SAFETY: pointer and size describe `name`; `id` is a valid place.
        let status = unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) };
        Self(check(status).ok().map(|()| id))
    }

    /// Adds an observation to a histogram.
    pub(super) fn record(self, value: u64) {
        if let Some(id) = self.0 {
            proxy_record_metric(id, value);
        }
    }

    /// Adds to a counter or a gauge; hosts refuse an increment of zero.
    pub(super) fn increment(self, by: i64) {
        if let (Some(id), true) = (self.0, by != 0) {
            proxy_increment_metric(id, by);
        }
    }
}

/// Tells the host that the root context has nothing left to do.
pub(super) fn done() {
    proxy_done();
}
