//! Durations and sizes as people read them.

use std::time::Duration;

/// Whole nanoseconds; the most that there are if it is longer.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Three or four figures and a unit: `820ns`, `38.4µs`, `12.3ms`, `1.25s`.
pub fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let scaled = |unit: u128, name: &str| {
        let hundredths = nanos.saturating_mul(100) / unit;
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        match whole {
            0..10 => format!("{whole}.{rest:02}{name}"),
            10..100 => format!("{whole}.{}{name}", rest / 10),
            _ => format!("{whole}{name}"),
        }
    };
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => scaled(1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
        _ => scaled(1_000_000_000, "s"),
    }
}

/// Three figures and a unit: `820 B`, `38.4 kB`, `1.25 GB`.
pub fn bytes(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut scaled, mut unit) = (bytes, 0);
    while scaled >= 999.5 && unit + 1 < units.len() {
        scaled /= 1_000.0;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    format!("{} {name}", number(scaled))
}

/// Three figures at least, none after the point where there are three before it: `0.05`, `12.3`, `4567`.
pub(super) fn number(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_figures() {
        for (size, expected) in [
            (0.0, "0.00 B"),
            (820.4, "820 B"),
            (999.6, "1.00 kB"),
            (38_440.0, "38.4 kB"),
            (1.25e9, "1.25 GB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
    }

    #[test]
    fn each_magnitude_has_its_unit() {
        for (nanos, expected) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.00µs"),
            (38_440, "38.4µs"),
            (999_999, "999µs"),
            (12_340_000, "12.3ms"),
            (1_256_000_000, "1.25s"),
            (3_600_000_000_000, "3600s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), expected);
        }
    }
}
