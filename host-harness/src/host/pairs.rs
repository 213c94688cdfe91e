//! The ABI's bytes of a header map: count, the lengths of each name and value, then both, NUL-terminated.
//!
//! Spec: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1#serialization>;
//! the bounds are those of proxy-wasm-cpp-host's `limits.h`.

use super::HeaderMap;

/// The most bytes that a map from a guest may have.
pub const MAX_PAIRS_BYTES: usize = 1024 * 1024;
/// The most pairs that a map from a guest may have.
pub const MAX_PAIRS: usize = 1024;

/// Appends the map's bytes; nothing for a map without entries.
pub fn encode_pairs(map: &HeaderMap, out: &mut Vec<u8>) {
    if map.is_empty() {
        return;
    }
    out.reserve(4 + map.len() * 10 + map.byte_size());
    put_length(map.len(), out);
    for (name, value) in map.iter() {
        put_length(name.len(), out);
        put_length(value.len(), out);
    }
    for (name, value) in map.iter() {
        for part in [name, value] {
            out.extend_from_slice(part);
            out.push(0);
        }
    }
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Reads a map; `None` if it breaks the format or a bound. No bytes are a map without entries.
pub fn decode_pairs(bytes: &[u8]) -> Option<HeaderMap> {
    if bytes.is_empty() {
        return Some(HeaderMap::new());
    }
    if bytes.len() > MAX_PAIRS_BYTES {
        return None;
    }
    let (count, rest) = take_length(bytes)?;
    if count > MAX_PAIRS {
        return None;
    }
    let (mut lengths, mut body) = rest.split_at_checked(count * 8)?;
    let mut map = HeaderMap::new();
    for _ in 0..count {
        let (name_length, rest) = take_length(lengths)?;
        let (value_length, rest) = take_length(rest)?;
        lengths = rest;
        let (name, rest) = take_terminated(body, name_length)?;
        let (value, rest) = take_terminated(rest, value_length)?;
        body = rest;
        map.add(name, value);
    }
    body.is_empty().then_some(map)
}

fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*length) as usize, rest))
}

fn take_terminated(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((text, rest.strip_prefix(&[0])?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(map: &HeaderMap) -> Vec<u8> {
        let mut out = Vec::new();
        encode_pairs(map, &mut out);
        out
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let map = HeaderMap::from_pairs([("a", "bc")]);
        assert_eq!(bytes_of(&map), b"\x01\0\0\0\x01\0\0\0\x02\0\0\0a\0bc\0");
        assert_eq!(bytes_of(&HeaderMap::new()), b"");
    }

    #[test]
    fn what_breaks_the_format_or_a_bound_is_refused() {
        let many = HeaderMap::from_pairs((0..=MAX_PAIRS).map(|_| ("a", "b")));
        let large = HeaderMap::from_pairs([("a", vec![b'x'; MAX_PAIRS_BYTES])]);
        let table: Vec<(&str, Vec<u8>)> = vec![
            ("a count of one and nothing else", vec![1, 0, 0, 0]),
            ("shorter than a count", vec![1, 0]),
            ("a count beyond the bound", vec![0xff, 0xff, 0xff, 0xff]),
            ("one byte after the last pair", b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0x".to_vec()),
            ("no NUL after the name", b"\x01\0\0\0\x01\0\0\0\x01\0\0\0axb\0".to_vec()),
            ("a length beyond the end", b"\x01\0\0\0\xff\xff\xff\xff\x01\0\0\0a\0b\0".to_vec()),
            ("one pair more than allowed", bytes_of(&many)),
            ("more bytes than allowed", bytes_of(&large)),
        ];
        for (reason, bytes) in table {
            assert_eq!(decode_pairs(&bytes), None, "{reason}");
        }
        assert_eq!(decode_pairs(&[0, 0, 0, 0]), Some(HeaderMap::new()), "a count of zero");
    }

    proptest! {
        #[test]
        fn decode_of_encode_is_the_same(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
            let map = HeaderMap::from_pairs(pairs);
            prop_assert_eq!(decode_pairs(&bytes_of(&map)), Some(map));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            decode_pairs(&bytes);
        }
    }
}
