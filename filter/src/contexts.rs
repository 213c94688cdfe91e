//! What a VM holds for each of its host's contexts, by the number that the host gives it.
//! Knows nothing of what a context is. Numbers are mostly consecutive, so each is its own hash.

/// Values by number: an open-addressed table that only grows, so that a stream that comes and goes
/// allocates nothing.
#[derive(Debug)]
pub struct ContextMap<T> {
    /// A power of two of them, or none; at least a quarter is empty.
    slots: Vec<Option<(u32, T)>>,
    len: usize,
}

impl<T> ContextMap<T> {
    /// A table without any.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    /// Keeps `value` for `id`, in place of any that it has.
    pub fn insert(&mut self, id: u32, value: T) {
        if let Some(old) = self.find(id) {
            *old = value;
            return;
        }
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.put(id, value);
    }

    /// The value of `id`.
    pub fn find(&mut self, id: u32) -> Option<&mut T> {
        let at = self.position(id)?;
        self.slots.get_mut(at)?.as_mut().map(|(_, value)| value)
    }

    /// Takes the value of `id` out. What stands behind it moves up, as far as it may.
    pub fn remove(&mut self, id: u32) -> Option<T> {
        let mut hole = self.position(id)?;
        let (_, value) = self.slots.get_mut(hole)?.take()?;
        self.len = self.len.saturating_sub(1);
        let mut at = self.after(hole);
        while let Some(Some((next, _))) = self.slots.get(at) {
            let from_home = at.wrapping_sub(self.home(*next)) & self.mask();
            if from_home >= at.wrapping_sub(hole) & self.mask() {
                let moved = self.slots.get_mut(at).and_then(Option::take);
                if let Some(slot) = self.slots.get_mut(hole) {
                    *slot = moved;
                }
                hole = at;
            }
            at = self.after(at);
        }
        Some(value)
    }

    fn position(&self, id: u32) -> Option<usize> {
        let mut at = self.home(id);
        loop {
            match self.slots.get(at)? {
                Some((known, _)) if *known == id => return Some(at),
                Some(_) => at = self.after(at),
                None => return None,
            }
        }
    }

    /// Puts a new `id` into the first empty slot from its own on.
    fn put(&mut self, id: u32, value: T) {
        let mut at = self.home(id);
        while let Some(Some(_)) = self.slots.get(at) {
            at = self.after(at);
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Some((id, value));
            self.len += 1;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, std::iter::repeat_with(|| None).take(size).collect());
        self.len = 0;
        for (id, value) in old.into_iter().flatten() {
            self.put(id, value);
        }
    }

    const fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    const fn home(&self, id: u32) -> usize {
        id as usize & self.mask()
    }

    const fn after(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.mask()
    }
}

impl<T> Default for ContextMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_of_the_library_holds(
            steps in proptest::collection::vec((any::<bool>(), 0..40_u32, 0..4_u32), 0..300),
        ) {
            let (mut ours, mut theirs) = (ContextMap::new(), BTreeMap::new());
            for (step, (insert, id, stride)) in steps.into_iter().enumerate() {
                let id = id << (4 * stride);
                if insert {
                    ours.insert(id, step);
                    theirs.insert(id, step);
                } else {
                    prop_assert_eq!(ours.remove(id), theirs.remove(&id));
                }
                prop_assert_eq!(ours.len, theirs.len());
                for (id, value) in &theirs {
                    prop_assert_eq!(ours.find(*id), Some(&mut value.clone()));
                }
            }
        }
    }

    #[test]
    fn contexts_that_come_and_go_take_no_more_room() {
        let mut map = ContextMap::default();
        for id in 0..100_000_u32 {
            map.insert(id, ());
            assert_eq!(id.checked_sub(10).and_then(|old| map.remove(old)).is_some(), id >= 10);
        }
        assert_eq!((map.len, map.slots.len()), (10, 16));
    }
}
