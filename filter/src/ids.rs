//! Trace and span ids: fixed size, never all zero. Where ids come from is [`IdGenerator`]'s affair,
//! what is said about them in headers is `propagation`'s.
//! Spec: <https://www.w3.org/TR/trace-context-2/#trace-id>

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Why bytes are not an id. The message names the rule broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Another number of hex digits than the id has.
    #[error("expected {expected} hex digits, found {found}")]
    Length {
        /// Digits that the id has.
        expected: usize,
        /// Bytes that were there.
        found: usize,
    },
    /// A byte that is not one of `0-9a-f`.
    #[error("expected lower-case hex digits only")]
    Alphabet,
    /// Every digit is zero, which both W3C and OTLP call invalid.
    #[error("an id of zeros is invalid")]
    Zero,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Size in bytes; in hex it is twice as long.
            pub const SIZE: usize = $bytes;

            /// Takes `bytes` as an id, unless they are all zero.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Result<Self, IdError> {
                if bytes == [0; $bytes] { Err(IdError::Zero) } else { Ok(Self(bytes)) }
            }

            /// Parses exactly twice [`Self::SIZE`] lower-case hex digits, not all zero.
            ///
            /// # Errors
            /// [`IdError`] names the rule broken. W3C Trace Context §3.2.2.
            pub fn parse(hex: &[u8]) -> Result<Self, IdError> {
                if hex.len() != 2 * $bytes {
                    return Err(IdError::Length { expected: 2 * $bytes, found: hex.len() });
                }
                let mut bytes = [0; $bytes];
                for (byte, digits) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
                    let [high, low] = digits else { return Err(IdError::Alphabet) };
                    *byte = half(*high)? << 4 | half(*low)?;
                }
                Self::from_bytes(bytes)
            }

            /// The id's bytes, big-endian as on the wire.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Lower-case hex, as every text format writes it.
            pub fn to_hex(self) -> [u8; 2 * $bytes] {
                let mut out = [b'0'; 2 * $bytes];
                // The output is exactly twice the input, so encoding cannot fail.
                let _ = hex::encode_to_slice(self.0, &mut out);
                out
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.to_hex().iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

id! {
    /// 16 bytes, not all zero: names a trace.
    TraceId, 16
}
id! {
    /// 8 bytes, not all zero: names a span within its trace.
    SpanId, 8
}

/// What a lower-case hex digit stands for: 0 to 15.
#[inline]
fn half(digit: u8) -> Result<u8, IdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(IdError::Alphabet),
    }
}

impl TraceId {
    /// The low 56 bits: the randomness that consistent probability sampling compares with its
    /// threshold (OpenTelemetry, "TraceState: Probability Sampling").
    pub fn randomness(self) -> u64 {
        u64::from_be_bytes(self.low_half()) & ((1 << 56) - 1)
    }

    fn low_half(self) -> [u8; 8] {
        let [_, _, _, _, _, _, _, _, low @ ..] = self.0;
        low
    }
}

/// A fast random source for ids: xoshiro256++, seeded once per VM by its host.
///
/// Not for secrets: ids need to be unique, not unguessable.
#[derive(Debug)]
pub struct IdGenerator(Xoshiro256PlusPlus);

impl IdGenerator {
    /// A generator that always draws the same ids for the same `seed`.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Xoshiro256PlusPlus::from_seed(seed))
    }

    /// A new random trace id.
    pub fn trace_id(&mut self) -> TraceId {
        loop {
            let mut bytes = [0; TraceId::SIZE];
            self.0.fill_bytes(&mut bytes);
            if let Ok(id) = TraceId::from_bytes(bytes) {
                return id;
            }
        }
    }

    /// A new random span id.
    pub fn span_id(&mut self) -> SpanId {
        loop {
            if let Ok(id) = SpanId::from_bytes(self.0.next_u64().to_be_bytes()) {
                return id;
            }
        }
    }

    /// A uniform number in `0..bound`, for jitter; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64().checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn span_id_accepts_only_sixteen_lower_case_digits() {
        let cases: [(&[u8], Result<(), IdError>, &str); 7] = [
            (b"00f067aa0ba902b7", Ok(()), "the specification's own example"),
            (b"00f067aa0ba902b", Err(IdError::Length { expected: 16, found: 15 }), "too short"),
            (b"00f067aa0ba902b70", Err(IdError::Length { expected: 16, found: 17 }), "too long"),
            (b"00F067AA0BA902B7", Err(IdError::Alphabet), "upper case"),
            (b"+0f067aa0ba902b7", Err(IdError::Alphabet), "a sign is not a digit"),
            (b"00f067aa0ba902\xff\xfe", Err(IdError::Alphabet), "not ASCII"),
            (b"0000000000000000", Err(IdError::Zero), "zero"),
        ];
        for (hex, expected, reason) in cases {
            assert_eq!(SpanId::parse(hex).map(|_| ()), expected, "{reason}");
        }
    }

    #[test]
    fn ids_write_what_they_read() {
        let hex = b"4bf92f3577b34da6a3ce929d0e0e4736";
        let id = TraceId::parse(hex).unwrap();
        assert_eq!(&id.to_hex(), hex);
        assert_eq!(id.to_string().as_bytes(), hex);
        assert_eq!(id.randomness(), 0xce_929d_0e0e_4736);
    }

    #[test]
    fn the_same_seed_draws_the_same_ids() {
        let (mut a, mut b) = (IdGenerator::from_seed([7; 32]), IdGenerator::from_seed([7; 32]));
        assert_eq!(a.trace_id(), b.trace_id());
        assert_eq!(a.span_id(), b.span_id());
        assert_ne!(a.span_id(), a.span_id());
        assert_eq!(a.below(0), 0);
    }
}
