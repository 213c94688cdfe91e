//! Why a hostcall was refused, in words, and where the rule is written.
//!
//! `OutsidePhase` of map 2 → "response headers can be read and changed from their own callback until …"

use super::HostError;
use super::transcript::{Field, Why};

const SPECIFICATION: &str = "https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#";
const ENVOY: &str = "Envoy 1.40, source/extensions/common/wasm/context.cc, ";

/// The rule that `hostcall` broke.
pub(crate) fn why(hostcall: &str, arguments: &[Field], error: &HostError, callback: &str) -> Why {
    let (rule, see) = match error {
        HostError::NotFound => (not_found(hostcall, arguments), specification(hostcall)),
        HostError::OutsidePhase => (outside_phase(argument(arguments, "map"), callback), envoy("Context::getMap")),
        HostError::BadRange => (
            "a body can be replaced from its start (start 0, as many bytes as size says), prepended to (start 0, \
             size 0) or appended to (start at its end or beyond), in its own callback only"
                .to_owned(),
            envoy("BufferBase::copyFrom and Context::getBuffer"),
        ),
        HostError::MetricOperation => (
            "a counter grows by 1 or more, a histogram can be recorded only, and only counters and gauges have a \
             value to read"
                .to_owned(),
            envoy("Context::incrementMetric, recordMetric and getMetric"),
        ),
        HostError::Memory if is_wasi(hostcall) => {
            ("a pointer or a length lies outside the guest's memory".to_owned(), cpp_host(hostcall))
        }
        HostError::Memory => (memory(), specification(hostcall)),
        HostError::Restricted(_) => (error.to_string(), "Envoy's CapabilityRestrictionConfig".to_owned()),
        HostError::Wasi(_) => (error.to_string(), cpp_host(hostcall)),
        HostError::NotNow => (
            "only logs, the clock and WASI are there while the guest initializes itself or allocates memory for \
             the host"
                .to_owned(),
            "proxy-wasm-cpp-host, include/proxy-wasm/wasm.h, isRestrictedCallback".to_owned(),
        ),
        HostError::CasMismatch => (
            "the value was set by somebody since it was read: read it again and try with its new number".to_owned(),
            specification(hostcall),
        ),
        HostError::MissingHeader(_) | HostError::UnknownCluster(_) | HostError::NegativeTimeout => {
            (error.to_string(), envoy("Context::httpCall"))
        }
        HostError::UnknownService(_) | HostError::ServiceWithoutCluster => {
            (error.to_string(), envoy("Context::grpcCall"))
        }
        HostError::Full(..) => (error.to_string(), "the table of bounds in the README".to_owned()),
        _ => (error.to_string(), specification(hostcall)),
    };
    Why { rule, see }
}

fn specification(hostcall: &str) -> String {
    format!("{SPECIFICATION}{hostcall}")
}

/// Of WASI there are more functions than the host's own, all of which have one prefix.
fn is_wasi(hostcall: &str) -> bool {
    !hostcall.starts_with("proxy_")
}

fn cpp_host(hostcall: &str) -> String {
    format!("proxy-wasm-cpp-host, src/exports.cc, {hostcall}")
}

fn envoy(place: &str) -> String {
    format!("{ENVOY}{place}")
}

fn memory() -> String {
    "a pointer or a length lies outside the guest's memory, or its allocator (malloc, \
     proxy_on_memory_allocate) is missing, gave null or gave what lies outside"
        .to_owned()
}

fn argument<'a>(arguments: &'a [Field], name: &str) -> &'a str {
    arguments.iter().find(|field| field.name == name).map_or("", |field| &field.value)
}

fn not_found(hostcall: &str, arguments: &[Field]) -> String {
    let argument = |name| argument(arguments, name);
    match hostcall {
        "proxy_get_header_map_value" => {
            let hint = match argument("key").trim_matches('"').to_ascii_lowercase().as_str() {
                ":host" => "; HTTP/2's name of Host is :authority",
                "path" | "method" | "scheme" | "status" | "authority" => {
                    "; a pseudo-header's name begins with a colon"
                }
                _ => "; a header that may be missing is read by a function that says so",
            };
            format!("there is no header of that name in the {}{hint}", argument("map"))
        }
        "proxy_get_property" => {
            "there is no such property here and now: its path's parts are separated by NUL, those of a request only \
             streams have, and those of a response come with it"
                .to_owned()
        }
        "proxy_get_buffer_bytes" | "proxy_get_buffer_status" => format!(
            "there is no {} now: it is there in its own callback only",
            argument("buffer")
        ),
        "proxy_get_shared_data" => "nobody has set that key in a VM of this vm_id".to_owned(),
        "proxy_set_property" => "only streams have properties that the guest sets".to_owned(),
        "proxy_done" => "proxy_done ends the wait that proxy_on_done asked for by returning false".to_owned(),
        _ if hostcall.ends_with("_metric") => "no metric was defined with that id".to_owned(),
        _ if hostcall.ends_with("_queue") => "no queue has that id or name".to_owned(),
        _ => "there is no such thing, or not any more".to_owned(),
    }
}

fn outside_phase(map: &str, callback: &str) -> String {
    match map {
        "call headers" | "call trailers" => {
            format!("{map} are there in proxy_on_http_call_response only, not in {callback}")
        }
        "gRPC initial metadata" | "gRPC trailing metadata" => {
            format!("{map} is there in its own callback only, not in {callback}")
        }
        "request trailers" => format!(
            "{map} can be read and changed from their own callback until that returns Continue, not in {callback}"
        ),
        _ => format!(
            "{map} can be read and changed from their own callback until that returns Continue, and read in \
             proxy_on_log, not in {callback}; keep what is needed later"
        ),
    }
}
