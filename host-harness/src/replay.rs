//! Being written.

use std::{collections::BTreeMap, time::Duration};

use crate::host::LogLine;

/// What a replay did.
#[derive(Clone, Debug, Default)]
pub struct ReplayStats {
    /// Exchanges replayed.
    pub exchanges: u64,
    /// Passes through a proxy.
    pub passes: u64,
    /// One a pass, real time in the guest.
    pub filter_time: Vec<Duration>,
    /// By reason.
    pub dropped: BTreeMap<String, u64>,
    /// By workload.
    pub lost_context: BTreeMap<String, u64>,
    /// Filter counters summed over VMs.
    pub metrics: BTreeMap<String, u64>,
    /// By proxy.
    pub logs: Vec<(String, LogLine)>,
}
