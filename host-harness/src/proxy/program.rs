//! What runs on the traffic: a filter with its configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::callout::Clusters;
use super::guest::Guest;
use crate::vm::{FailurePolicy, Filter, PluginOptions, VmError};

/// A filter with its configuration: what a reload replaces.
#[derive(Clone, Debug)]
pub struct Program {
    /// The compiled filter.
    pub filter: Filter,
    /// Its configuration. Start, seed and clusters are the proxy's to set.
    pub options: PluginOptions,
    /// What becomes of traffic when the filter fails. One that fails open is started anew after a second,
    /// then after twice as long each time, at most after a minute.
    pub policy: FailurePolicy,
}

/// So that no two VMs of a process draw the same numbers.
static STARTS: AtomicU64 = AtomicU64::new(0);

impl Program {
    /// The same for a proxy with these clusters and this seed.
    pub(super) fn prepared(mut self, clusters: &[String], seed: u64) -> Arc<Self> {
        self.options.clusters = clusters.to_vec();
        self.options.seed = seed;
        Arc::new(self)
    }

    /// Starts a VM on the runtime of the worker that calls this.
    pub(super) fn start(&self, clusters: &Arc<Clusters>) -> Result<Arc<Guest>, VmError> {
        let number = STARTS.fetch_add(1, Ordering::Relaxed);
        let seed = self.options.seed.wrapping_add(number << 32);
        let options = PluginOptions { seed, ..self.options.clone() };
        Guest::start(&self.filter, options, self.policy, Arc::clone(clusters))
    }

    pub(super) fn fails_open(&self) -> bool {
        self.policy == FailurePolicy::FailOpen
    }
}
