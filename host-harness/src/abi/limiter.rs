//! How much of the host's memory a guest may take.

use wasmtime::ResourceLimiter;

/// Most elements of all tables of one guest.
const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// Counts what a guest has, and refuses what goes beyond.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_used: usize,
    table_used: usize,
    /// Whether something was refused since this was last set to false.
    pub(crate) refused: bool,
}

impl Limiter {
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes, memory_used: 0, table_used: 0, refused: false }
    }

    fn grow(used: &mut usize, refused: &mut bool, limit: usize, current: usize, desired: usize) -> bool {
        let total = used.saturating_add(desired.saturating_sub(current));
        if total > limit {
            *refused = true;
            return false;
        }
        *used = total;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(Self::grow(&mut self.memory_used, &mut self.refused, self.memory_bytes, current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(Self::grow(&mut self.table_used, &mut self.refused, MAX_TABLE_ELEMENTS, current, desired))
    }
}
