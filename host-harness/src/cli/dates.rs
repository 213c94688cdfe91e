//! How a replay's spans are dated, if not as they were recorded: so that the replay's end is now, whatever
//! its pace, and none is in the future.
//!
//! recorded 05:00 to 06:00, replayed at 12:00 as fast as possible → 11:00 to 12:00;
//! at speed 2 → 11:30 to 12:30, the replay's end

use meshspan::traffic::Exchange;

use super::clock;

/// By how many nanoseconds spans are dated later. `speed` is that of the replay, which begins now.
pub(crate) fn shift(speed: Option<f64>, recording: impl Iterator<Item = Exchange>) -> i128 {
    let now = i128::from(clock::unix_nanos());
    let ways = recording.map(|exchange| {
        let start = exchange.start.as_nanosecond();
        (start, start + i128::from(exchange.timing_us.response_end) * 1_000)
    });
    let whole = ways.reduce(|(start, end), (first, last)| (start.min(first), end.max(last)));
    let Some((start, end)) = whole else { return 0 };
    let takes = speed.map_or(0.0, |speed| (end - start) as f64 / speed);
    now + takes as i128 - end
}

/// As [`shift`], where the recording's end cannot be known: its beginning is now.
pub(crate) fn shift_from(first: &Exchange) -> i128 {
    i128::from(clock::unix_nanos()) - first.start.as_nanosecond()
}
