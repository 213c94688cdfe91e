//! The calling guest: its memory, checked, its allocator, and the host's state.

use wasmtime::{Caller, Memory, TypedFunc};

use super::Status;
use super::limiter::Limiter;
use super::probe::Probe;
use super::wasi::Errno;
use crate::host::{Gate, HostError, HostState};

/// The guest's `malloc` or `proxy_on_memory_allocate`.
pub(crate) type Allocator = TypedFunc<u32, u32>;

/// Scratch space above this is given back.
const MAX_KEPT_SCRATCH: usize = 1024 * 1024;

/// What a store holds.
pub(crate) struct VmData {
    pub(crate) state: HostState,
    pub(crate) memory: Option<Memory>,
    /// Gone while it runs, so that it cannot be entered twice.
    pub(crate) allocator: Option<Allocator>,
    pub(crate) limiter: Limiter,
    /// Why the last hostcall was refused.
    pub(crate) refusal: Option<HostError>,
    /// In VMs that are looked into.
    pub(crate) probe: Option<Box<Probe>>,
    scratch: Vec<u8>,
}

impl VmData {
    pub(crate) fn new(state: HostState, limiter: Limiter) -> Self {
        Self {
            state,
            memory: None,
            allocator: None,
            limiter,
            refusal: None,
            probe: None,
            scratch: Vec::new(),
        }
    }
}

/// Why a hostcall ends without success.
#[derive(Debug)]
pub(super) enum Fault {
    /// The guest gets a status and goes on.
    Refused(HostError),
    /// The guest's allocator trapped: so does the guest.
    Trap(wasmtime::Error),
}

impl From<HostError> for Fault {
    fn from(error: HostError) -> Self {
        Self::Refused(error)
    }
}

/// A pointer and a length as the guest gave them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice(pub(super) u32, pub(super) u32);

impl Slice {
    /// The bytes, if all of them are in memory.
    pub(super) fn of(self, memory: &[u8]) -> Result<&[u8], HostError> {
        let start = self.0 as usize;
        let end = start.checked_add(self.1 as usize).ok_or(HostError::Memory)?;
        memory.get(start..end).ok_or(HostError::Memory)
    }

    /// As [`of`](Self::of), to write to.
    pub(super) fn of_mut(self, memory: &mut [u8]) -> Result<&mut [u8], HostError> {
        let start = self.0 as usize;
        let end = start.checked_add(self.1 as usize).ok_or(HostError::Memory)?;
        memory.get_mut(start..end).ok_or(HostError::Memory)
    }
}

/// Writes a little-endian number where the guest wants it.
pub(super) fn put<const N: usize>(memory: &mut [u8], at: u32, bytes: [u8; N]) -> Result<(), HostError> {
    let start = at as usize;
    let end = start.checked_add(N).ok_or(HostError::Memory)?;
    memory.get_mut(start..end).ok_or(HostError::Memory)?.copy_from_slice(&bytes);
    Ok(())
}

/// Where the guest wants a pointer and a length written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out {
    pub(super) pointer: u32,
    pub(super) length: u32,
}

/// The guest that is calling.
pub(super) struct Guest<'a>(Caller<'a, VmData>);

impl Guest<'_> {
    /// The guest's memory and the host's state, side by side.
    #[inline]
    pub(super) fn parts(&mut self) -> Result<(&mut [u8], &mut HostState), HostError> {
        let memory = self.0.data().memory.ok_or(HostError::Memory)?;
        let (bytes, data) = memory.data_and_store_mut(&mut self.0);
        Ok((bytes, &mut data.state))
    }

    pub(super) fn state(&mut self) -> &mut HostState {
        &mut self.0.data_mut().state
    }

    /// Hands the guest the bytes that `find` appends, in memory that the guest allocates.
    pub(super) fn hand_over(
        &mut self,
        out: Out,
        find: impl FnOnce(&[u8], &HostState, &mut Vec<u8>) -> Result<(), HostError>,
    ) -> Result<(), Fault> {
        let mut bytes = std::mem::take(&mut self.0.data_mut().scratch);
        bytes.clear();
        let found = self.find(out, &mut bytes, find);
        let done = match found {
            Ok(()) if bytes.is_empty() => Ok(()),
            Ok(()) => self.deliver(out, &bytes),
            Err(error) => Err(error.into()),
        };
        if bytes.capacity() <= MAX_KEPT_SCRATCH {
            self.0.data_mut().scratch = bytes;
        }
        done
    }

    /// Both places are tried before the guest allocates what it could not free.
    #[inline]
    fn find(
        &mut self,
        out: Out,
        bytes: &mut Vec<u8>,
        find: impl FnOnce(&[u8], &HostState, &mut Vec<u8>) -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        let (memory, state) = self.parts()?;
        find(memory, state, bytes)?;
        put(memory, out.pointer, [0; 4])?;
        put(memory, out.length, [0; 4])
    }

    fn deliver(&mut self, out: Out, bytes: &[u8]) -> Result<(), Fault> {
        let length = u32::try_from(bytes.len()).map_err(|_| HostError::Memory)?;
        let pointer = self.allocate(length)?;
        let (memory, _) = self.parts()?;
        Slice(pointer, length).of_mut(memory)?.copy_from_slice(bytes);
        put(memory, out.pointer, pointer.to_le_bytes())?;
        put(memory, out.length, length.to_le_bytes())?;
        Ok(())
    }

    /// The only way back into the guest from a hostcall.
    fn allocate(&mut self, length: u32) -> Result<u32, Fault> {
        let data = self.0.data_mut();
        let allocator = data.allocator.take().ok_or(HostError::Memory)?;
        data.state.gate = Gate::Closed;
        let allocated = allocator.call(&mut self.0, length);
        let data = self.0.data_mut();
        data.allocator = Some(allocator);
        data.state.gate = Gate::Open;
        match allocated {
            Ok(0) => Err(HostError::Memory.into()),
            Ok(pointer) => Ok(pointer),
            Err(trap) => Err(Fault::Trap(trap)),
        }
    }
}

/// Runs a hostcall that is served at any time.
pub(super) fn hostcall_always(
    caller: Caller<'_, VmData>,
    name: &'static str,
    call: impl FnOnce(&mut Guest<'_>) -> Result<(), Fault>,
) -> wasmtime::Result<u32> {
    let mut guest = Guest(caller);
    let allowed = guest.state().begin_hostcall(name).map_err(Fault::from);
    match allowed.and_then(|()| call(&mut guest)) {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Fault::Refused(error @ HostError::Fatal { .. })) => Err(wasmtime::Error::msg(error.to_string())),
        Err(Fault::Refused(error)) => {
            if error.is_worth_a_line() {
                guest.state().explain(&error);
            }
            let status = Status::from(&error) as u32;
            guest.0.data_mut().refusal = Some(error);
            Ok(status)
        }
        Err(Fault::Trap(trap)) => Err(trap),
    }
}

/// Runs a hostcall that is served in callbacks only.
pub(super) fn hostcall(
    caller: Caller<'_, VmData>,
    name: &'static str,
    call: impl FnOnce(&mut Guest<'_>) -> Result<(), Fault>,
) -> wasmtime::Result<u32> {
    hostcall_always(caller, name, |guest| {
        if guest.state().gate == Gate::Closed {
            return Err(HostError::NotNow.into());
        }
        call(guest)
    })
}

/// Runs a WASI function, whose results are WASI's error numbers.
pub(super) fn wasi_call(
    caller: Caller<'_, VmData>,
    name: &'static str,
    call: impl FnOnce(&mut [u8], &mut HostState) -> Result<(), HostError>,
) -> u32 {
    let mut guest = Guest(caller);
    guest.state().count_hostcall(name);
    let allowed = if guest.state().allows(name) { Ok(()) } else { Err(HostError::Restricted(name)) };
    let called = allowed.and_then(|()| guest.parts()).and_then(|(memory, state)| call(memory, state));
    let Err(error) = called else { return Errno::Success as u32 };
    if error.is_worth_a_line() {
        guest.state().explain(&error);
    }
    let errno = Errno::from(&error) as u32;
    guest.0.data_mut().refusal = Some(error);
    errno
}
