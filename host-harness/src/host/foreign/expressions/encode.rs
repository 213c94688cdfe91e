//! An expression's value as the guest reads it: like a property of its type.
//! Source: Envoy's `serializeValue` in `source/extensions/common/wasm/context.cc`

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelString, CelTimestamp,
    CelUInt,
};
use cel::common::value::Val;

use super::super::super::HeaderMap;
use super::super::super::pairs::encode_pairs;
use super::attributes::Entries;

/// A value of a kind that has no bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoBytes(pub(super) String);

/// Appends a value's bytes.
pub(super) fn append(value: &dyn Val, out: &mut Vec<u8>) -> Result<(), NoBytes> {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        out.extend_from_slice(text.inner().as_bytes());
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        out.extend_from_slice(bytes.inner());
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        let mut pairs = Vec::new();
        for element in list.inner() {
            pairs.push((encoded(element.as_ref())?, Vec::new()));
        }
        append_pairs(&HeaderMap::from_pairs(pairs), out);
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let mut pairs = Vec::new();
        for (key, value) in map.inner() {
            pairs.push((encoded_key(key)?, encoded(value.as_ref())?));
        }
        // The map's own order is by chance.
        pairs.sort();
        append_pairs(&HeaderMap::from_pairs(pairs), out);
    } else if let Some(entries) = value.downcast_ref::<Entries>() {
        append_pairs(&entries.pairs(), out);
    } else if let Some(number) = scalar(value) {
        out.extend_from_slice(&number);
    } else if let Some(truth) = value.downcast_ref::<CelBool>() {
        out.push(u8::from(*truth.inner()));
    } else {
        return Err(NoBytes(value.get_type().name().to_owned()));
    }
    Ok(())
}

/// In an expression no pairs have a count, too.
fn append_pairs(pairs: &HeaderMap, out: &mut Vec<u8>) {
    if pairs.is_empty() {
        out.extend_from_slice(&[0; 4]);
    }
    encode_pairs(pairs, out);
}

/// What has 8 bytes.
fn scalar(value: &dyn Val) -> Option<[u8; 8]> {
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Some(number.inner().to_le_bytes());
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Some(number.inner().to_le_bytes());
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return Some(number.inner().to_le_bytes());
    }
    if let Some(time) = value.downcast_ref::<CelDuration>() {
        let ends = if time.inner().num_seconds() < 0 { i64::MIN } else { i64::MAX };
        return Some(time.inner().num_nanoseconds().unwrap_or(ends).to_le_bytes());
    }
    let time = value.downcast_ref::<CelTimestamp>()?.inner();
    let ends = if time.timestamp() < 0 { i64::MIN } else { i64::MAX };
    Some(time.timestamp_nanos_opt().unwrap_or(ends).to_le_bytes())
}

fn encoded(value: &dyn Val) -> Result<Vec<u8>, NoBytes> {
    let mut bytes = Vec::new();
    append(value, &mut bytes)?;
    Ok(bytes)
}

fn encoded_key(key: &CelMapKey<'_>) -> Result<Vec<u8>, NoBytes> {
    match key {
        CelMapKey::Bool(key) => encoded(key),
        CelMapKey::Int(key) => encoded(key),
        CelMapKey::String(key) => encoded(key),
        CelMapKey::UInt(key) => encoded(key),
    }
}
