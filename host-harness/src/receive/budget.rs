//! How much memory all requests together may take. Who cannot have what it needs is told to come again: a
//! request that waited for memory while holding some would make others wait for it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Refusal;

/// What one request takes at least: its connection's buffers and the task that answers it.
const OVERHEAD_BYTES: usize = 16 << 10;

/// The memory for requests.
#[derive(Debug)]
pub(super) struct Budget {
    max_bytes: usize,
    used_bytes: AtomicUsize,
}

/// One request's part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, used_bytes: AtomicUsize::new(0) }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// A part for one more request.
    pub(super) fn share(&self) -> Result<Share<'_>, Refusal> {
        let mut share = Share { budget: self, bytes: 0 };
        share.take(OVERHEAD_BYTES)?;
        Ok(share)
    }
}

impl Share<'_> {
    /// Takes `bytes` more.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let used = self.budget.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        // What is too much is given back with the rest: the request ends here.
        if used.saturating_add(bytes) > self.budget.max_bytes { Err(Refusal::Busy) } else { Ok(()) }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back() {
        let budget = Budget::new(OVERHEAD_BYTES + 100);
        let mut share = budget.share().unwrap();
        share.take(100).unwrap();
        assert_eq!(budget.used_bytes(), OVERHEAD_BYTES + 100);
        assert!(matches!(share.take(1), Err(Refusal::Busy)));
        assert!(matches!(budget.share(), Err(Refusal::Busy)), "and nobody else gets any");
        drop(share);
        assert_eq!(budget.used_bytes(), 0, "what was refused is given back, too");
        assert!(budget.share().is_ok());
    }
}
