//! What happened in a replay: counts, and nothing that grows with the traffic.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::skip::Skipped;
use crate::host::{LogLine, MetricValue};
use crate::vm::Plugin;

/// Log lines kept in a replay's statistics.
const MAX_LOG_LINES: usize = 10_000;
/// Figures of a duration that are kept.
const FIGURES: u8 = 3;

/// What happened in a replay.
#[derive(Clone, Debug, Default)]
pub struct ReplayStats {
    /// Exchanges whose request was sent.
    pub exchanges: u64,
    /// Exchanges left out: a filter had answered the request that they were made for, or the replay
    /// was broken off.
    pub not_sent: u64,
    /// Entries of the recording that could not be replayed, by reason.
    pub skipped: BTreeMap<String, Skipped>,
    /// Passes of a request through a proxy.
    pub passes: u64,
    /// Real time spent in the filter, one a pass.
    pub filter_time: Times,
    /// Spans that the filters did not export, by reason, as they count them.
    pub dropped: BTreeMap<String, u64>,
    /// By workload: requests that it sent without the trace of the request that it was handling.
    pub lost_context: BTreeMap<String, u64>,
    /// The filters' counters, summed over proxies.
    pub metrics: BTreeMap<String, u64>,
    /// What the filters logged, and what the harness says of them, each with the proxy's name.
    pub logs: Vec<(String, LogLine)>,
    /// Log lines beyond the 10,000 that are kept.
    pub logs_dropped: u64,
    /// VMs that failed; what then becomes of the traffic is the failure policy's affair.
    pub vms_lost: u64,
    /// Exchanges that a proxy answered itself: its filter did, or held more than there is room for, or failed.
    pub local_replies: u64,
    /// Times that a filter began to hold a request or a response beyond the piece that it was shown.
    pub pauses: u64,
    /// Of those, the ones that it held until the proxy gave up, after 15 s: answered by a 504, or broken off.
    pub held: u64,
}

/// Durations, of which shares can be asked for; each is kept to three figures.
#[derive(Clone, Debug, Default)]
pub struct Times(Option<Histogram<u64>>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        if self.0.is_none() {
            self.0 = Histogram::new(FIGURES).ok();
        }
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // It grows as it must, so nothing is out of its range.
        let _ = self.0.as_mut().map(|times| times.record(nanos));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The time that `share` of all took no longer than, 0.5 being the median; `None` if there is none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let times = self.0.as_ref().filter(|times| !times.is_empty())?;
        Some(Duration::from_nanos(times.value_at_quantile(share)))
    }

    fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            // It grows as it must.
            (Some(times), Some(more)) => drop(times.add(&more)),
            (place @ None, more) => *place = more,
            (Some(_), None) => {}
        }
    }
}

impl ReplayStats {
    /// Adds what another part of the same replay counted.
    pub(super) fn merge(&mut self, other: Self) {
        let sums = [
            (&mut self.exchanges, other.exchanges),
            (&mut self.not_sent, other.not_sent),
            (&mut self.passes, other.passes),
            (&mut self.logs_dropped, other.logs_dropped),
            (&mut self.vms_lost, other.vms_lost),
            (&mut self.local_replies, other.local_replies),
            (&mut self.pauses, other.pauses),
            (&mut self.held, other.held),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum += more);
        let maps = [
            (&mut self.dropped, other.dropped),
            (&mut self.lost_context, other.lost_context),
            (&mut self.metrics, other.metrics),
        ];
        for (sums, more) in maps {
            more.into_iter().for_each(|(name, count)| *sums.entry(name).or_default() += count);
        }
        for (reason, skipped) in other.skipped {
            let place = self.skipped.entry(reason).or_insert(Skipped { count: 0, ..skipped.clone() });
            place.count += skipped.count;
        }
        self.filter_time.merge(other.filter_time);
        other.logs.into_iter().for_each(|(proxy, line)| self.add_log(proxy, line));
    }

    pub(super) fn add_log(&mut self, proxy: String, line: LogLine) {
        if self.logs.len() < MAX_LOG_LINES {
            self.logs.push((proxy, line));
        } else {
            self.logs_dropped += 1;
        }
    }

    /// Takes in what a plugin counted, and what was counted of it.
    pub(super) fn add_plugin(&mut self, plugin: &Plugin) {
        self.vms_lost += plugin.stats().lost;
        for (name, value) in plugin.metrics() {
            if let MetricValue::Counter(value) = value {
                *self.metrics.entry(name).or_default() += value;
            }
        }
    }

    /// The filter's own counts of spans that were not exported, by reason.
    pub(super) fn count_dropped(&mut self) {
        self.dropped = dropped(&self.metrics);
    }
}

/// `meshspan_dropped_queue_full` → `queue_full`, `meshspan_rejected` → `rejected`; zeros left out.
fn dropped(metrics: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let reason = |name: &str| match name.split_once("_dropped_") {
        Some((_, reason)) => Some(reason.to_owned()),
        None => name.ends_with("_rejected").then(|| "rejected".to_owned()),
    };
    let counted = metrics.iter().filter(|(_, count)| **count > 0);
    counted.filter_map(|(name, count)| Some((reason(name)?, *count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_counters_say_why_spans_were_dropped() {
        let metrics = [
            ("meshspan_dropped_queue_full", 3),
            ("meshspan_spans_rejected", 2),
            ("meshspan_dropped_unsent", 0),
            ("meshspan_exported", 9),
        ];
        let metrics = metrics.map(|(name, count)| (name.to_owned(), count)).into();
        let expected = [("queue_full".to_owned(), 3), ("rejected".to_owned(), 2)].into();
        assert_eq!(dropped(&metrics), expected);
    }

    #[test]
    fn parts_of_a_replay_add_up() {
        let part = |nanos| {
            let mut stats = ReplayStats { exchanges: 2, ..ReplayStats::default() };
            stats.filter_time.add(Duration::from_nanos(nanos));
            stats.metrics.insert("n".to_owned(), 3);
            stats.skipped.insert("r".to_owned(), Skipped { count: 4, example: nanos.to_string() });
            stats
        };
        let mut whole = part(10);
        whole.merge(part(20));
        assert_eq!((whole.exchanges, whole.metrics["n"], whole.filter_time.count()), (4, 6, 2));
        assert_eq!(whole.skipped["r"], Skipped { count: 8, example: "10".to_owned() });
        assert_eq!(whole.filter_time.quantile(1.0), Some(Duration::from_nanos(20)));
        assert_eq!(Times::default().quantile(0.5), None);
    }
}
