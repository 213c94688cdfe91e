//! A map for the few texts of a configuration. The one of the standard library is made for millions,
//! and its code for each type of value is a tenth of the artifact.

/// Keys and values, sorted by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<V>(Vec<(String, V)>);

impl<V> SortedMap<V> {
    /// A map of nothing.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets the value of `key`.
    pub fn insert(&mut self, key: String, value: V) {
        let found = self.find(&key);
        match found.map(|at| self.0.get_mut(at)) {
            Ok(Some((_, old))) => *old = value,
            Ok(None) => {}
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&V> {
        let (_, value) = self.0.get(self.find(key).ok()?)?;
        Some(value)
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        Some(self.0.remove(self.find(key).ok()?).1)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Sets all values of `other`.
    pub fn extend(&mut self, other: Self) {
        for (key, value) in other {
            self.insert(key, value);
        }
    }

    /// The sorted pairs.
    pub fn into_pairs(self) -> Vec<(String, V)> {
        self.0
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(key))
    }
}

impl<V> Default for SortedMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> FromIterator<(String, V)> for SortedMap<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        pairs.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

impl<V> IntoIterator for SortedMap<V> {
    type Item = (String, V);
    type IntoIter = std::vec::IntoIter<(String, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<V: serde::Serialize> serde::Serialize for SortedMap<V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<V: schemars::JsonSchema> schemars::JsonSchema for SortedMap<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        std::collections::BTreeMap::<String, V>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        std::collections::BTreeMap::<String, V>::json_schema(generator)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    proptest::proptest! {
        /// Keys of one or two letters, so that many occur again.
        #[test]
        fn it_does_as_the_standard_librarys_map(
            steps in proptest::collection::vec(("[a-c]{0,2}", proptest::option::of(0..9)), 0..40)
        ) {
            let (mut ours, mut theirs) = (SortedMap::new(), BTreeMap::new());
            for (key, value) in steps {
                assert_eq!(ours.get(&key), theirs.get(&key));
                if let Some(value) = value {
                    ours.insert(key.clone(), value);
                    theirs.insert(key, value);
                } else {
                    assert_eq!(ours.remove(&key), theirs.remove(&key));
                }
                assert!(ours.iter().eq(theirs.iter().map(|(key, value)| (key.as_str(), value))));
            }
            assert_eq!(ours.into_pairs(), theirs.into_iter().collect::<Vec<_>>());
        }
    }
}
