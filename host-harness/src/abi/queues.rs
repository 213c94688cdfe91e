//! Shared queues and foreign functions: there are none, and the guest is told so by the documented statuses.

use wasmtime::{Caller, Linker};

use super::guest::{Fault, Guest, VmData, hostcall};
use crate::host::HostError;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |caller: Caller<'_, VmData>, _name: u32, _length: u32, _id: u32| {
            hostcall(caller, "proxy_register_shared_queue", |_| {
                Err(HostError::Unsupported("register_shared_queue").into())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |caller: Caller<'_, VmData>, _vm: u32, _vm_length: u32, _name: u32, _length: u32, _id: u32| {
            hostcall(caller, "proxy_resolve_shared_queue", |guest| {
                none(guest, "resolve_shared_queue: this host has no shared queues")
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_enqueue_shared_queue",
        |caller: Caller<'_, VmData>, _id: u32, _value: u32, _length: u32| {
            hostcall(caller, "proxy_enqueue_shared_queue", |guest| {
                none(guest, "enqueue_shared_queue: this host has no shared queues")
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |caller: Caller<'_, VmData>, _id: u32, _pointer: u32, _length: u32| {
            hostcall(caller, "proxy_dequeue_shared_queue", |guest| {
                none(guest, "dequeue_shared_queue: this host has no shared queues")
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |caller: Caller<'_, VmData>,
         _name: u32,
         _length: u32,
         _p: u32,
         _n: u32,
         _out: u32,
         _out_length: u32| {
            hostcall(caller, "proxy_call_foreign_function", |guest| {
                none(guest, "call_foreign_function: this host has no foreign functions")
            })
        },
    )?;
    Ok(())
}

/// The status for an unknown queue or function, and a line that says why every one is unknown.
fn none(guest: &mut Guest<'_>, why: &str) -> Result<(), Fault> {
    guest.state().explain(why);
    Err(HostError::NotFound.into())
}
