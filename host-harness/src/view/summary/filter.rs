//! What the filter did to the traffic itself, beside recording it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{counted::counted, replay::ReplayStats};

/// How often the filter stepped in; what is wrong with it is in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FilterDeeds {
    /// Exchanges that a proxy answered itself: its filter did, or held more than there is room for, or failed.
    pub answered: u64,
    /// Exchanges of the recording that were not sent for that reason, or since the replay was broken off.
    pub not_sent: u64,
    /// Times that it began to hold a request or a response beyond the piece that it was shown.
    pub held: u64,
    /// Of those, the ones that it held until the proxy gave up: answered by a 504, or broken off.
    pub held_too_long: u64,
    /// VMs that failed: a trap, a time-out, too much memory.
    pub vms_lost: u64,
}

impl From<&ReplayStats> for FilterDeeds {
    fn from(stats: &ReplayStats) -> Self {
        Self {
            answered: stats.local_replies,
            not_sent: stats.not_sent,
            held: stats.pauses,
            held_too_long: stats.held,
            vms_lost: stats.vms_lost,
        }
    }
}

/// `2 VMs lost, 3 exchanges answered by filter or proxy`; nothing if there is nothing to say.
impl std::fmt::Display for FilterDeeds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { answered, not_sent, held, held_too_long, vms_lost } = *self;
        let parts = [
            (vms_lost, counted(vms_lost, "VM") + " lost"),
            (answered, counted(answered, "exchange") + " answered by filter or proxy"),
            (not_sent, format!("{not_sent} not sent")),
            (held, counted(held, "message") + " held"),
            (held_too_long, format!("{held_too_long} too long")),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, part)| part).collect();
        formatter.write_str(&parts.join(", "))
    }
}
