//! The proxy-wasm ABI and the WASI functions beside it: hostcalls onto [`HostState`](crate::host::HostState).
//!
//! One file per family; each hostcall decodes its arguments, acts on the state, and its error becomes a
//! [`Status`] by one table. Knows nothing of when the guest is called: that is `vm`.
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>; where Envoy differs, Envoy counts.
//! `proxy_get_header_map_value(0, "traceparent")` → 0 and an allocation in the guest, or 1
//!
//! Every function that can be linked, by module `env` and then the two modules of WASI. Statuses beside 0:
//! 6 for a pointer outside memory from any of them, 10 while the guest allocates or initializes itself (but
//! for `proxy_log`, `proxy_get_log_level`, the clock and WASI), 10 for what the plugin is not allowed (76 from WASI).
//!
//! | function | ABI | what this host answers |
//! |---|---|---|
//! | `proxy_log` | all | kept as a line, bounded; 2 for no level |
//! | `proxy_get_log_level` | 0.2.1 | info, Envoy's default |
//! | `proxy_get_current_time_nanoseconds` | all | the virtual clock |
//! | `proxy_set_tick_period_milliseconds` | all | how often `proxy_on_tick` of the calling plugin is wanted; 0 ends it |
//! | `proxy_get_buffer_bytes`, `proxy_get_buffer_status` | all | a body in its phase and empty outside it; 1 for a configuration outside `proxy_on_configure` and a call's body outside its answer; 2 beyond the end |
//! | `proxy_set_buffer_bytes` | all | bodies prepended, appended or replaced from their start; 2 for another part, or another buffer |
//! | `proxy_get_header_map_size` | all | bytes of a map that may be changed now, or else 2 |
//! | `proxy_get_header_map_pairs` | all | a map in its phase and in `proxy_on_log`, else no pairs |
//! | `proxy_set_header_map_pairs` | all | 2 outside the phase; a malformed map is taken as empty |
//! | `proxy_get_header_map_value` | all | the first value; 1 if there is none (0.1.0: 0 and empty), 2 outside the phase |
//! | `proxy_add_header_map_value`, `proxy_replace_header_map_value`, `proxy_remove_header_map_value` | all | 2 outside the phase, 10 above 4 MiB |
//! | `proxy_continue_stream`, `proxy_close_stream` | 0.2 | a [`StreamAction`](crate::host::StreamAction); 2 to continue a TCP stream |
//! | `proxy_continue_request`, `proxy_continue_response` | 0.1.0 | the same |
//! | `proxy_clear_route_cache` | 0.1.0 | 0: there are no routes |
//! | `proxy_get_configuration` | 0.1.0 | the plugin's while it is configured, else the VM's |
//! | `proxy_get_status` | all | status and message of the answer that is being delivered |
//! | `proxy_send_local_response` | all | a [`LocalReply`](crate::host::LocalReply); the last one counts |
//! | `proxy_http_call` | all | queued; 2 for an unknown cluster, a missing `:method`, `:path` or `:authority`, or a negative timeout |
//! | `proxy_grpc_call`, `proxy_grpc_stream` | all | queued; 2 for a `GrpcService` without a known cluster, 4 for what is neither one nor a cluster |
//! | `proxy_grpc_send` | all | queued; 1 for no stream that is open, 2 for a token of another kind; 0 and dropped when closed |
//! | `proxy_grpc_close`, `proxy_grpc_cancel` | all | half-closed, reset; of a unary call both cancel it; 1 and 2 as above |
//! | `proxy_set_shared_data`, `proxy_get_shared_data` | all | by `vm_id`, among VMs that share; 1 for no such key, 8 for another CAS, 10 above 16 MiB |
//! | `proxy_register_shared_queue`, `proxy_resolve_shared_queue`, `proxy_enqueue_shared_queue`, `proxy_dequeue_shared_queue` | all | among VMs that share; 1 for no such queue, 7 for none in it |
//! | `proxy_define_metric`, `proxy_increment_metric`, `proxy_record_metric`, `proxy_get_metric` | all | Envoy's ids; 1 for no such metric, 2 for what its kind does not do |
//! | `proxy_get_property` | all | Envoy's names and bytes; 1 if there is none |
//! | `proxy_set_property` | all | the stream's own; 1 outside streams, 2 for one declared read-only that is set |
//! | `proxy_call_foreign_function` | all | see [`ForeignFunctions`](crate::host::ForeignFunctions); 1 for no such function |
//! | `proxy_set_effective_context` | all | 2 for no such context |
//! | `proxy_done` | all | 1 unless the context is a plugin's whose `proxy_on_done` asked to wait |
//! | `emscripten_notify_memory_growth`, `pthread_equal` | all | nothing; whether two numbers are the same |
//! | `fd_write` | WASI | lines of level info (1) and error (2), else 8 |
//! | `clock_time_get` | WASI | the virtual clock for 0 and 1, else 58 |
//! | `random_get` | WASI | seeded; 28 above 64 KiB |
//! | `environ_get`, `environ_sizes_get` | WASI | as configured |
//! | `args_get`, `args_sizes_get` | WASI | none |
//! | `fd_fdstat_get` | WASI | that 1 and 2 can be written, else 8 |
//! | `proc_exit`, `sched_yield`, `poll_oneoff` | WASI | nothing happens |
//! | `fd_close`, `fd_seek` | WASI | 0 |
//! | `fd_prestat_get` | WASI | 8: no directories |
//! | `path_open` | WASI | 44: no such file |
//! | `clock_res_get`, `fd_advise`, `fd_allocate`, `fd_datasync`, `fd_fdstat_set_flags`, `fd_fdstat_set_rights`, `fd_filestat_get`, `fd_filestat_set_size`, `fd_filestat_set_times`, `fd_pread`, `fd_prestat_dir_name`, `fd_pwrite`, `fd_read`, `fd_readdir`, `fd_renumber`, `fd_sync`, `fd_tell` | WASI | 52: not implemented |
//! | `path_create_directory`, `path_filestat_get`, `path_filestat_set_times`, `path_link`, `path_readlink`, `path_remove_directory`, `path_rename`, `path_symlink`, `path_unlink_file`, `proc_raise`, `sock_accept`, `sock_recv`, `sock_send`, `sock_shutdown` | WASI | 52: not implemented |

mod buffers;
mod calls;
mod contexts;
mod emscripten;
mod foreign;
mod guest;
mod headers;
mod legacy;
mod limiter;
mod logs;
mod metrics;
mod numbers;
mod probe;
mod properties;
mod queues;
mod shared;
mod shown;
mod signatures;
mod status;
mod streams;
#[cfg(test)]
mod tests;
mod wasi;

use wasmtime::Linker;

use crate::host::AbiVersion;

pub(crate) use guest::{Allocator, VmData};
pub use limiter::MAX_TABLE_ELEMENTS;
pub(crate) use limiter::{Limiter, Refused};
pub(crate) use probe::{Probe, attach, attach_allocator, link as link_probe};
pub use status::Status;
pub use wasi::MAX_RANDOM_BYTES;

/// Links every import that a guest of this version may have.
pub(crate) fn link(linker: &mut Linker<VmData>, version: AbiVersion) -> wasmtime::Result<()> {
    logs::link(linker)?;
    buffers::link(linker)?;
    headers::link(linker)?;
    streams::link(linker)?;
    if version.tells_log_level() {
        logs::link_level(linker)?;
    }
    if version.is_of_http_only() {
        legacy::link(linker)?;
    } else {
        streams::link_any(linker)?;
    }
    emscripten::link(linker)?;
    calls::link(linker)?;
    properties::link(linker)?;
    metrics::link(linker)?;
    shared::link(linker)?;
    queues::link(linker)?;
    foreign::link(linker)?;
    contexts::link(linker)?;
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        wasi::link(linker, module)?;
    }
    Ok(())
}
