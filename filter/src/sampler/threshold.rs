//! The rejection threshold of consistent probability sampling: how it comes from a ratio and how
//! `ot=th` spells it. What it is compared with is `sampler`'s affair.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#rejection-threshold-th>
//!
//! 0.1 → `e666`: of 2^56 random values those from 0xe6660000000000 on are kept

/// Hex digits of 56 bits.
pub(super) const DIGITS: usize = 14;

/// How many of the 2^56 possible random values are too low to be sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold(u64);

impl Threshold {
    /// Keeps everything.
    pub const ALL: Self = Self(0);

    /// All possible values: nothing is sampled.
    const MAX: u64 = 1 << 56;
    /// Hex digits that are kept beyond the leading `f`s (the specification's recommended precision).
    const PRECISION: u32 = 4;

    /// The threshold that keeps `ratio` of all traces, rounded to the precision that `ot=th` has on
    /// the wire, so that every sampler that reads it decides alike. A ratio of 0 keeps nothing.
    pub fn from_ratio(ratio: f64) -> Self {
        let ratio = ratio.clamp(0.0, 1.0);
        let kept = (ratio * Self::MAX as f64).round() as u64;
        let threshold = Self::MAX.saturating_sub(kept);
        if kept == 0 || threshold == 0 {
            return Self(threshold);
        }
        // Leading `f` digits of the threshold, or leading zeros, carry no information.
        let insignificant = kept.min(threshold).leading_zeros().saturating_sub(8) / 4;
        let shift = 4 * 14_u32.saturating_sub(Self::PRECISION + insignificant);
        if shift == 0 {
            return Self(threshold);
        }
        Self(((threshold + (1 << (shift - 1))) >> shift) << shift)
    }

    /// Parses the value of `th`: 1 to 14 lower-case hex digits, as if zeros followed up to the 14th.
    /// None if it is anything else. OpenTelemetry, "TraceState Handling".
    pub fn parse(th: &str) -> Option<Self> {
        let zeros = DIGITS.checked_sub(th.len())?;
        Some(Self(hex_value(th)? << (4 * zeros)))
    }

    /// The value of `th`: without trailing zeros, `0` for all. None if nothing is kept, which `th`
    /// cannot say.
    pub fn to_th(self) -> Option<String> {
        let zeros = (self.0.trailing_zeros() as usize / 4).min(DIGITS - 1);
        let width = DIGITS - zeros;
        (self.0 < Self::MAX).then(|| format!("{:0width$x}", self.0 >> (4 * zeros)))
    }

    /// Whether a trace with 56 bits of `randomness` is kept.
    pub const fn keeps(self, randomness: u64) -> bool {
        randomness >= self.0
    }
}

/// The number that `digits`, at least one and lower case, spell; none if they do not or are too many.
pub(super) fn hex_value(digits: &str) -> Option<u64> {
    let lower_case = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    lower_case.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn rule_24_thresholds_have_four_significant_digits() {
        let cases = [
            (1.0, Some("0"), "all"),
            (0.5, Some("8"), "exact"),
            (1.0 / 3.0, Some("aaab"), "rounded up"),
            (0.25, Some("c"), "exact"),
            (0.2, Some("cccd"), "rounded up"),
            (0.125, Some("e"), "exact"),
            (0.1, Some("e666"), "rounded down"),
            (0.0625, Some("f"), "exact, and a leading f"),
            (0.01, Some("fd70a"), "a leading f does not count"),
            (0.001, Some("ffbe77"), "two do not"),
            (0.0001, Some("fff9724"), "three do not"),
            (0.000_01, Some("ffff583a"), "four do not"),
            (0.000_001, Some("ffffef39"), "the last row of the specification's table"),
            (0.0, None, "none"),
            (-1.0, None, "below the range is as none"),
            (7.0, Some("0"), "above the range is as all"),
            (2_f64.powi(-56), Some("ffffffffffffff"), "the smallest there is"),
            (1e-30, None, "too small for 56 bits is none"),
        ];
        for (ratio, expected, reason) in cases {
            let threshold = Threshold::from_ratio(ratio);
            assert_eq!(threshold.to_th().as_deref(), expected, "{ratio}: {reason}");
            assert_eq!(threshold.keeps((1 << 56) - 1), expected.is_some(), "{ratio}: {reason}");
        }
    }

    #[test]
    fn rule_24_th_is_one_to_fourteen_lower_case_hex_digits() {
        let cases = [
            ("0", Some(0), "all"),
            ("8", Some(0x80_0000_0000_0000), "zeros follow"),
            ("e666", Some(0xe6_6600_0000_0000), "the specification's 10 %"),
            ("fd70a4", Some(0xfd_70a4_0000_0000), "its 1 %, more exactly than we write it"),
            ("c000", Some(0xc0_0000_0000_0000), "trailing zeros may be there"),
            ("08", Some(0x08_0000_0000_0000), "a leading zero counts"),
            ("ffffffffffffff", Some(0xff_ffff_ffff_ffff), "14 digits"),
            ("00000000000000", Some(0), "14 zeros"),
            ("", None, "no digit"),
            ("fffffffffffffff", None, "15 digits"),
            ("E666", None, "upper case"),
            ("e66g", None, "not hex"),
            ("+8", None, "a sign is not a digit"),
            ("0x8", None, "nor is a prefix"),
            (" 8", None, "nor is white space"),
            ("\u{e9}", None, "not ASCII"),
        ];
        for (th, expected, reason) in cases {
            assert_eq!(Threshold::parse(th), expected.map(Threshold), "{th}: {reason}");
        }
    }
}
