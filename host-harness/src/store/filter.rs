//! Which `key=value` a trace may have: a Bloom filter, so that a search by attribute decodes few traces in vain.
//! <https://en.wikipedia.org/wiki/Bloom_filter>
//!
//! 300 attributes → 1,200 bytes, as each is there also as its service's, that answer "no" to 999 of 1,000 that it has not

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};

use crate::collect::display;

/// Bits for each attribute.
const BITS: usize = 16;

/// How many of the bits an attribute sets: 1 in 1,000 that are not there seem to be.
const MARKS: u64 = 6;

/// An attribute in brief; the same in every version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Token(u64);

impl Token {
    pub(super) fn of(key: &str, value: &str) -> Self {
        Self::hash(&[key, value])
    }

    /// Of an attribute that a span of this service has.
    pub(super) fn of_service(service: &str, key: &str, value: &str) -> Self {
        Self::hash(&[service, key, value])
    }

    fn hash(parts: &[&str]) -> Self {
        // FNV-1a, with a byte before each but the first that UTF-8 has not, and SplitMix64's last step.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (at, part) in parts.iter().enumerate() {
            let between = (at > 0).then_some(0xff);
            for byte in between.into_iter().chain(part.bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(hash ^ (hash >> 31))
    }

    /// To be written down.
    pub(super) fn number(self) -> u64 {
        self.0
    }

    /// As [`number`](Self::number) gave it.
    pub(super) fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The bits that it sets among `bits`.
    fn marks(self, bits: usize) -> impl Iterator<Item = usize> {
        let step = (self.0 >> 32) | 1;
        let bits = u64::try_from(bits).unwrap_or(u64::MAX);
        (0..MARKS).filter_map(move |at| {
            let place = self.0.wrapping_add(step.wrapping_mul(at)).checked_rem(bits)?;
            usize::try_from(place).ok()
        })
    }
}

/// Tokens, each once. They are hashes already.
pub(super) type Tokens = HashSet<Token, BuildHasherDefault<AsItIs>>;

#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The tokens of an attribute as people read it, by itself and as the service's.
pub(super) fn tokens(service: &str, pair: &KeyValue) -> [Token; 2] {
    match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => both(service, &pair.key, text),
        _ => both(service, &pair.key, &display(pair.value.as_ref())),
    }
}

/// The tokens by which a search finds spans that did or did not end with an error.
pub(super) fn tokens_of_outcome(service: &str, failed: bool) -> [Token; 2] {
    both(service, "error", if failed { "true" } else { "false" })
}

fn both(service: &str, key: &str, value: &str) -> [Token; 2] {
    [Token::of(key, value), Token::of_service(service, key, value)]
}

/// The filter of these tokens.
pub(super) fn filter(tokens: &Tokens) -> Vec<u8> {
    let mut filter = vec![0_u8; (tokens.len() * BITS).div_ceil(8)];
    for bit in tokens.iter().flat_map(|token| token.marks(tokens.len() * BITS)) {
        if let Some(byte) = filter.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
    filter
}

/// Whether the token may be among those that the filter was made of.
pub(super) fn may_have(filter: &[u8], token: Token) -> bool {
    let mut marks = token.marks(filter.len() * 8);
    !filter.is_empty()
        && marks.all(|bit| filter.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(values: std::ops::Range<u32>) -> Vec<Token> {
        values.map(|value| Token::of("http.route", &format!("/users/{value}"))).collect()
    }

    #[test]
    fn what_is_there_is_found_and_little_else() {
        let there = routes(0..300);
        let filter = filter(&there.iter().copied().collect());
        assert_eq!(filter.len(), 600);
        assert!(there.iter().all(|token| may_have(&filter, *token)));
        let wrong = routes(300..20_300).into_iter().filter(|token| may_have(&filter, *token)).count();
        assert!(wrong < 40, "{wrong} of 20,000");
    }

    #[test]
    fn nothing_is_in_nothing() {
        assert!(!may_have(&filter(&Tokens::default()), Token::of("a", "b")));
    }

    #[test]
    fn a_token_is_the_same_in_every_version() {
        assert_eq!(
            Token::of("a", "b"),
            Token(6_137_638_104_319_202_169),
            "the format's number must grow if this changes"
        );
        assert_ne!(Token::of("ab", "c"), Token::of("a", "bc"));
        assert_ne!(Token::of_service("a", "b", "c"), Token::of("a", "bc"));
    }
}
