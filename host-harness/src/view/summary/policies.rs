//! What other sampling policies would leave of the same traffic, beside what was kept of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{SpanCounts, Summary, Volume};
use crate::view::tally::Tally;

/// What a sampling policy would leave of the traffic, found by a replay with it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PolicyKept {
    /// The policy: what stands in the plugin's configuration at `sampling`.
    pub policy: serde_json::Value,
    /// Passes that the filter records with it: SERVER spans of proxies.
    pub recorded_passes: u64,
    /// Traces with at least one span.
    pub traces: u64,
    /// How many spans, and of which sort; rates by the same time as the summary's.
    pub spans: SpanCounts,
    /// How much they are; null if no span of any policy takes time.
    pub volume: Option<Volume>,
}

impl Summary {
    /// Adds what a policy would keep; of a summary whose tally [covers](Tally::cover) this one.
    pub fn add_policy(&mut self, policy: serde_json::Value, kept: &Tally) {
        let time = self.volume.map(|volume| Duration::from_secs_f64(volume.seconds));
        self.policies.push(PolicyKept {
            policy,
            recorded_passes: kept.recorded_passes,
            traces: kept.traces,
            spans: kept.counts.clone().with_rates(time),
            volume: time.map(|time| Volume::of(kept.counts.total, kept.bytes, time)),
        });
    }
}
