//! How often the guest called which function of the host.

use std::collections::BTreeMap;

/// Counts by the place of a name in the program. A guest uses few functions, so that a list is faster than a
/// map; the same name may be there twice.
#[derive(Debug, Default)]
pub(super) struct Hostcalls(Vec<(&'static str, u64)>);

impl Hostcalls {
    #[inline]
    pub(super) fn count(&mut self, name: &'static str) {
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, name)) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name, 1)),
        }
    }

    /// The counts since the last time.
    pub(super) fn take(&mut self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for (name, count) in std::mem::take(&mut self.0) {
            *counts.entry(name).or_default() += count;
        }
        counts
    }
}
