//! Shared data with compare-and-swap. It belongs to one VM: equal `vm_id`s do not share yet.

use std::collections::BTreeMap;

use super::{ENTRY_OVERHEAD, HostError};

/// Most bytes of keys and values together, each entry with its overhead.
pub const MAX_SHARED_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct SharedData {
    entries: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    bytes: usize,
    last_cas: u32,
}

impl SharedData {
    pub(super) fn value(&self, key: &[u8]) -> Result<(&[u8], u32), HostError> {
        let (value, cas) = self.entries.get(key).ok_or(HostError::NotFound)?;
        Ok((value, *cas))
    }

    /// Sets a value; a `cas` other than 0 must be the one that was read, if the key exists.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), HostError> {
        let old = self.entries.get(key);
        if let Some((_, current)) = old
            && cas != 0
            && cas != *current
        {
            return Err(HostError::CasMismatch);
        }
        let freed = old.map_or(0, |(value, _)| key.len() + value.len() + ENTRY_OVERHEAD);
        let added = key.len().saturating_add(value.len()).saturating_add(ENTRY_OVERHEAD);
        let bytes = (self.bytes - freed).saturating_add(added);
        if bytes > MAX_SHARED_BYTES {
            return Err(HostError::Full("shared data", MAX_SHARED_BYTES));
        }
        self.bytes = bytes;
        self.last_cas = self.last_cas.checked_add(1).unwrap_or(1);
        self.entries.insert(key.to_vec(), (value.to_vec(), self.last_cas));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cas_that_was_read_or_zero_overwrites() {
        let mut shared = SharedData::default();
        assert_eq!(shared.value(b"k"), Err(HostError::NotFound));
        assert_eq!(shared.set(b"k", b"1", 99), Ok(()), "a new key takes any cas");
        let (_, first) = shared.value(b"k").unwrap();
        assert_eq!(shared.set(b"k", b"2", 0), Ok(()), "0 overwrites");
        assert_eq!(shared.set(b"k", b"3", first), Err(HostError::CasMismatch), "changed since");
        let (_, second) = shared.value(b"k").unwrap();
        assert_eq!(shared.set(b"k", b"4", second), Ok(()));
        assert_eq!(shared.value(b"k").unwrap().0, b"4");
    }

    #[test]
    fn the_bound_counts_what_is_there_now() {
        let mut shared = SharedData::default();
        let most = vec![0; MAX_SHARED_BYTES - 1 - ENTRY_OVERHEAD];
        for _ in 0..3 {
            assert_eq!(shared.set(b"k", &most, 0), Ok(()), "replacing frees");
        }
        assert_eq!(shared.set(b"l", b"", 0), Err(HostError::Full("shared data", MAX_SHARED_BYTES)));
        assert_eq!(shared.value(b"l"), Err(HostError::NotFound));
    }
}
