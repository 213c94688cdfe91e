//! The open streams by their contexts' numbers. A map, but for two things: the stream whose callback is running
//! is found without a search, and a closed stream's place is used again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::stream::Stream;

/// Streams in places, and where each number's is.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The number is none where no stream is.
    places: Vec<(Option<u32>, Stream)>,
    free: Vec<usize>,
    by_id: HashMap<u32, usize, BuildHasherDefault<IdHasher>>,
    /// Where the stream is that was opened or entered last.
    entered: usize,
}

impl Streams {
    /// Opens the stream `id`, which must not be open.
    pub(super) fn insert(&mut self, id: u32) {
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some((free, _)) => *free = Some(id),
            None => self.places.push((Some(id), Stream::default())),
        }
        self.by_id.insert(id, place);
        self.entered = place;
    }

    /// Closes the stream.
    pub(super) fn remove(&mut self, id: &u32) {
        let Some(place) = self.by_id.remove(id) else { return };
        if let Some((id, stream)) = self.places.get_mut(place) {
            *id = None;
            stream.reset();
        }
        self.free.push(place);
    }

    /// Remembers the stream, which is about to be used often.
    #[inline]
    pub(super) fn enter(&mut self, id: u32) {
        if self.places.get(self.entered).is_none_or(|(entered, _)| *entered != Some(id))
            && let Some(place) = self.by_id.get(&id)
        {
            self.entered = *place;
        }
    }

    #[inline]
    pub(super) fn contains_key(&self, id: &u32) -> bool {
        self.get(id).is_some()
    }

    #[inline]
    pub(super) fn get(&self, id: &u32) -> Option<&Stream> {
        match self.places.get(self.entered) {
            Some((entered, stream)) if *entered == Some(*id) => Some(stream),
            _ => self.places.get(*self.by_id.get(id)?).map(|(_, stream)| stream),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: &u32) -> Option<&mut Stream> {
        let is_entered = self.places.get(self.entered).is_some_and(|(entered, _)| *entered == Some(*id));
        let place = if is_entered { self.entered } else { *self.by_id.get(id)? };
        self.places.get_mut(place).map(|(_, stream)| stream)
    }

    /// The numbers of the open streams, in order.
    pub(super) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

/// Spreads numbers that the host itself gives out, one after the other: no guest can choose them.
/// Multiplication by 2^64 over the golden ratio, Knuth's volume 3, section 6.4.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(streams: &mut Streams, id: u32) {
        streams.insert(id);
        let stream = streams.get_mut(&id).unwrap();
        assert_eq!(stream.guest_property_bytes, 0, "{id} is not new");
        stream.guest_property_bytes = id as usize;
    }

    #[test]
    fn every_stream_is_found_whichever_was_entered_and_closed_before() {
        let mut streams = Streams::default();
        (2..1000).for_each(|id| open(&mut streams, id));
        (2..1000).filter(|id| id % 3 == 0).for_each(|id| streams.remove(&id));
        (1000..1100).for_each(|id| open(&mut streams, id));
        for entered in [2, 4, 9, 999, 1050, 5000] {
            streams.enter(entered);
            for id in 0..1200 {
                let is_open = (2..1000).contains(&id) && id % 3 != 0 || (1000..1100).contains(&id);
                let found = streams.get(&id).map(|stream| stream.guest_property_bytes);
                assert_eq!(found, is_open.then_some(id as usize), "{id} after {entered}");
                assert_eq!(streams.get_mut(&id).is_some(), is_open, "{id} after {entered}");
            }
        }
        assert!(streams.ids().is_sorted());
        assert_eq!(streams.ids().len(), 998 - 333 + 100);
    }

    #[test]
    fn one_stream_after_the_other_takes_one_place() {
        let mut streams = Streams::default();
        for id in 2..100_000 {
            open(&mut streams, id);
            streams.remove(&id);
            assert!([0, 1, id].iter().all(|id| streams.get(id).is_none() && streams.get_mut(id).is_none()));
        }
        assert_eq!((streams.places.len(), streams.free.len()), (1, 1));
    }
}
