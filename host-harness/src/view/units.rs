//! Durations as people read them.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
