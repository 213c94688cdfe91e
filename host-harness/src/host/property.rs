//! Properties: values, and their bytes as Envoy writes them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::pairs::encode_pairs;
use super::{HeaderMap, HostProfile};
use crate::time::Timestamp;

/// Most bytes of properties that a guest may set on one stream.
pub const MAX_PROPERTY_BYTES: usize = 1024 * 1024;

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

/// Values by their path, its parts joined by NUL as guests give them.
#[derive(Clone, Debug, Default)]
pub(super) struct PropertyTable(BTreeMap<Vec<u8>, PropertyValue>);

impl PropertyTable {
    pub(super) fn insert(&mut self, path: Vec<u8>, value: PropertyValue) {
        self.0.insert(path, value);
    }

    /// Appends the value at `path`, or the entry of a map one part above it; says whether there is one.
    pub(super) fn encode(&self, path: &[u8], profile: HostProfile, out: &mut Vec<u8>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        if let Some(value) = self.0.get(path) {
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
        match (self.0.get(parent), entry.get(1..)) {
            (Some(PropertyValue::Map(map)), Some(name)) => join_values(map, name, out),
            _ => false,
        }
    }
}

/// The path as guests give it: parts joined by NUL.
pub(super) fn join_path<P: AsRef<[u8]>>(path: &[P]) -> Vec<u8> {
    let mut joined = Vec::new();
    for (index, part) in path.iter().enumerate() {
        if index > 0 {
            joined.push(0);
        }
        joined.extend_from_slice(part.as_ref());
    }
    joined
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
        table.insert(join_path(&["metadata", "labels"]), PropertyValue::Map(map));
        let mut out = Vec::new();
        assert!(table.encode(b"metadata\0labels\0k", HostProfile::Envoy, &mut out));
        assert_eq!(out, b"1,2");
        assert!(!table.encode(b"metadata\0labels\0x", HostProfile::Envoy, &mut out));
        assert!(!table.encode(b"metadata", HostProfile::Envoy, &mut out));
    }
}
