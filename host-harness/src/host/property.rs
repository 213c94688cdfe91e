//! Properties: values, and their bytes as Envoy writes them.

use std::time::Duration;

use super::pairs::encode_pairs;
use super::{HeaderMap, HostProfile};
use crate::time::Timestamp;

/// Most bytes of properties that a guest may set on one stream.
pub const MAX_PROPERTY_BYTES: usize = 1024 * 1024;

/// Bytes of paths that a table without properties keeps room for at most.
const MAX_KEPT_BYTES: usize = 4096;

/// A property's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// A string, or a message's bytes: as it is.
    Bytes(Vec<u8>),
    /// 8 bytes, little-endian.
    Int(i64),
    /// 8 bytes, little-endian.
    Uint(u64),
    /// One byte.
    Bool(bool),
    /// Nanoseconds in 8 bytes, little-endian.
    Duration(Duration),
    /// Unix nanoseconds in 8 bytes, little-endian.
    Timestamp(Timestamp),
    /// The ABI's pairs; one entry is read by a path that ends in its name.
    Map(HeaderMap),
}

impl PropertyValue {
    /// Appends the bytes that a guest reads.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Int(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Uint(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::Duration(value) => {
                let nanos = i64::try_from(value.as_nanos()).unwrap_or(i64::MAX);
                out.extend_from_slice(&nanos.to_le_bytes());
            }
            Self::Timestamp(value) => out.extend_from_slice(&value.as_unix_nanos().to_le_bytes()),
            Self::Map(map) => encode_pairs(map, out),
        }
    }
}

/// Values by their path, its parts joined by NUL as guests give them. There are few: a list is searched faster
/// than a map is built.
#[derive(Clone, Debug, Default)]
pub(super) struct PropertyTable {
    /// All paths, one behind the other.
    paths: Vec<u8>,
    properties: Vec<Property>,
}

#[derive(Clone, Debug)]
struct Property {
    /// Where its path stands.
    start: usize,
    end: usize,
    value: PropertyValue,
}

impl PropertyTable {
    /// Sets the value at the path of these parts.
    pub(super) fn insert<P: AsRef<[u8]>>(&mut self, path: &[P], value: PropertyValue) {
        let start = self.paths.len();
        for part in path {
            self.paths.extend_from_slice(part.as_ref());
            self.paths.push(0);
        }
        let end = if path.is_empty() { start } else { self.paths.len() - 1 };
        self.paths.truncate(end);
        match self.position(self.paths.get(start..).unwrap_or_default()) {
            Some(known) => {
                self.paths.truncate(start);
                if let Some(property) = self.properties.get_mut(known) {
                    property.value = value;
                }
            }
            None => self.properties.push(Property { start, end, value }),
        }
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&PropertyValue> {
        self.position(path).and_then(|place| self.properties.get(place)).map(|property| &property.value)
    }

    fn position(&self, path: &[u8]) -> Option<usize> {
        let path_of = |property: &Property| self.paths.get(property.start..property.end);
        self.properties.iter().position(|property| path_of(property) == Some(path))
    }

    /// Whether a path begins with this one and has more parts.
    pub(super) fn has_below(&self, path: &[u8]) -> bool {
        let paths =
            self.properties.iter().filter_map(|property| self.paths.get(property.start..property.end));
        paths.filter_map(|known| known.strip_prefix(path)).any(|rest| rest.first() == Some(&0))
    }

    /// Forgets everything but the room that it took, unless that is much.
    pub(super) fn clear(&mut self) {
        if self.paths.capacity() > MAX_KEPT_BYTES {
            *self = Self::default();
        }
        self.paths.clear();
        self.properties.clear();
    }

    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.position(path).is_some()
    }

    /// Appends the value at `path`, or the entry of a map one part above it; says whether there is one.
    pub(super) fn encode(&self, path: &[u8], profile: HostProfile, out: &mut Vec<u8>) -> bool {
        if self.properties.is_empty() {
            return false;
        }
        if let Some(value) = self.get(path) {
            match value {
                PropertyValue::Bytes(address) if path.ends_with(b"\0address") => {
                    profile.encode_address(address, out);
                }
                value => profile.encode(value, out),
            }
            return true;
        }
        let Some(cut) = path.iter().rposition(|byte| *byte == 0) else { return false };
        let (parent, entry) = path.split_at(cut);
        match (self.get(parent), entry.get(1..)) {
            (Some(PropertyValue::Map(map)), Some(name)) => join_values(map, name, out),
            _ => false,
        }
    }
}

/// Appends every value of that name, joined by commas; says whether there is one.
pub(super) fn join_values(map: &HeaderMap, name: &[u8], out: &mut Vec<u8>) -> bool {
    let mut found = false;
    for value in map.all(name) {
        if found {
            out.push(b',');
        }
        out.extend_from_slice(value);
        found = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_envoys_bytes() {
        let two = 2u64.to_le_bytes().to_vec();
        let table = [
            ("bytes as they are", PropertyValue::Bytes(b"a\0b".to_vec()), b"a\0b".to_vec()),
            ("signed, 8 bytes", PropertyValue::Int(-1), vec![0xff; 8]),
            ("unsigned, 8 bytes", PropertyValue::Uint(2), two.clone()),
            ("bool, 1 byte", PropertyValue::Bool(true), vec![1]),
            ("duration in ns", PropertyValue::Duration(Duration::from_nanos(2)), two.clone()),
            ("instant in ns", PropertyValue::Timestamp(Timestamp::from_unix_nanos(2)), two),
            (
                "map as pairs",
                PropertyValue::Map(HeaderMap::from_pairs([("a", "b")])),
                b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0".to_vec(),
            ),
        ];
        for (reason, value, expected) in table {
            let mut out = Vec::new();
            value.encode(&mut out);
            assert_eq!(out, expected, "{reason}");
        }
    }

    #[test]
    fn an_entry_of_a_map_is_read_by_its_name() {
        let mut table = PropertyTable::default();
        let map = HeaderMap::from_pairs([("k", "1"), ("K", "2")]);
        table.insert(&["metadata", "labels"], PropertyValue::Map(map));
        let mut out = Vec::new();
        assert!(table.encode(b"metadata\0labels\0k", HostProfile::Envoy, &mut out));
        assert_eq!(out, b"1,2");
        assert!(!table.encode(b"metadata\0labels\0x", HostProfile::Envoy, &mut out));
        assert!(!table.encode(b"metadata", HostProfile::Envoy, &mut out));
    }

    #[test]
    fn the_last_value_of_a_path_counts_and_a_cleared_table_has_none() {
        let mut table = PropertyTable::default();
        let text = |text: &str| PropertyValue::Bytes(text.into());
        table.insert(&["a", "b"], text("1"));
        table.insert(&["a"], text("2"));
        table.insert(&["a\0b"], text("3"));
        let read = |table: &PropertyTable, path: &[u8]| {
            let mut out = Vec::new();
            table.encode(path, HostProfile::Envoy, &mut out).then_some(out)
        };
        assert_eq!(read(&table, b"a\0b"), Some(b"3".to_vec()), "a guest joins the parts itself");
        assert_eq!(read(&table, b"a"), Some(b"2".to_vec()));
        assert_eq!(read(&table, b"b"), None, "a path's end is no path");
        table.clear();
        assert_eq!(read(&table, b"a"), None);
        table.insert(&["c"], text("4"));
        assert_eq!((read(&table, b"a"), read(&table, b"c")), (None, Some(b"4".to_vec())));
    }
}
