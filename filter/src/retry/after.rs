//! `Retry-After`: how long a server asks its client to wait.
//! Reads dates itself: httpdate, which the tests compare it with, is 10 KB of the artifact.
//! Spec: RFC 9110 §10.2.3 and, for its three forms of dates, §5.6.7.
//! `Sun, 06 Nov 1994 08:49:37 GMT` at 08:49:30 → 7 s

use std::time::Duration;

use crate::time::Timestamp;

const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// How long the header's `value` asks to wait at `now`; zero until a date that is over. None where it is
/// neither whole seconds nor a date from 1970 to 9999.
pub fn retry_after(value: &[u8], now: Timestamp) -> Option<Duration> {
    let value = value.trim_ascii();
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let nanos = date(value)?.saturating_mul(1_000_000_000);
    Some(Timestamp::from_unix_nanos(nanos).since(now))
}

/// Seconds since the Unix epoch. What stands between words and numbers does not count, nor does the day of the
/// week; days are held against the longest month.
fn date(text: &[u8]) -> Option<u64> {
    let mut words: [&[u8]; 9] = [b""; 9];
    let found = text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.iter_mut().zip(found).for_each(|(word, found)| *word = found);
    let (day, month, year, time) = match words {
        [_, day, month, year, hour, minute, second, b"GMT", b""] => {
            (day, month, year, [hour, minute, second])
        }
        // C's asctime: `Sun Nov  6 08:49:37 1994`.
        [_, month, day, hour, minute, second, year, b"", b""] => (day, month, year, [hour, minute, second]),
        _ => return None,
    };
    let mut seconds = 0;
    for (part, limit) in time.into_iter().zip([24, 60, 61]) {
        seconds = seconds * 60 + number(part).filter(|part| *part < limit)?;
    }
    let year = match (year.len(), number(year)?) {
        (4, year @ 1970..) => year,
        (2, year) => year + if year < 70 { 2000 } else { 1900 },
        _ => return None,
    };
    let month = MONTHS.chunks(3).position(|known| known == month)?;
    let day = number(day).filter(|day| (1..=31).contains(day))?;
    Some((days(year, month as u64) + day - 1) * 86_400 + seconds)
}

/// Days from the Unix epoch to the first of `month` (0 is January) of `year`, which is not before 1970.
const fn days(year: u64, month: u64) -> u64 {
    // Years that begin with March have their leap day at their end.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - 719_468
}

/// A whole number of nothing but digits.
fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|_| digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn rule_41_retry_after_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:30 GMT.
        let now = Timestamp::from_unix_nanos(784_111_770_000_000_000);
        let cases = [
            ("7", Some(7), "seconds"),
            (" 120 ", Some(120), "with space around"),
            ("0", Some(0), "at once"),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7), "HTTP's own form"),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7), "RFC 850's"),
            ("Sun Nov  6 08:49:37 1994", Some(7), "asctime's"),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0), "it is over"),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0), "the epoch"),
            ("Mon, 07 Nov 1994 08:49:30 GMT", Some(86_400), "a day"),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(167_757_030), "after a leap day"),
            ("Sat, 31 Dec 1994 23:59:60 GMT", Some(4_806_630), "a leap second"),
            ("", None, "empty"),
            ("-1", None, "below zero"),
            ("+7", None, "a sign is no digit"),
            ("1.5", None, "not whole"),
            ("99999999999999999999", None, "beyond 64 bits"),
            ("Sun, 06 Nov 1994 08:49:37", None, "no zone"),
            ("Sun, 06 Nov 1994 08:49:37 CET", None, "another zone"),
            ("Sun, 06 Nov 1994 08:49:37 GMT+1", None, "trailing"),
            ("Sun, 06 nov 1994 08:49:37 GMT", None, "wrong case"),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None, "no such hour"),
            ("Sun, 06 Nov 1994 08:60:00 GMT", None, "no such minute"),
            ("Sun, 06 Nov 1994 08:49:61 GMT", None, "no such second"),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None, "no such day"),
            ("Sun, 32 Nov 1994 08:49:37 GMT", None, "no such day"),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None, "before the epoch"),
            ("Sun, 06 Nov 19940 08:49:37 GMT", None, "a long year"),
            ("1994-11-06T08:49:37Z", None, "ISO 8601"),
        ];
        for (value, expected, reason) in cases {
            let found = retry_after(value.as_bytes(), now);
            assert_eq!(found, expected.map(Duration::from_secs), "{value}: {reason}");
        }
        assert_eq!(retry_after(b"\xff", now), None, "not UTF-8");
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn rule_41_dates_are_read_as_httpdate_reads_them() {
        // A prime number of seconds, so that all months, days and times of the day come by.
        for seconds in (0..253_402_300_800).step_by(15_485_863) {
            let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(date(httpdate::fmt_http_date(time).as_bytes()), Some(seconds));
        }
    }
}
