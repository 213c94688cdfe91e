//! What VMs share: data with compare-and-swap, and queues.
//!
//! VMs that were started with clones of one [`Shared`] see the data of their `vm_id`, on whichever threads
//! they run, and find each other's queues. When the last VM of a `vm_id` has gone, so has what it shared.
//! A VM's message to a queue → a notice for the VM that registered it last → `proxy_on_queue_ready`

mod queues;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ENTRY_OVERHEAD, HostError};
use queues::{Notice, Queues};

pub use queues::{MAX_NOTICES, MAX_QUEUES};

/// Most bytes of all that is shared: keys, values and messages, each with its overhead.
pub const MAX_SHARED_BYTES: usize = 16 * 1024 * 1024;

/// What several VMs have together. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<Store>>);

/// A `vm_id`'s values and their compare-and-swap numbers, by their keys.
type Values = BTreeMap<Vec<u8>, (Vec<u8>, u32)>;

#[derive(Debug, Default)]
struct Store {
    /// The VMs that are there, and their `vm_id`s.
    members: BTreeMap<u64, String>,
    last_member: u64,
    values: BTreeMap<String, Values>,
    last_cas: u32,
    queues: Queues,
    bytes: usize,
}

impl Shared {
    /// A VM's part in what is shared, until it is dropped.
    pub(super) fn join(&self, vm_id: String) -> Member {
        let mut store = self.store();
        store.last_member += 1;
        let id = store.last_member;
        store.members.insert(id, vm_id.clone());
        Member { shared: self.clone(), id, vm_id, registered: false }
    }

    /// Keeps what a `vm_id` shares until the result is dropped, even if no VM is there.
    pub(crate) fn hold(&self, vm_id: &str) -> impl Drop + use<> {
        self.join(vm_id.to_owned())
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One VM's part in what is shared.
#[derive(Debug)]
pub(super) struct Member {
    shared: Shared,
    id: u64,
    vm_id: String,
    registered: bool,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut store = self.shared.store();
        store.members.remove(&self.id);
        store.queues.forget_notices(self.id);
        if !store.members.values().any(|vm_id| *vm_id == self.vm_id) {
            let values = store.values.remove(&self.vm_id).unwrap_or_default();
            let freed: usize = values.iter().map(|(key, (value, _))| cost(key, value)).sum();
            store.bytes -= freed + store.queues.remove_all_of(&self.vm_id);
        }
    }
}

impl Member {
    /// Appends a value; returns its compare-and-swap number.
    pub(super) fn value(&self, key: &[u8], out: &mut Vec<u8>) -> Result<u32, HostError> {
        let store = self.shared.store();
        let values = store.values.get(&self.vm_id).ok_or(HostError::NotFound)?;
        let (value, cas) = values.get(key).ok_or(HostError::NotFound)?;
        out.extend_from_slice(value);
        Ok(*cas)
    }

    /// Sets a value; a `cas` other than 0 must be the one that was read, if the key exists.
    pub(super) fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), HostError> {
        let mut store = self.shared.store();
        let store = &mut *store;
        let old = store.values.get(&self.vm_id).and_then(|values| values.get(key));
        if let Some((_, current)) = old
            && cas != 0
            && cas != *current
        {
            return Err(HostError::CasMismatch);
        }
        let freed = old.map_or(0, |(value, _)| cost(key, value));
        store.bytes = grown(store.bytes - freed, cost(key, value))?;
        store.last_cas = store.last_cas.checked_add(1).unwrap_or(1);
        let values = store.values.entry(self.vm_id.clone()).or_default();
        values.insert(key.to_vec(), (value.to_vec(), store.last_cas));
        Ok(())
    }

    /// Makes `context` of this VM the one that is told of the queue's messages; returns the queue's token.
    pub(super) fn register_queue(&mut self, name: &[u8], context: u32) -> Result<u32, HostError> {
        self.registered = true;
        self.shared.store().queues.register(&self.vm_id, name, (self.id, context))
    }

    /// The token of a queue that a VM of `vm_id`, or if that is empty of this VM's, has registered.
    pub(super) fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, HostError> {
        let vm_id = if vm_id.is_empty() { self.vm_id.as_bytes() } else { vm_id };
        let vm_id = std::str::from_utf8(vm_id).map_err(|_| HostError::NotFound)?;
        self.shared.store().queues.resolve(vm_id, name)
    }

    /// Appends a message to a queue, and tells the VM that registered it.
    pub(super) fn enqueue(&self, token: u32, message: &[u8]) -> Result<(), HostError> {
        let mut store = self.shared.store();
        let store = &mut *store;
        let bytes = grown(store.bytes, cost(&[], message))?;
        let is_there = |vm: u64| store.members.contains_key(&vm);
        store.queues.enqueue(token, message, is_there)?;
        store.bytes = bytes;
        Ok(())
    }

    /// Appends a queue's oldest message to `out`, and removes it.
    pub(super) fn dequeue(&self, token: u32, out: &mut Vec<u8>) -> Result<(), HostError> {
        let mut store = self.shared.store();
        let message = store.queues.dequeue(token)?;
        store.bytes -= cost(&[], &message);
        out.extend_from_slice(&message);
        Ok(())
    }

    /// The messages that this VM was not told of yet.
    pub(super) fn take_notices(&self) -> Vec<Notice> {
        if self.registered { self.shared.store().queues.take_notices(self.id) } else { Vec::new() }
    }
}

/// What an entry counts towards the bound.
fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len().saturating_add(value.len()).saturating_add(ENTRY_OVERHEAD)
}

fn grown(bytes: usize, more: usize) -> Result<usize, HostError> {
    let bytes = bytes.saturating_add(more);
    if bytes > MAX_SHARED_BYTES {
        return Err(HostError::Full("shared data and queues", MAX_SHARED_BYTES));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(member: &Member, key: &[u8]) -> Result<(Vec<u8>, u32), HostError> {
        let mut out = Vec::new();
        member.value(key, &mut out).map(|cas| (out, cas))
    }

    #[test]
    fn only_the_cas_that_was_read_or_zero_overwrites() {
        let shared = Shared::default().join(String::new());
        assert_eq!(value(&shared, b"k"), Err(HostError::NotFound));
        assert_eq!(shared.set(b"k", b"1", 99), Ok(()), "a new key takes any cas");
        let (_, first) = value(&shared, b"k").unwrap();
        assert_eq!(shared.set(b"k", b"2", 0), Ok(()), "0 overwrites");
        assert_eq!(shared.set(b"k", b"3", first), Err(HostError::CasMismatch), "changed since");
        let (_, second) = value(&shared, b"k").unwrap();
        assert_eq!(shared.set(b"k", b"4", second), Ok(()));
        assert_eq!(value(&shared, b"k").unwrap().0, b"4");
    }

    #[test]
    fn the_bound_counts_what_is_there_now() {
        let shared = Shared::default();
        let member = shared.join("a".into());
        let most = vec![0; MAX_SHARED_BYTES - 1 - ENTRY_OVERHEAD];
        for _ in 0..3 {
            assert_eq!(member.set(b"k", &most, 0), Ok(()), "replacing frees");
        }
        let full = Err(HostError::Full("shared data and queues", MAX_SHARED_BYTES));
        assert_eq!(member.set(b"l", b"", 0), full);
        assert_eq!(value(&member, b"l"), Err(HostError::NotFound));
        let other = shared.join("b".into());
        assert_eq!(other.set(b"l", b"", 0), full, "the bound is everybody's");
        drop(member);
        assert_eq!(other.set(b"l", b"", 0), Ok(()), "what the last VM of a vm_id shared goes with it");
    }

    #[test]
    fn data_is_shared_by_vm_id_and_lives_as_long_as_a_vm_of_it() {
        let shared = Shared::default();
        let (one, two, other) = (shared.join("a".into()), shared.join("a".into()), shared.join("b".into()));
        one.set(b"k", b"1", 0).unwrap();
        assert_eq!(value(&two, b"k").unwrap().0, b"1");
        assert_eq!(value(&other, b"k"), Err(HostError::NotFound));
        drop(one);
        assert_eq!(value(&two, b"k").unwrap().0, b"1");
        drop(two);
        assert_eq!(value(&shared.join("a".into()), b"k"), Err(HostError::NotFound));
    }

    #[test]
    fn counting_with_cas_from_many_threads_loses_nothing() {
        const EACH: u32 = 500;
        let shared = Shared::default();
        let keeper = shared.join("a".into());
        keeper.set(b"n", b"0", 0).unwrap();
        let add = || {
            let member = shared.join("a".into());
            for _ in 0..EACH {
                loop {
                    let (digits, cas) = value(&member, b"n").unwrap();
                    let number: u32 = String::from_utf8(digits).unwrap().parse().unwrap();
                    if member.set(b"n", (number + 1).to_string().as_bytes(), cas).is_ok() {
                        break;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(add);
            }
        });
        assert_eq!(value(&keeper, b"n").unwrap().0, (4 * EACH).to_string().into_bytes());
    }
}
