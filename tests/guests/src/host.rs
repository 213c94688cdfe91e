//! The host's functions, each with its status as it is: 0 is `Ok`, every other number an `Err`.

#![expect(unsafe_code, reason = "the one module that calls the host")]

pub(crate) type Result<T> = std::result::Result<T, u32>;
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) const REQUEST_HEADERS: u32 = 0;
pub(crate) const REQUEST_TRAILERS: u32 = 1;
pub(crate) const RESPONSE_HEADERS: u32 = 2;
pub(crate) const RESPONSE_TRAILERS: u32 = 3;
pub(crate) const CALL_HEADERS: u32 = 6;
pub(crate) const CALL_TRAILERS: u32 = 7;

pub(crate) const REQUEST_BODY: u32 = 0;
pub(crate) const RESPONSE_BODY: u32 = 1;
pub(crate) const CALL_BODY: u32 = 4;
pub(crate) const GRPC_MESSAGE: u32 = 5;
pub(crate) const PLUGIN_CONFIGURATION: u32 = 7;

pub(crate) const REQUEST: u32 = 0;
pub(crate) const RESPONSE: u32 = 1;

type Bytes = *const u8;
type Out<T> = *mut T;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: Bytes, size: usize) -> u32;
    fn proxy_get_log_level(level: Out<u32>) -> u32;
    fn proxy_get_current_time_nanoseconds(time: Out<u64>) -> u32;
    safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        most: usize,
        data: Out<*mut u8>,
        size: Out<usize>,
    ) -> u32;
    fn proxy_get_buffer_status(kind: u32, size: Out<usize>, flags: Out<u32>) -> u32;
    fn proxy_set_buffer_bytes(kind: u32, start: usize, length: usize, data: Bytes, size: usize) -> u32;
    fn proxy_get_header_map_size(map: u32, size: Out<u32>) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: Out<*mut u8>, size: Out<usize>) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: Bytes, size: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: Bytes,
        length: usize,
        data: Out<*mut u8>,
        size: Out<usize>,
    ) -> u32;
    fn proxy_add_header_map_value(map: u32, name: Bytes, length: usize, value: Bytes, size: usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, name: Bytes, length: usize, value: Bytes, size: usize)
    -> u32;
    fn proxy_remove_header_map_value(map: u32, name: Bytes, length: usize) -> u32;
    safe fn proxy_continue_stream(stream: u32) -> u32;
    safe fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_get_status(code: Out<u32>, data: Out<*mut u8>, size: Out<usize>) -> u32;
    fn proxy_send_local_response(
        code: u32,
        details: Bytes,
        details_size: usize,
        body: Bytes,
        body_size: usize,
        headers: Bytes,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_http_call(
        upstream: Bytes,
        upstream_size: usize,
        headers: Bytes,
        headers_size: usize,
        body: Bytes,
        body_size: usize,
        trailers: Bytes,
        trailers_size: usize,
        timeout: u32,
        token: Out<u32>,
    ) -> u32;
    fn proxy_grpc_call(
        upstream: Bytes,
        upstream_size: usize,
        service: Bytes,
        service_size: usize,
        method: Bytes,
        method_size: usize,
        metadata: Bytes,
        metadata_size: usize,
        message: Bytes,
        message_size: usize,
        timeout: u32,
        token: Out<u32>,
    ) -> u32;
    fn proxy_grpc_stream(
        upstream: Bytes,
        upstream_size: usize,
        service: Bytes,
        service_size: usize,
        method: Bytes,
        method_size: usize,
        metadata: Bytes,
        metadata_size: usize,
        token: Out<u32>,
    ) -> u32;
    fn proxy_grpc_send(token: u32, message: Bytes, size: usize, end: u32) -> u32;
    safe fn proxy_grpc_cancel(token: u32) -> u32;
    safe fn proxy_grpc_close(token: u32) -> u32;
    fn proxy_set_shared_data(key: Bytes, length: usize, value: Bytes, size: usize, cas: u32) -> u32;
    fn proxy_get_shared_data(
        key: Bytes,
        length: usize,
        data: Out<*mut u8>,
        size: Out<usize>,
        cas: Out<u32>,
    ) -> u32;
    fn proxy_register_shared_queue(name: Bytes, length: usize, id: Out<u32>) -> u32;
    fn proxy_resolve_shared_queue(
        vm: Bytes,
        vm_length: usize,
        name: Bytes,
        length: usize,
        id: Out<u32>,
    ) -> u32;
    fn proxy_enqueue_shared_queue(id: u32, data: Bytes, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(id: u32, data: Out<*mut u8>, size: Out<usize>) -> u32;
    fn proxy_define_metric(kind: u32, name: Bytes, length: usize, id: Out<u32>) -> u32;
    safe fn proxy_record_metric(id: u32, value: u64) -> u32;
    safe fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_get_metric(id: u32, value: Out<u64>) -> u32;
    fn proxy_get_property(path: Bytes, length: usize, data: Out<*mut u8>, size: Out<usize>) -> u32;
    fn proxy_set_property(path: Bytes, length: usize, value: Bytes, size: usize) -> u32;
    fn proxy_call_foreign_function(
        name: Bytes,
        length: usize,
        argument: Bytes,
        argument_size: usize,
        data: Out<*mut u8>,
        size: Out<usize>,
    ) -> u32;
    safe fn proxy_set_effective_context(context: u32) -> u32;
    safe fn proxy_done() -> u32;
}

fn check(status: u32) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(status) }
}

/// Memory for the host to write to; [`owned`] takes it back.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    let mut bytes = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(size));
    bytes.as_mut_ptr()
}

fn owned(call: impl FnOnce(Out<*mut u8>, Out<usize>) -> u32) -> Result<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    check(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host got exactly `size` bytes from `allocate`, and wrote them.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

fn out<T: Default>(call: impl FnOnce(Out<T>) -> u32) -> Result<T> {
    let mut value = T::default();
    check(call(&raw mut value))?;
    Ok(value)
}

/// The ABI's form of a map.
pub(crate) fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in pairs {
        for part in [name, value] {
            bytes.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
        }
    }
    for (name, value) in pairs {
        bytes.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Pairs {
    let word = |place: usize| u32::from_le_bytes(bytes[place..place + 4].try_into().unwrap()) as usize;
    if bytes.is_empty() {
        return Pairs::new();
    }
    let count = word(0);
    let mut place = 4 + 8 * count;
    let mut part = |length: usize| {
        let part = bytes[place..place + length].to_vec();
        place += length + 1;
        part
    };
    (0..count).map(|pair| (part(word(4 + 8 * pair)), part(word(8 + 8 * pair)))).collect()
}

// SAFETY of every block below: pointers and lengths come from slices that outlive the call, results go to
// variables of the caller's.

pub(crate) fn log(text: &str) {
    unsafe { proxy_log(2, text.as_ptr(), text.len()) };
}

pub(crate) fn log_level() -> Result<u32> {
    out(|level| unsafe { proxy_get_log_level(level) })
}

pub(crate) fn now() -> Result<u64> {
    out(|time| unsafe { proxy_get_current_time_nanoseconds(time) })
}

pub(crate) fn tick_period(milliseconds: u32) -> Result<()> {
    check(proxy_set_tick_period_milliseconds(milliseconds))
}

pub(crate) fn buffer(kind: u32, start: usize, most: usize) -> Result<Vec<u8>> {
    owned(|data, size| unsafe { proxy_get_buffer_bytes(kind, start, most, data, size) })
}

/// Length and flags.
pub(crate) fn buffer_status(kind: u32) -> Result<(usize, u32)> {
    let mut flags = 0;
    let size = out(|size| unsafe { proxy_get_buffer_status(kind, size, &raw mut flags) })?;
    Ok((size, flags))
}

pub(crate) fn set_buffer(kind: u32, start: usize, length: usize, bytes: &[u8]) -> Result<()> {
    check(unsafe { proxy_set_buffer_bytes(kind, start, length, bytes.as_ptr(), bytes.len()) })
}

pub(crate) fn map_size(map: u32) -> Result<u32> {
    out(|size| unsafe { proxy_get_header_map_size(map, size) })
}

pub(crate) fn pairs(map: u32) -> Result<Pairs> {
    owned(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) }).map(|bytes| decode(&bytes))
}

pub(crate) fn set_pairs(map: u32, encoded: &[u8]) -> Result<()> {
    check(unsafe { proxy_set_header_map_pairs(map, encoded.as_ptr(), encoded.len()) })
}

pub(crate) fn value(map: u32, name: &str) -> Result<Vec<u8>> {
    owned(|data, size| unsafe { proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size) })
}

pub(crate) fn add(map: u32, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
    let value = value.as_ref();
    let (name, length) = (name.as_ptr(), name.len());
    check(unsafe { proxy_add_header_map_value(map, name, length, value.as_ptr(), value.len()) })
}

pub(crate) fn replace(map: u32, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
    let value = value.as_ref();
    let (name, length) = (name.as_ptr(), name.len());
    check(unsafe { proxy_replace_header_map_value(map, name, length, value.as_ptr(), value.len()) })
}

pub(crate) fn remove(map: u32, name: &str) -> Result<()> {
    check(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

pub(crate) fn continue_stream(stream: u32) -> Result<()> {
    check(proxy_continue_stream(stream))
}

pub(crate) fn close_stream(stream: u32) -> Result<()> {
    check(proxy_close_stream(stream))
}

/// Code and text of the last call.
pub(crate) fn status() -> Result<(u32, Vec<u8>)> {
    let mut code = 0;
    let text = owned(|data, size| unsafe { proxy_get_status(&raw mut code, data, size) })?;
    Ok((code, text))
}

/// A reply in the upstream's place.
#[derive(Clone, Copy, Default)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u32,
    pub(crate) details: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) grpc_status: i32,
}

pub(crate) fn reply(reply: Reply<'_>) -> Result<()> {
    let Reply { status, details, body, headers, grpc_status } = reply;
    let headers = encode(headers);
    let (details, details_size) = (details.as_ptr(), details.len());
    let (body, body_size) = (body.as_ptr(), body.len());
    let (headers, headers_size) = (headers.as_ptr(), headers.len());
    check(unsafe {
        proxy_send_local_response(
            status,
            details,
            details_size,
            body,
            body_size,
            headers,
            headers_size,
            grpc_status,
        )
    })
}

/// Returns the token.
pub(crate) fn http_call(
    upstream: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    trailers: &[(&str, &str)],
    timeout_ms: u32,
) -> Result<u32> {
    let (headers, trailers) = (encode(headers), encode(trailers));
    let (up, up_size) = (upstream.as_ptr(), upstream.len());
    let (heads, heads_size) = (headers.as_ptr(), headers.len());
    let (ends, ends_size) = (trailers.as_ptr(), trailers.len());
    let (body, size) = (body.as_ptr(), body.len());
    out(|token| unsafe {
        proxy_http_call(up, up_size, heads, heads_size, body, size, ends, ends_size, timeout_ms, token)
    })
}

/// A gRPC method of a cluster.
#[derive(Clone, Copy)]
pub(crate) struct Method<'a> {
    pub(crate) upstream: &'a str,
    pub(crate) service: &'a str,
    pub(crate) method: &'a str,
}

/// Returns the token.
pub(crate) fn grpc_call(
    to: Method<'_>,
    metadata: &[(&str, &str)],
    message: &[u8],
    timeout: u32,
) -> Result<u32> {
    let metadata = encode(metadata);
    let (up, up_size) = (to.upstream.as_ptr(), to.upstream.len());
    let (service, service_size) = (to.service.as_ptr(), to.service.len());
    let (method, method_size) = (to.method.as_ptr(), to.method.len());
    let (data, data_size) = (metadata.as_ptr(), metadata.len());
    let (text, size) = (message.as_ptr(), message.len());
    out(|token| unsafe {
        proxy_grpc_call(
            up,
            up_size,
            service,
            service_size,
            method,
            method_size,
            data,
            data_size,
            text,
            size,
            timeout,
            token,
        )
    })
}

/// Returns the token.
pub(crate) fn grpc_stream(to: Method<'_>, metadata: &[(&str, &str)]) -> Result<u32> {
    let metadata = encode(metadata);
    let (up, up_size) = (to.upstream.as_ptr(), to.upstream.len());
    let (service, service_size) = (to.service.as_ptr(), to.service.len());
    let (method, method_size) = (to.method.as_ptr(), to.method.len());
    let (data, data_size) = (metadata.as_ptr(), metadata.len());
    out(|token| unsafe {
        proxy_grpc_stream(up, up_size, service, service_size, method, method_size, data, data_size, token)
    })
}

pub(crate) fn grpc_send(token: u32, message: &[u8], end: bool) -> Result<()> {
    check(unsafe { proxy_grpc_send(token, message.as_ptr(), message.len(), u32::from(end)) })
}

pub(crate) fn grpc_cancel(token: u32) -> Result<()> {
    check(proxy_grpc_cancel(token))
}

pub(crate) fn grpc_close(token: u32) -> Result<()> {
    check(proxy_grpc_close(token))
}

pub(crate) fn set_shared(key: &str, value: &[u8], cas: u32) -> Result<()> {
    check(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

/// Value and compare-and-swap number.
pub(crate) fn shared(key: &str) -> Result<(Vec<u8>, u32)> {
    let mut cas = 0;
    let get =
        |data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas) };
    let value = owned(get)?;
    Ok((value, cas))
}

pub(crate) fn register_queue(name: &str) -> Result<u32> {
    out(|id| unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), id) })
}

pub(crate) fn resolve_queue(vm: &str, name: &str) -> Result<u32> {
    out(|id| unsafe { proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), id) })
}

pub(crate) fn enqueue(queue: u32, message: &[u8]) -> Result<()> {
    check(unsafe { proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

pub(crate) fn dequeue(queue: u32) -> Result<Vec<u8>> {
    owned(|data, size| unsafe { proxy_dequeue_shared_queue(queue, data, size) })
}

pub(crate) fn define_metric(kind: u32, name: &str) -> Result<u32> {
    out(|id| unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), id) })
}

pub(crate) fn record(metric: u32, value: u64) -> Result<()> {
    check(proxy_record_metric(metric, value))
}

pub(crate) fn increment(metric: u32, offset: i64) -> Result<()> {
    check(proxy_increment_metric(metric, offset))
}

pub(crate) fn metric(metric: u32) -> Result<u64> {
    out(|value| unsafe { proxy_get_metric(metric, value) })
}

/// `path` with dots between its parts, and a bar where a part has a dot of its own.
pub(crate) fn property(path: &str) -> Result<Vec<u8>> {
    let path = path.replace('.', "\0").replace('|', ".");
    owned(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<()> {
    let path = path.replace('.', "\0");
    check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

pub(crate) fn foreign(name: &str, argument: &[u8]) -> Result<Vec<u8>> {
    let (argument, length) = (argument.as_ptr(), argument.len());
    owned(|data, size| unsafe {
        proxy_call_foreign_function(name.as_ptr(), name.len(), argument, length, data, size)
    })
}

pub(crate) fn effective_context(context: u32) -> Result<()> {
    check(proxy_set_effective_context(context))
}

pub(crate) fn root_done() -> Result<()> {
    check(proxy_done())
}

/// Hostcalls with pointers outside of memory, which a sound guest never makes.
pub(crate) mod wild {
    use super::*;

    const NOWHERE: usize = 0xffff_0000;

    pub(crate) fn value_to_nowhere(map: u32, name: &str) -> Result<()> {
        let (data, size) = (NOWHERE as Out<*mut u8>, NOWHERE as Out<usize>);
        check(unsafe { proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size) })
    }

    pub(crate) fn add_from_nowhere(map: u32) -> Result<()> {
        check(unsafe { proxy_add_header_map_value(map, NOWHERE as Bytes, 8, NOWHERE as Bytes, 8) })
    }

    pub(crate) fn buffer_to_nowhere(kind: u32) -> Result<()> {
        let (data, size) = (NOWHERE as Out<*mut u8>, NOWHERE as Out<usize>);
        check(unsafe { proxy_get_buffer_bytes(kind, 0, 8, data, size) })
    }

    pub(crate) fn time_to_nowhere() -> Result<()> {
        check(unsafe { proxy_get_current_time_nanoseconds(NOWHERE as Out<u64>) })
    }

    pub(crate) fn log_of_nowhere(level: u32) -> Result<()> {
        check(unsafe { proxy_log(level, NOWHERE as Bytes, 8) })
    }

    pub(crate) fn metric_of_nowhere() -> Result<()> {
        check(unsafe { proxy_define_metric(0, NOWHERE as Bytes, 8, NOWHERE as Out<u32>) })
    }

    pub(crate) fn property_of_nowhere() -> Result<()> {
        let (data, size) = (NOWHERE as Out<*mut u8>, NOWHERE as Out<usize>);
        check(unsafe { proxy_get_property(NOWHERE as Bytes, 8, data, size) })
    }

    pub(crate) fn level(level: u32) -> Result<()> {
        let text = "a line of another level";
        check(unsafe { proxy_log(level, text.as_ptr(), text.len()) })
    }
}
