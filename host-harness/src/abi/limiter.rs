//! How much of the host's memory a guest may take.

use wasmtime::ResourceLimiter;

/// Most elements of all tables of one guest.
pub const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// What a guest wanted more of than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory,
    Table,
}

/// Counts what a guest has, and refuses what goes beyond.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_used: usize,
    table_used: usize,
    /// What was refused since this was last set to none.
    pub(crate) refused: Option<Refused>,
}

impl Limiter {
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes, memory_used: 0, table_used: 0, refused: None }
    }

    fn grow(used: &mut usize, limit: usize, current: usize, desired: usize) -> bool {
        let total = used.saturating_add(desired.saturating_sub(current));
        let is_granted = total <= limit;
        if is_granted {
            *used = total;
        }
        is_granted
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let is_granted = Self::grow(&mut self.memory_used, self.memory_bytes, current, desired);
        if !is_granted {
            self.refused = Some(Refused::Memory);
        }
        Ok(is_granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let is_granted = Self::grow(&mut self.table_used, MAX_TABLE_ELEMENTS, current, desired);
        if !is_granted {
            self.refused = Some(Refused::Table);
        }
        Ok(is_granted)
    }
}
