//! The header map: ordered pairs of bytes, duplicates kept, names compared without regard to ASCII case.

use std::fmt;
use std::sync::Arc;

/// Bytes of replaced and removed entries that are kept at most, beside as many as there are in use.
const MAX_UNUSED: usize = 4096;
/// Room that a copy has for what it is made for: a header or two more.
const SPARE_BYTES: usize = 128;
const SPARE_ENTRIES: usize = 4;
/// Bytes of a usual pair, to make room for all before the first.
const USUAL_BYTES: usize = 48;
/// More pairs than that are believed when they come.
const MAX_EXPECTED: usize = 64;

/// Headers, trailers or gRPC metadata, in order, as given. A clone shares its bytes until one of the two changes.
#[derive(Clone, Default)]
pub struct HeaderMap(Option<Arc<Pairs>>);

/// All names and values one behind the other, so that a map is two allocations however many entries it has.
#[derive(Default)]
struct Pairs {
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// Bytes of `text` that entries refer to.
    used: usize,
}

/// Where a pair stands in the text.
#[derive(Clone, Copy)]
struct Entry {
    name: Part,
    value: Part,
}

/// A part of the text.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
}

impl HeaderMap {
    /// A map without entries.
    pub const fn new() -> Self {
        Self(None)
    }

    /// A map of these pairs, in this order.
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter();
        let count = pairs.size_hint().0.min(MAX_EXPECTED);
        let mut map = Pairs {
            text: Vec::with_capacity(count * USUAL_BYTES),
            entries: Vec::with_capacity(count + SPARE_ENTRIES),
            used: 0,
        };
        pairs.for_each(|(name, value)| map.push(name.as_ref(), value.as_ref()));
        Self((!map.entries.is_empty()).then(|| Arc::new(map)))
    }

    /// The value of the first entry of that name.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.first_of(name.as_bytes())
    }

    /// As [`first`](Self::first), for a name that need not be UTF-8.
    #[inline]
    pub fn first_of(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The values of every entry of that name, in order.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every pair, in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let (text, entries) = match &self.0 {
            Some(pairs) => (&pairs.text[..], &pairs.entries[..]),
            None => (&[][..], &[][..]),
        };
        entries.iter().map(|entry| (entry.name.of(text), entry.value.of(text)))
    }

    /// Appends a pair, whether or not the name is there already.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.pairs_mut().push(name.as_ref(), value.as_ref());
    }

    /// Sets the first entry of that name and removes the others; appends if there is none.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.pairs_mut().replace(name, value);
    }

    /// Removes every entry of that name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref();
        if self.first_of(name).is_some() {
            self.pairs_mut().retain(|_, key| !key.eq_ignore_ascii_case(name));
        }
    }

    /// How many pairs there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pairs| pairs.entries.len())
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all names and values together: what Envoy calls the map's size.
    pub fn byte_size(&self) -> usize {
        self.0.as_ref().map_or(0, |pairs| pairs.used)
    }

    /// Makes the pairs this map's own before they are changed: if it shares them, a copy of them takes the
    /// place of what `spare` has, and no memory is asked for.
    pub(super) fn own(&mut self, spare: &mut Self) {
        let Some(shared) = self.0.as_ref().filter(|pairs| Arc::strong_count(pairs) > 1) else { return };
        if let Some(room) = spare.0.as_mut().and_then(Arc::get_mut) {
            room.copy(shared);
            *self = std::mem::take(spare);
        }
    }

    /// The map for another's [`own`](Self::own); without room if it shares its pairs or has much.
    pub(super) fn into_spare(mut self) -> Self {
        let is_fit =
            |pairs: &Pairs| pairs.text.capacity() <= MAX_UNUSED && pairs.entries.capacity() <= MAX_EXPECTED;
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(pairs) if is_fit(pairs) => self,
            _ => Self::new(),
        }
    }

    #[inline]
    fn pairs_mut(&mut self) -> &mut Pairs {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for HeaderMap {}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&[u8], &[u8])| {
            (name.escape_ascii().to_string(), value.escape_ascii().to_string())
        };
        formatter.debug_map().entries(self.iter().map(shown)).finish()
    }
}

impl Pairs {
    fn push(&mut self, name: &[u8], value: &[u8]) {
        let entry = Entry { name: self.append(name), value: self.append(value) };
        self.entries.push(entry);
    }

    fn replace(&mut self, name: &[u8], value: &[u8]) {
        let text = &self.text;
        let is_named = |entry: &Entry| entry.name.of(text).eq_ignore_ascii_case(name);
        let Some(first) = self.entries.iter().position(is_named) else { return self.push(name, value) };
        let more = self.entries.iter().skip(first + 1).any(is_named);
        if more {
            self.retain(|index, key| index <= first || !key.eq_ignore_ascii_case(name));
        }
        let new = self.append(value);
        if let Some(entry) = self.entries.get_mut(first) {
            let old = std::mem::replace(&mut entry.value, new);
            self.used -= old.len();
        }
        self.tidy();
    }

    /// Keeps the entries for whose index and name `keep` is true.
    fn retain(&mut self, keep: impl Fn(usize, &[u8]) -> bool) {
        let (text, used) = (&self.text, &mut self.used);
        let mut index = 0;
        self.entries.retain(|entry| {
            let kept = keep(index, entry.name.of(text));
            index += 1;
            if !kept {
                *used -= entry.name.len() + entry.value.len();
            }
            kept
        });
        self.tidy();
    }

    fn append(&mut self, bytes: &[u8]) -> Part {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        self.used += bytes.len();
        Part { start, end: self.text.len() }
    }

    /// Takes the other's pairs in place of its own, without what no entry refers to.
    fn copy(&mut self, other: &Self) {
        self.text.clear();
        self.entries.clear();
        self.used = 0;
        if other.used == other.text.len() {
            self.text.extend_from_slice(&other.text);
            self.entries.extend_from_slice(&other.entries);
            self.used = other.used;
        } else {
            let parts = |entry: &Entry| self.push(entry.name.of(&other.text), entry.value.of(&other.text));
            other.entries.iter().for_each(parts);
        }
    }

    /// Drops what no entry refers to, if that is much.
    fn tidy(&mut self) {
        if self.text.len() > 2 * self.used + MAX_UNUSED {
            *self = self.clone();
        }
    }
}

/// With room for more, without what no entry refers to.
impl Clone for Pairs {
    fn clone(&self) -> Self {
        let mut copy = Self {
            text: Vec::with_capacity(self.used + SPARE_BYTES),
            entries: Vec::with_capacity(self.entries.len() + SPARE_ENTRIES),
            used: 0,
        };
        copy.copy(self);
        copy
    }
}

impl Part {
    /// The bytes; an entry's parts are inside of its map's text.
    fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }

    fn len(self) -> usize {
        self.end - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> HeaderMap {
        HeaderMap::from_pairs([("a", "1"), ("Trace", "x"), ("b", "2"), ("trace", "y"), ("c", "3")])
    }

    #[test]
    fn replace_leaves_one_in_the_first_place() {
        let mut headers = map();
        headers.replace("TRACE", "z");
        let expected = HeaderMap::from_pairs([("a", "1"), ("Trace", "z"), ("b", "2"), ("c", "3")]);
        assert_eq!(headers, expected);
        headers.replace("new", "n");
        assert_eq!(headers.first("new"), Some(b"n".as_slice()));
        assert_eq!(headers.len(), 5);
    }

    #[test]
    fn names_are_compared_without_case_and_duplicates_kept() {
        let mut headers = map();
        assert_eq!(headers.first("trACE"), Some(b"x".as_slice()));
        assert_eq!(headers.all(b"trace").collect::<Vec<_>>(), [b"x".as_slice(), b"y"]);
        headers.add("trace", b"\xff");
        assert_eq!(headers.all(b"trace").count(), 3);
        headers.remove("Trace");
        assert_eq!(headers, HeaderMap::from_pairs([("a", "1"), ("b", "2"), ("c", "3")]));
    }

    #[test]
    fn a_clone_stays_as_it_was_when_the_other_changes() {
        let (mut one, other) = (map(), map());
        let kept = one.clone();
        one.replace("a", "9");
        one.remove("trace");
        one.add("d", "4");
        assert_eq!(kept, other);
        assert_eq!(one, HeaderMap::from_pairs([("a", "9"), ("b", "2"), ("c", "3"), ("d", "4")]));
        assert_eq!(one.byte_size(), 8);
    }

    #[test]
    fn a_copy_in_a_spare_map_is_as_the_map_and_leaves_its_clone_as_it_was() {
        let without_a = [("Trace", "x"), ("b", "2"), ("trace", "y"), ("c", "3")];
        let much = HeaderMap::from_pairs([("a", vec![b'x'; MAX_UNUSED + 1])]);
        for (reason, mut spare) in [("none", HeaderMap::new()), ("shared", much.clone()), ("free", map())] {
            let mut one = map();
            one.remove("a");
            let kept = one.clone();
            let room = spare.0.as_ref().map(Arc::as_ptr);
            one.own(&mut spare);
            assert_eq!(one.0.as_ref().map(Arc::as_ptr) == room, reason == "free", "{reason}");
            one.add("d", "4");
            assert_eq!(kept, HeaderMap::from_pairs(without_a), "{reason}");
            assert_eq!(one, HeaderMap::from_pairs(without_a.into_iter().chain([("d", "4")])), "{reason}");
            assert_eq!(one.byte_size(), 18, "{reason}");
        }
        assert!(much.clone().into_spare().is_empty(), "shared");
        assert!(much.into_spare().is_empty(), "much");
        assert_eq!(map().into_spare(), map());
    }

    #[test]
    fn replacing_without_end_keeps_no_more_than_is_needed() {
        let mut headers = map();
        for round in 0..10_000 {
            headers.replace("trace", format!("{round:100}"));
            headers.add("x", "y");
            headers.remove("X");
        }
        assert_eq!(headers.byte_size(), 111);
        let pairs = headers.0.unwrap();
        assert!(pairs.text.len() <= 2 * 111 + MAX_UNUSED + 101, "{} bytes", pairs.text.len());
    }

    #[test]
    fn what_is_not_text_is_shown_escaped() {
        let headers = HeaderMap::from_pairs([("a", b"\xff1")]);
        assert_eq!(format!("{headers:?}"), r#"{"a": "\\xff1"}"#);
    }
}
