//! A request's or response's headers as the proxy has them: ordered pairs of bytes, read where the
//! host wrote them. Knows nothing of what they mean. Values need not be UTF-8, names need not be
//! lower case.

/// Borrowed header pairs, in the proxy's order, duplicates kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// The lengths of each pair, eight bytes a pair.
    lengths: &'a [u8],
    /// `name\0value\0` of each pair.
    text: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Reads proxy-wasm's serialized map: `u32` count, `(u32, u32)` lengths, then `name\0value\0`,
    /// all little-endian (ABI 0.2.1, "Serialization of maps"). Stops at the first entry that does
    /// not fit the buffer, so that malformed bytes give fewer headers, never a failure.
    pub fn decode(map: &'a [u8]) -> Self {
        let (count, rest) = map.split_at_checked(4).unwrap_or_default();
        let lengths = read_u32(count).checked_mul(8).and_then(|size| rest.split_at_checked(size));
        let (lengths, text) = lengths.unwrap_or_default();
        Self { lengths, text }
    }

    /// Headers from pairs of name and value, which stay for the rest of the test.
    #[cfg(test)]
    pub(crate) fn new(pairs: Vec<(&[u8], &[u8])>) -> Self {
        Self::decode(encode(&pairs).leak())
    }

    /// Every value of `name` (lower case), in order. Names compare without regard to ASCII case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of `name` (lower case).
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// All pairs in the proxy's order.
    pub fn iter(&self) -> Pairs<'a> {
        Pairs { lengths: self.lengths, text: self.text }
    }
}

/// Goes through [`Headers`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    text: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, rest) = self.lengths.split_at_checked(4)?;
        let (value_len, rest) = rest.split_at_checked(4)?;
        let (name, text) = take(self.text, read_u32(name_len))?;
        let (value, text) = take(text, read_u32(value_len))?;
        (self.lengths, self.text) = (rest, text);
        Some((name, value))
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
