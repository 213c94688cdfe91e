//! The header map: ordered pairs of bytes, duplicates kept, names compared without regard to ASCII case.

/// Headers, trailers or gRPC metadata, in order, as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap(Vec<(Vec<u8>, Vec<u8>)>);

impl HeaderMap {
    /// A map without entries.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A map of these pairs, in this order.
    pub fn from_pairs<N: Into<Vec<u8>>, V: Into<Vec<u8>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The value of the first entry of that name.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.first_of(name.as_bytes())
    }

    /// As [`first`](Self::first), for a name that need not be UTF-8.
    pub fn first_of(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The values of every entry of that name, in order.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every pair, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Appends a pair, whether or not the name is there already.
    pub fn add(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Sets the first entry of that name and removes the others; appends if there is none. As Envoy does.
    pub fn replace(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let (name, value) = (name.into(), value.into());
        let Some(first) = self.0.iter().position(|(key, _)| key.eq_ignore_ascii_case(&name)) else {
            self.0.push((name, value));
            return;
        };
        let mut index = 0;
        self.0.retain(|(key, _)| {
            let keep = index <= first || !key.eq_ignore_ascii_case(&name);
            index += 1;
            keep
        });
        if let Some(entry) = self.0.get_mut(first) {
            entry.1 = value;
        }
    }

    /// Removes every entry of that name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref();
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all names and values together: what Envoy calls the map's size.
    pub fn byte_size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
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
        headers.add("trace", b"\xff".to_vec());
        assert_eq!(headers.all(b"trace").count(), 3);
        headers.remove("Trace");
        assert_eq!(headers, HeaderMap::from_pairs([("a", "1"), ("b", "2"), ("c", "3")]));
    }
}
