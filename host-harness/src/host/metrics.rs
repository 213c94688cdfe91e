//! Metrics that the guest defines, with Envoy's ids and rules. The same name defined again is the same metric.

use std::collections::BTreeMap;

use super::{HostError, MetricKind};

/// Most metric definitions of one VM.
pub const MAX_METRICS: usize = 10_000;
/// Most values that a histogram keeps: the latest ones, the oldest being overwritten in place.
pub const MAX_HISTOGRAM_VALUES: usize = 4_096;

/// Most values that all histograms keep together; beyond it each overwrites its own, and has at least one.
pub const MAX_ALL_HISTOGRAM_VALUES: usize = 1 << 16;
/// Most bytes of a metric's name.
pub const MAX_METRIC_NAME_BYTES: usize = 4096;

const KIND_MASK: u32 = 3;
const ID_STEP: u32 = 4;

/// A metric's value now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricValue {
    /// Only grows.
    Counter(u64),
    /// Goes up and down, never below zero.
    Gauge(u64),
    /// The recorded values, the latest [`MAX_HISTOGRAM_VALUES`] of them.
    Histogram(Vec<u64>),
}

#[derive(Debug)]
struct Metric {
    name: String,
    value: MetricValue,
    recorded: usize,
}

/// Ids are `4·n + kind` with n from 1, as in Envoy; `n - 1` is an index into `ids`, which gives one into `metrics`.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    ids: Vec<(u32, usize)>,
    metrics: Vec<Metric>,
    /// Values in all histograms.
    histogram_values: usize,
}

impl Metrics {
    pub(super) fn define(&mut self, kind: MetricKind, name: &[u8]) -> Result<u32, HostError> {
        if self.ids.len() >= MAX_METRICS || name.len() > MAX_METRIC_NAME_BYTES {
            return Err(HostError::Full("metrics", MAX_METRICS));
        }
        let name = String::from_utf8_lossy(name);
        let number = kind as u32;
        let known = self.metrics.iter().position(|metric| metric.name == name && metric.kind() == kind);
        let index = known.unwrap_or_else(|| {
            let value = match kind {
                MetricKind::Counter => MetricValue::Counter(0),
                MetricKind::Gauge => MetricValue::Gauge(0),
                MetricKind::Histogram => MetricValue::Histogram(Vec::new()),
            };
            self.metrics.push(Metric { name: name.into_owned(), value, recorded: 0 });
            self.metrics.len() - 1
        });
        let id =
            u32::try_from(self.ids.len() + 1).unwrap_or(u32::MAX / ID_STEP).wrapping_mul(ID_STEP) + number;
        self.ids.push((id, index));
        Ok(id)
    }

    fn find(&self, id: u32) -> Result<usize, HostError> {
        let position = (id / ID_STEP).checked_sub(1).ok_or(HostError::NotFound)?;
        match self.ids.get(position as usize) {
            Some((known, index)) if *known == id => Ok(*index),
            _ => Err(HostError::NotFound),
        }
    }

    fn metric(&mut self, id: u32) -> Result<&mut Metric, HostError> {
        let index = self.find(id)?;
        self.metrics.get_mut(index).ok_or(HostError::NotFound)
    }

    /// The kind of a metric that is defined.
    pub(super) fn kind(&self, id: u32) -> Option<MetricKind> {
        self.metrics.get(self.find(id).ok()?).map(Metric::kind)
    }

    pub(super) fn increment(&mut self, id: u32, offset: i64) -> Result<(), HostError> {
        if id & KIND_MASK > MetricKind::Gauge as u32 {
            return Err(HostError::MetricOperation);
        }
        match &mut self.metric(id)?.value {
            MetricValue::Counter(_) if offset <= 0 => Err(HostError::MetricOperation),
            MetricValue::Counter(value) => {
                *value = value.saturating_add_signed(offset);
                Ok(())
            }
            // Envoy's gauges do not stop at zero.
            MetricValue::Gauge(value) => {
                *value = value.wrapping_add_signed(offset);
                Ok(())
            }
            MetricValue::Histogram(_) => Err(HostError::MetricOperation),
        }
    }

    /// Adds to a counter, sets a gauge, records in a histogram.
    pub(super) fn record(&mut self, id: u32, new: u64) -> Result<(), HostError> {
        let is_full = self.histogram_values >= MAX_ALL_HISTOGRAM_VALUES;
        let metric = self.metric(id)?;
        match &mut metric.value {
            MetricValue::Counter(value) => *value = value.saturating_add(new),
            MetricValue::Gauge(value) => *value = new,
            MetricValue::Histogram(values) => {
                let room = if is_full { values.len().max(1) } else { MAX_HISTOGRAM_VALUES };
                let place = metric.recorded % room;
                metric.recorded = metric.recorded.wrapping_add(1);
                match values.get_mut(place) {
                    Some(oldest) => *oldest = new,
                    None => {
                        values.push(new);
                        self.histogram_values += 1;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn value(&self, id: u32) -> Result<u64, HostError> {
        if id & KIND_MASK > MetricKind::Gauge as u32 {
            return Err(HostError::MetricOperation);
        }
        let metric = self.find(id).map(|index| self.metrics.get(index))?;
        match metric.map(|metric| &metric.value) {
            Some(MetricValue::Counter(value) | MetricValue::Gauge(value)) => Ok(*value),
            Some(MetricValue::Histogram(_)) => Err(HostError::MetricOperation),
            None => Err(HostError::NotFound),
        }
    }

    pub(super) fn all(&self) -> BTreeMap<String, MetricValue> {
        self.metrics.iter().map(|metric| (metric.name.clone(), metric.value.clone())).collect()
    }
}

impl Metric {
    fn kind(&self) -> MetricKind {
        match self.value {
            MetricValue::Counter(_) => MetricKind::Counter,
            MetricValue::Gauge(_) => MetricKind::Gauge,
            MetricValue::Histogram(_) => MetricKind::Histogram,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_follows_envoys_rules() {
        let mut metrics = Metrics::default();
        let counter = metrics.define(MetricKind::Counter, b"c").unwrap();
        let gauge = metrics.define(MetricKind::Gauge, b"g").unwrap();
        let histogram = metrics.define(MetricKind::Histogram, b"h").unwrap();
        assert_eq!((counter % 4, gauge % 4, histogram % 4), (0, 1, 2), "the kind is in the id");

        assert_eq!(metrics.increment(counter, 3), Ok(()));
        for offset in [0, -1] {
            assert_eq!(metrics.increment(counter, offset), Err(HostError::MetricOperation), "counters grow");
        }
        assert_eq!(metrics.record(counter, 4), Ok(()), "recording adds to a counter");
        assert_eq!(metrics.value(counter), Ok(7));

        assert_eq!(metrics.record(gauge, 5), Ok(()));
        assert_eq!(metrics.increment(gauge, -9), Ok(()), "a gauge does not end at zero");
        assert_eq!(metrics.value(gauge), Ok(u64::MAX - 3));

        assert_eq!(metrics.record(histogram, 8), Ok(()));
        assert_eq!(metrics.increment(histogram, 1), Err(HostError::MetricOperation));
        assert_eq!(metrics.value(histogram), Err(HostError::MetricOperation));

        for unknown in [0, 1, 400, gauge + 4] {
            assert_eq!(metrics.record(unknown, 1), Err(HostError::NotFound), "{unknown}");
        }
        assert_eq!(metrics.value(u32::MAX), Err(HostError::MetricOperation), "no such kind");
        let again = metrics.define(MetricKind::Counter, b"c").unwrap();
        assert_ne!(again, counter);
        assert_eq!(metrics.value(again), Ok(7), "the same metric under another id");
        assert_eq!(metrics.all()["h"], MetricValue::Histogram(vec![8]));
    }

    #[test]
    fn a_histogram_keeps_the_latest_values() {
        let mut metrics = Metrics::default();
        let id = metrics.define(MetricKind::Histogram, b"h").unwrap();
        for value in 0..=MAX_HISTOGRAM_VALUES as u64 {
            metrics.record(id, value).unwrap();
        }
        let MetricValue::Histogram(values) = &metrics.all()["h"] else { panic!("not a histogram") };
        assert_eq!(values.len(), MAX_HISTOGRAM_VALUES);
        assert_eq!(values[..2], [MAX_HISTOGRAM_VALUES as u64, 1]);
    }
}
