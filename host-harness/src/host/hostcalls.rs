//! How often the guest called which function of the host.

use std::collections::BTreeMap;

/// Counts by name. A guest uses few functions, so that a list is faster than a map.
#[derive(Debug, Default)]
pub(super) struct Hostcalls(Vec<(&'static str, u64)>);

impl Hostcalls {
    pub(super) fn count(&mut self, name: &'static str) {
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, name) || *known == name) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name, 1)),
        }
    }

    /// The counts since the last time.
    pub(super) fn take(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.0).into_iter().collect()
    }
}
