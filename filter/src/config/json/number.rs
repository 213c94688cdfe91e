//! A number of a configuration, as written and as a double. The standard library's code for the same would
//! bring 17 kB to read and as much to write.

use std::fmt;

/// Beyond this power of ten a double is infinite or zero, whatever its digits.
const MAX_EXPONENT: i32 = 400;

/// A finite number.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) struct Number {
    value: f64,
    /// As JSON has it.
    text: String,
}

impl Number {
    /// Reads a number by JSON's grammar; none if it is not one, or too large for a double. The last bit is
    /// right for up to fifteen digits and powers of ten up to the 22nd.
    pub(in crate::config) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (digits, exponent) = match digits.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, read_exponent(exponent)?),
            None => (digits, 0),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        if whole.is_empty() || whole.starts_with('0') && whole.len() > 1 {
            return None;
        }
        let (mut mantissa, mut exponent) = (0_u64, exponent);
        for (digits, after_point) in [(whole, 0), (fraction, 1)] {
            for digit in digits.bytes() {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
                match mantissa.checked_mul(10).and_then(|all| all.checked_add(digit.into())) {
                    Some(all) => (mantissa, exponent) = (all, exponent - after_point),
                    // What no double can hold counts as zeros.
                    None => exponent += 1 - after_point,
                }
            }
        }
        let value = scale(mantissa, exponent);
        let value = if text.starts_with('-') { -value } else { value };
        value.is_finite().then(|| Self { value, text: text.to_owned() })
    }

    /// The number, unless it is infinite or none.
    pub(in crate::config) fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self { value, text: shown(value) })
    }

    /// As a double.
    pub(in crate::config) fn as_f64(&self) -> f64 {
        self.value
    }

    /// As a whole number, if it is written as one and not below zero.
    pub(in crate::config) fn as_u64(&self) -> Option<u64> {
        self.text.parse().ok()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn read_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Too many digits for this type are too many for a double.
    let exponent = digits.parse().unwrap_or(i32::MAX).min(1 << 24);
    Some(if text.starts_with('-') { -exponent } else { exponent })
}

/// `mantissa`·10^`exponent`
fn scale(mantissa: u64, exponent: i32) -> f64 {
    /// The largest power of ten that a double holds exactly.
    const EXACT: i32 = 22;
    #[expect(clippy::cast_precision_loss, reason = "no double has more digits")]
    let mut value = mantissa as f64;
    let mut rest = exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT);
    while rest != 0 {
        let step = rest.clamp(-EXACT, EXACT);
        let power = 10_f64.powi(step.abs());
        value = if step > 0 { value * power } else { value / power };
        rest -= step;
    }
    value
}

/// A number with at most nine digits behind the point, with an exponent if it is very large or small. What is
/// whole up to 2⁵³ is shown as a whole number.
fn shown(value: f64) -> String {
    const BILLION: f64 = 1e9;
    let (mut size, mut exponent) = (value.abs(), 0);
    if !(1e-3..1e16).contains(&size) {
        while size >= 10.0 {
            (size, exponent) = (size / 10.0, exponent + 1);
        }
        while size > 0.0 && size < 1.0 {
            (size, exponent) = (size * 10.0, exponent - 1);
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 1e16, not below zero")]
    let (whole, nanos) = (size.trunc() as u64, (size.fract() * BILLION) as u64);
    let mut text = format!("{}{whole}", if value < 0.0 { "-" } else { "" });
    if nanos > 0 {
        text.push_str(format!(".{nanos:09}").trim_end_matches('0'));
    }
    if exponent != 0 {
        text.push_str(&format!("e{exponent}"));
    }
    text
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn numbers_are_read_as_the_standard_library_does() {
        let texts = [
            "0",
            "-0",
            "7",
            "10",
            "-1",
            "0.25",
            "0.1",
            "0.01",
            "1.5",
            "100.0",
            "1e3",
            "1E+3",
            "2.5e-7",
            "1e22",
            "1e-22",
            "123456789012345",
            "9007199254740992",
            "18446744073709551615",
            "0e999999999999",
        ];
        for text in texts {
            let number = Number::parse(text).unwrap();
            assert_eq!(number.as_f64().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
            assert_eq!(number.to_string(), text);
            assert_eq!(number.as_u64(), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn digits_that_a_double_cannot_hold_are_rounded() {
        for text in
            ["12345678901234567890123", "0.1234567890123456789012345", "1e300", "1.7e308", "4e-320", "1e-400"]
        {
            let (ours, theirs) = (Number::parse(text).unwrap().as_f64(), text.parse::<f64>().unwrap());
            assert!((ours - theirs).abs() <= theirs.abs() * 1e-14 + 1e-322, "{text}: {ours:e}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let cases = [
            ("", "empty"),
            ("-", "no digits"),
            ("01", "a leading zero"),
            ("-00", "two zeros"),
            (".5", "nothing before the point"),
            ("5.", "nothing behind it"),
            ("1.2.3", "two points"),
            ("1e", "no exponent"),
            ("1e+", "a sign alone"),
            ("1e1.5", "a fraction as exponent"),
            ("+1", "a sign that JSON does not have"),
            ("--1", "two signs"),
            ("1e999", "too large"),
            ("1e99999999999999999999", "far too large"),
        ];
        for (text, reason) in cases {
            assert_eq!(Number::parse(text), None, "{reason}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Number::from_f64(value), None);
        }
    }

    #[test]
    fn doubles_are_shown_in_few_digits() {
        let cases = [
            (0.0, "0"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (1.0 / 3.0, "0.333333333"),
            (12.000_000_5, "12.0000005"),
            (-3e20, "-3e20"),
            (2.5e-7, "2.5e-7"),
        ];
        for (value, text) in cases {
            let number = Number::from_f64(value).unwrap();
            assert_eq!((number.as_f64(), number.to_string().as_str()), (value, text));
        }
    }
}
