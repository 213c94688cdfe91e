//! When things happened, by a HAR entry: milliseconds with fractions, -1 for what does not apply.
//!
//! `"time":31.5,"timings":{"blocked":1.2,"dns":-1,"send":0.1,"wait":25,"receive":5.2}`

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::at;

/// Microseconds after the start, where they are known.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Times {
    pub(super) start: Option<Timestamp>,
    pub(super) request_end: Option<u64>,
    pub(super) response_start: Option<u64>,
    pub(super) response_end: Option<u64>,
}

pub(super) fn of(entry: &Value) -> Times {
    let timings = at(entry, "timings");
    let phase = |name: &str| micros(at(timings, name));
    let begun = at(entry, "startedDateTime").as_str().and_then(instant);
    // `connect` has `ssl` in it.
    let before = [phase("blocked"), phase("dns"), phase("connect")].into_iter().flatten().sum::<u64>();
    let start = begun.map(|begun| {
        let before = SignedDuration::from_micros(before.try_into().unwrap_or(i64::MAX));
        begun.checked_add(before).unwrap_or(begun)
    });
    let (send, wait, receive) = (phase("send"), phase("wait"), phase("receive"));
    if send.is_none() && wait.is_none() && receive.is_none() {
        let all = micros(at(entry, "time")).map(|all| all.saturating_sub(before));
        return Times { start, request_end: None, response_start: all, response_end: all };
    }
    let request_end = send.unwrap_or(0);
    let response_start = request_end.saturating_add(wait.unwrap_or(0));
    let response_end = response_start.saturating_add(receive.unwrap_or(0));
    Times {
        start,
        request_end: Some(request_end),
        response_start: Some(response_start),
        response_end: Some(response_end),
    }
}

/// Milliseconds that are there, as microseconds.
fn micros(value: &Value) -> Option<u64> {
    value.as_f64().filter(|ms| *ms >= 0.0).map(|ms| (ms * 1_000.0).round() as u64)
}

/// RFC 3339; without an offset, which some write, it is taken as UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn phases_that_do_not_apply_take_no_time() {
        let rows = [
            (
                json!({"startedDateTime": "2026-11-22T06:00:00.1+01:00", "time": 99,
                       "timings": {"blocked": 1.5, "dns": -1, "connect": 10, "ssl": 8, "send": 0.25, "wait": 20, "receive": 4}}),
                ("2026-11-22T05:00:00.1115Z", [Some(250), Some(20_250), Some(24_250)]),
                "all phases",
            ),
            (
                json!({"startedDateTime": "2026-11-22T05:00:00", "time": 12.5}),
                ("2026-11-22T05:00:00Z", [None, Some(12_500), Some(12_500)]),
                "the whole time alone, and no offset",
            ),
            (
                json!({"startedDateTime": "2026-11-22T05:00:00Z", "timings": {"send": null, "wait": 7, "receive": "x"}}),
                ("2026-11-22T05:00:00Z", [Some(0), Some(7_000), Some(7_000)]),
                "null and text",
            ),
            (
                json!({"startedDateTime": "2026-11-22T05:00:00Z"}),
                ("2026-11-22T05:00:00Z", [None; 3]),
                "nothing",
            ),
        ];
        for (entry, (start, [request_end, response_start, response_end]), reason) in rows {
            let start = Some(start.parse().unwrap());
            assert_eq!(of(&entry), Times { start, request_end, response_start, response_end }, "{reason}");
        }
        assert_eq!(of(&json!({"startedDateTime": "yesterday"})).start, None);
        assert_eq!(
            of(&json!({"startedDateTime": "9999-12-30T22:00:00Z", "timings": {"dns": 1e300}}))
                .start
                .unwrap()
                .to_string(),
            "9999-12-30T22:00:00Z"
        );
    }
}
