//! What the numbers of each hostcall mean, to show them.

/// What one argument is. Some take two numbers: where it is, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Map,
    Buffer,
    Stream,
    Metric,
    Level,
    Number,
    Wide,
    /// Pointer and length of bytes.
    Bytes,
    /// Pointer and length of a property's path, its parts separated by NUL.
    Path,
    /// Pointer and length of a serialized map.
    Pairs,
    /// Where pointer and length of what is given are written.
    GivesBytes,
    /// The same of a serialized map.
    GivesPairs,
    /// Where four bytes are written.
    GivesNumber,
    /// Where eight bytes are written.
    GivesWide,
}

impl Kind {
    /// How many numbers it takes.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Bytes | Self::Path | Self::Pairs | Self::GivesBytes | Self::GivesPairs => 2,
            Self::Map
            | Self::Buffer
            | Self::Stream
            | Self::Metric
            | Self::Level
            | Self::Number
            | Self::Wide
            | Self::GivesNumber
            | Self::GivesWide => 1,
        }
    }
}

use Kind::{
    Buffer, Bytes, GivesBytes, GivesNumber, GivesPairs, GivesWide, Level, Map, Metric, Number, Pairs, Path,
    Stream, Wide,
};

type Signature = (&'static str, &'static [(&'static str, Kind)]);

/// The parameters of a hostcall; `None` of one that is shown by its numbers.
pub(super) fn signature(hostcall: &str) -> Option<&'static [(&'static str, Kind)]> {
    SIGNATURES.iter().find(|(name, _)| *name == hostcall).map(|(_, parameters)| *parameters)
}

pub(super) const SIGNATURES: [Signature; 45] = [
    ("proxy_log", &[("level", Level), ("message", Bytes)]),
    ("proxy_get_log_level", &[("level", GivesNumber)]),
    ("proxy_get_current_time_nanoseconds", &[("time", GivesWide)]),
    ("proxy_set_tick_period_milliseconds", &[("milliseconds", Number)]),
    (
        "proxy_get_buffer_bytes",
        &[("buffer", Buffer), ("start", Number), ("size", Number), ("value", GivesBytes)],
    ),
    ("proxy_get_buffer_status", &[("buffer", Buffer), ("size", GivesNumber), ("flags", GivesNumber)]),
    ("proxy_set_buffer_bytes", &[("buffer", Buffer), ("start", Number), ("size", Number), ("value", Bytes)]),
    ("proxy_get_header_map_size", &[("map", Map), ("size", GivesNumber)]),
    ("proxy_get_header_map_pairs", &[("map", Map), ("value", GivesPairs)]),
    ("proxy_set_header_map_pairs", &[("map", Map), ("value", Pairs)]),
    ("proxy_get_header_map_value", &[("map", Map), ("key", Bytes), ("value", GivesBytes)]),
    ("proxy_add_header_map_value", &[("map", Map), ("key", Bytes), ("value", Bytes)]),
    ("proxy_replace_header_map_value", &[("map", Map), ("key", Bytes), ("value", Bytes)]),
    ("proxy_remove_header_map_value", &[("map", Map), ("key", Bytes)]),
    ("proxy_continue_stream", &[("stream", Stream)]),
    ("proxy_close_stream", &[("stream", Stream)]),
    ("proxy_get_status", &[("code", GivesNumber), ("message", GivesBytes)]),
    (
        "proxy_send_local_response",
        &[
            ("status", Number),
            ("details", Bytes),
            ("body", Bytes),
            ("headers", Pairs),
            ("grpc_status", Number),
        ],
    ),
    (
        "proxy_http_call",
        &[
            ("upstream", Bytes),
            ("headers", Pairs),
            ("body", Bytes),
            ("trailers", Pairs),
            ("timeout_ms", Number),
            ("token", GivesNumber),
        ],
    ),
    (
        "proxy_grpc_call",
        &[
            ("upstream", Bytes),
            ("service", Bytes),
            ("method", Bytes),
            ("metadata", Pairs),
            ("message", Bytes),
            ("timeout_ms", Number),
            ("token", GivesNumber),
        ],
    ),
    (
        "proxy_grpc_stream",
        &[
            ("upstream", Bytes),
            ("service", Bytes),
            ("method", Bytes),
            ("metadata", Pairs),
            ("token", GivesNumber),
        ],
    ),
    ("proxy_grpc_send", &[("token", Number), ("message", Bytes), ("end", Number)]),
    ("proxy_grpc_cancel", &[("token", Number)]),
    ("proxy_grpc_close", &[("token", Number)]),
    ("proxy_set_shared_data", &[("key", Bytes), ("value", Bytes), ("cas", Number)]),
    ("proxy_get_shared_data", &[("key", Bytes), ("value", GivesBytes), ("cas", GivesNumber)]),
    ("proxy_register_shared_queue", &[("queue", Bytes), ("id", GivesNumber)]),
    ("proxy_resolve_shared_queue", &[("vm_id", Bytes), ("queue", Bytes), ("id", GivesNumber)]),
    ("proxy_enqueue_shared_queue", &[("id", Number), ("message", Bytes)]),
    ("proxy_dequeue_shared_queue", &[("id", Number), ("message", GivesBytes)]),
    ("proxy_define_metric", &[("kind", Metric), ("metric", Bytes), ("id", GivesNumber)]),
    ("proxy_record_metric", &[("id", Number), ("value", Wide)]),
    ("proxy_increment_metric", &[("id", Number), ("offset", Wide)]),
    ("proxy_get_metric", &[("id", Number), ("value", GivesWide)]),
    ("proxy_get_property", &[("path", Path), ("value", GivesBytes)]),
    ("proxy_set_property", &[("path", Path), ("value", Bytes)]),
    ("proxy_call_foreign_function", &[("function", Bytes), ("arguments", Bytes), ("result", GivesBytes)]),
    ("proxy_set_effective_context", &[("context", Number)]),
    ("proxy_done", &[]),
    ("proxy_continue_request", &[]),
    ("proxy_continue_response", &[]),
    ("proxy_clear_route_cache", &[]),
    ("proxy_get_configuration", &[("value", GivesBytes)]),
    ("random_get", &[("bytes", Number), ("size", Number)]),
    ("clock_time_get", &[("clock", Number), ("precision", Wide), ("time", GivesWide)]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::AbiVersion;

    #[test]
    fn every_function_of_the_host_is_shown_by_its_meaning() {
        let versions = [AbiVersion::V0_1_0, AbiVersion::V0_2_1];
        let functions: Vec<_> =
            versions.into_iter().flat_map(|version| crate::vm::host_functions(version).unwrap()).collect();
        for function in functions.iter().filter(|function| function.module == "env") {
            let Some(parameters) = signature(&function.name) else {
                assert!(
                    function.parameters.is_empty() || !function.name.starts_with("proxy_"),
                    "{function:?}"
                );
                continue;
            };
            let width: usize = parameters.iter().map(|(_, kind)| kind.width()).sum();
            assert_eq!(width, function.parameters.len(), "{}", function.name);
        }
        for (name, _) in SIGNATURES {
            assert!(functions.iter().any(|function| function.name == name), "{name} is gone");
        }
    }
}
