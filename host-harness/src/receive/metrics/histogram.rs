//! How often which sizes came, in the buckets of a Prometheus histogram.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers, counted by bucket.
#[derive(Debug)]
pub(in crate::receive) struct Histogram {
    /// The upper ends, ascending, themselves included.
    bounds: &'static [u64],
    /// One more than bounds: what is larger than all.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    pub(in crate::receive) fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Each bound with the number of values up to it, and the number of all, with `None`.
    pub(super) fn cumulative(&self) -> Vec<(Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let mut total = 0;
        let mut up_to = |count: &AtomicU64| {
            total += count.load(Ordering::Relaxed);
            total
        };
        bounds.zip(&self.counts).map(|(bound, count)| (bound, up_to(count))).collect()
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_up_to_its_bound_included() {
        let histogram = Histogram::new(&[10, 20]);
        [0, 10, 11, 20, 21].into_iter().for_each(|value| histogram.record(value));
        assert_eq!(histogram.cumulative(), [(Some(10), 2), (Some(20), 4), (None, 5)]);
        assert_eq!(histogram.sum(), 62);
    }
}
