//! What a guest tells of itself: lines of the log.

use std::cell::Cell;

use crate::host;

thread_local! {
    static CONTEXT: Cell<u32> = const { Cell::new(0) };
}

/// Whose lines these are from here on.
pub(crate) fn begin(context: u32) {
    CONTEXT.set(context);
}

/// One line.
pub(crate) fn tell(text: &str) {
    host::log(&format!("{} {text}", CONTEXT.get()));
}

/// A hostcall's result that has no value of interest.
pub(crate) fn done<T>(call: &str, result: host::Result<T>) -> host::Result<T> {
    match &result {
        Ok(_) => tell(&format!("{call} → 0")),
        Err(status) => tell(&format!("{call} → {status}")),
    }
    result
}

/// A hostcall's result with the bytes that came.
pub(crate) fn got<T: AsRef<[u8]>>(call: &str, result: host::Result<T>) -> host::Result<T> {
    match &result {
        Ok(bytes) => tell(&format!("{call} → 0 {}", shown(bytes.as_ref()))),
        Err(status) => tell(&format!("{call} → {status}")),
    }
    result
}

/// A hostcall's result with the number that came.
pub(crate) fn number<T: Into<u64> + Copy>(call: &str, result: host::Result<T>) -> host::Result<T> {
    match &result {
        Ok(value) => tell(&format!("{call} → 0 {}", (*value).into())),
        Err(status) => tell(&format!("{call} → {status}")),
    }
    result
}

/// A map, each pair `name=value`.
pub(crate) fn pairs(call: &str, result: host::Result<host::Pairs>) {
    let result = result.map(|pairs| {
        let shown = pairs.iter().map(|(name, value)| format!("{}={}", shown(name), shown(value)));
        shown.collect::<Vec<_>>().join(" ")
    });
    match result {
        Ok(text) => tell(&format!("{call} → 0 {text}")),
        Err(status) => tell(&format!("{call} → {status}")),
    }
}

/// Bytes as text; long ones by their length, their beginning and a checksum.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    if bytes.len() <= MOST {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    let sum = bytes.iter().fold(5381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(*byte));
    format!("{} bytes \"{}…\" {sum:08x}", bytes.len(), bytes[..16].escape_ascii())
}

/// Bytes to be read back by a test.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
