//! A request's or response's headers as the proxy has them: ordered pairs of bytes.
//! Knows nothing of what they mean. Values need not be UTF-8, names need not be lower case.

/// Borrowed header pairs, in the proxy's order, duplicates kept.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Headers<'a> {
    /// Headers from pairs of name and value.
    pub fn new(pairs: Vec<(&'a [u8], &'a [u8])>) -> Self {
        Self { pairs }
    }

    /// Reads proxy-wasm's serialized map: `u32` count, `(u32, u32)` lengths, then `name\0value\0`,
    /// all little-endian (ABI 0.2.1, "Serialization of maps"). Stops at the first entry that does
    /// not fit the buffer, so that malformed bytes give fewer headers, never a failure.
    pub fn decode(map: &'a [u8]) -> Self {
        let count = map.get(..4).map_or(0, read_u32);
        let mut pairs = Vec::with_capacity(count.min(map.len() / 8));
        let mut text = map.get(4 + 8 * count.min(map.len())..).unwrap_or_default();
        for lengths in map.get(4..).unwrap_or_default().chunks_exact(8).take(count) {
            let (name_len, value_len) = lengths.split_at(4);
            let Some((name, rest)) = take(text, read_u32(name_len)) else { break };
            let Some((value, rest)) = take(rest, read_u32(value_len)) else { break };
            pairs.push((name, value));
            text = rest;
        }
        Self { pairs }
    }

    /// Every value of `name` (lower case), in order. Names compare without regard to ASCII case.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of `name` (lower case).
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// How many values `name` has.
    pub fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    /// All pairs in the proxy's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.pairs.iter().copied()
    }
}

/// Writes the serialization that [`Headers::decode`] reads.
pub fn encode(pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut out = length(pairs.len()).to_vec();
    for (name, value) in pairs {
        out.extend(length(name.as_ref().len()));
        out.extend(length(value.as_ref().len()));
    }
    for (name, value) in pairs {
        for text in [name.as_ref(), value.as_ref()] {
            out.extend(text);
            out.push(0);
        }
    }
    out
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

fn read_u32(bytes: &[u8]) -> usize {
    <[u8; 4]>::try_from(bytes).map_or(0, |b| u32::from_le_bytes(b) as usize)
}

/// Splits `len` bytes and their terminating zero off `text`.
fn take(text: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (head, rest) = text.split_at_checked(len)?;
    Some((head, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn decodes_what_the_abi_encodes() {
        let pairs: [(&[u8], &[u8]); 4] =
            [(b"tracestate", b"a=1"), (b"x-bytes", b"\xff\xfe"), (b"Tracestate", b"b=2"), (b"empty", b"")];
        let map = encode(&pairs);
        let headers = Headers::decode(&map);
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(headers.all("tracestate").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
        assert_eq!(headers.first("empty"), Some(&b""[..]));
        assert_eq!(headers.first("absent"), None);
    }

    #[test]
    fn malformed_maps_give_fewer_headers() {
        let map = encode(&[("a", "1"), ("b", "2")]);
        for cut in 0..map.len() {
            assert!(Headers::decode(&map[..cut]).iter().count() < 2, "cut at {cut}");
        }
        let mut huge = map.clone();
        huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Headers::decode(&huge).iter().count(), 0);
        huge[..4].copy_from_slice(&2_u32.to_le_bytes());
        huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Headers::decode(&huge).iter().count(), 0);
    }
}
