//! `Retry-After`: seconds as the standard library reads them, dates as httpdate reads them.

use std::time::{Duration, UNIX_EPOCH};

use meshspan_filter::retry::retry_after;
use meshspan_filter::time::Timestamp;

/// The header's value.
pub fn check(value: &[u8]) {
    let epoch = Timestamp::default();
    let waits = retry_after(value, epoch);
    let text = std::str::from_utf8(value).map(str::trim_ascii).unwrap_or_default();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(seconds) = text.parse().ok().filter(|_| digits) {
        assert_eq!(waits, Some(Duration::from_secs(seconds)));
        return;
    }
    // httpdate passes over some of what stands between the parts, which RFC 9110 does not allow.
    if let Ok(time) = httpdate::parse_http_date(text) {
        let theirs = time.duration_since(UNIX_EPOCH).ok().map(|since| since.min(LAST));
        assert!(waits.is_none() || waits == theirs, "{text}: {waits:?}, {theirs:?}");
        assert_eq!(retry_after(httpdate::fmt_http_date(time).as_bytes(), epoch), theirs, "{text}");
    }
    let Some(waits) = waits else { return };
    assert!(waits <= LAST, "{waits:?}");
    if waits < LAST {
        let written = httpdate::fmt_http_date(UNIX_EPOCH + waits);
        assert_eq!(retry_after(written.as_bytes(), epoch), Some(waits), "{written}");
    }
    let later = epoch.plus(Duration::from_secs(7));
    assert_eq!(retry_after(value, later), Some(waits.saturating_sub(Duration::from_secs(7))));
}

/// The end of time: nanoseconds since the epoch are 64 bits.
const LAST: Duration = Duration::from_nanos(u64::MAX);
