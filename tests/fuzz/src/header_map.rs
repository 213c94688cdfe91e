//! The ABI's header maps, however malformed: read as the harness's own decoder reads them where that does.

use meshspan_filter::headers::{Headers, encode};

/// A serialized map.
pub fn check(map: &[u8]) {
    let headers = Headers::decode(map);
    let pairs: Vec<_> = headers.iter().collect();
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
    assert!(bytes <= map.len(), "no byte is read twice");
    #[cfg(feature = "host")]
    if let Some(sound) = meshspan::host::decode_pairs(map) {
        assert!(sound.iter().eq(pairs.iter().copied()), "both decoders agree");
    }
    let again = encode(&pairs);
    assert!(Headers::decode(&again).iter().eq(pairs.iter().copied()));
    super::native::ingress(&headers, &headers);
}
