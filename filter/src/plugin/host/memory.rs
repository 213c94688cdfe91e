//! Memory for what the host hands over: a scratch area that is empty again when the callback is over,
//! so that reading headers and properties allocates nothing. What does not fit is on the heap.

use std::alloc::Layout;
use std::borrow::Cow;
use std::cell::{Cell, UnsafeCell};

/// As large as Envoy's default limit of a request's headers, and some more.
const SIZE: usize = 64 << 10;

struct Scratch {
    bytes: UnsafeCell<[u8; SIZE]>,
    used: Cell<usize>,
    in_callback: Cell<bool>,
}

thread_local! {
    static SCRATCH: Scratch = const {
        Scratch {
            bytes: UnsafeCell::new([0; SIZE]),
            used: Cell::new(0),
            in_callback: Cell::new(false),
        }
    };
}

/// A call of the host's into this VM. What the host hands over during it stays for as long.
pub(in crate::plugin) struct Callback(());

/// Runs `callback`. A host that re-entered the guest, which the ABI forbids, would get nothing done.
pub(in crate::plugin) fn callback<T>(callback: impl FnOnce(&Callback) -> T) -> Option<T> {
    SCRATCH.with(|scratch| {
        if scratch.in_callback.replace(true) {
            return None;
        }
        let result = callback(&Callback(()));
        // No other `Callback` exists, and nothing borrowed from this one outlives it: `T` cannot.
        scratch.used.set(0);
        scratch.in_callback.set(false);
        Some(result)
    })
}

/// Memory for the host to write `size` bytes into, or null. [`take`] takes it over.
pub(in crate::plugin) fn allocate(size: usize) -> *mut u8 {
    SCRATCH.with(|scratch| {
        let used = scratch.used.get();
        if size <= SIZE.saturating_sub(used) {
            scratch.used.set(used + size);
            // SAFETY: `used` is at most `SIZE`, so the result points into the area or to its end. It
            // overlaps nothing handed out before in this callback, as `used` only grows during it.
            return unsafe { scratch.bytes.get().cast::<u8>().add(used) };
        }
        match Layout::array::<u8>(size) {
            // SAFETY: the layout's size is not zero, as zero bytes fit the scratch area.
            Ok(layout) => unsafe { std::alloc::alloc(layout) },
            Err(_) => std::ptr::null_mut(),
        }
    })
}

/// The `size` bytes at `data` that the host got from [`allocate`] and has written.
///
/// # Safety
/// `data` is null or came from one call of [`allocate`] with `size`, since which the host has written
/// all of it; the host does not use it any more; and it is taken once.
pub(super) unsafe fn take(_: &Callback, data: *mut u8, size: usize) -> Cow<'_, [u8]> {
    if data.is_null() || size == 0 {
        return Cow::Borrowed(&[]);
    }
    let area = SCRATCH.with(|scratch| scratch.bytes.get().cast::<u8>());
    let offset = (data as usize).wrapping_sub(area as usize);
    if offset < SIZE {
        // SAFETY: `allocate` gave `size` bytes at `offset` of the area, which is always initialized,
        // and gives them to nobody else until this callback, which the result borrows from, is over.
        return Cow::Borrowed(unsafe { std::slice::from_raw_parts(area.add(offset), size) });
    }
    // SAFETY: `allocate` took them from the heap with the layout that `Vec<u8>` frees with.
    Cow::Owned(unsafe { Vec::from_raw_parts(data, size, size) })
}
