//! Replays a recording through a mesh whose every proxy runs a filter, on a virtual clock.
//! Where recordings come from is [`crate::traffic`]'s affair, what becomes of spans [`crate::export`]'s
//! and [`crate::view`]'s.
//!
//! `exchanges × topology × filter → Capture { spans, stats }`
//!
//! A replay is a discrete-event simulation: the steps of all exchanges, the filters' ticks and the
//! collector's answers happen in the order of their instants, so exchanges that were concurrent when
//! recorded are so again. The same seed gives the same capture, byte for byte, but for
//! [`ReplayStats::filter_time`].

mod application;
mod engine;
mod fleet;
mod link;
mod message;
mod pass;
mod propagation;
mod queue;
mod schedule;
mod semantics;
mod stopwatch;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::host::{HostProfile, LogLine};
use crate::topology::{Topology, TopologyError};
use crate::traffic::{Exchange, TrafficError};
use crate::vm::{Filter, Lifecycle, VmError};

pub use propagation::CONTEXT_HEADERS;

/// How to replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// All ids come from it, the applications' and the filters'.
    pub seed: u64,
    /// The proxy that every host behaves as.
    pub profile: HostProfile,
    /// In which order the filters' streams end, if the profile leaves a choice.
    pub lifecycle: Lifecycle,
}

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The filters' exports in order, then the applications' own spans.
    pub spans: Vec<ResourceSpans>,
    /// What happened.
    pub stats: ReplayStats,
}

/// What happened in a replay.
#[derive(Clone, Debug, Default)]
pub struct ReplayStats {
    /// Exchanges whose request was sent.
    pub exchanges: u64,
    /// Exchanges left out: a filter had answered the request that they were made for, or the replay
    /// was broken off.
    pub not_sent: u64,
    /// Passes of a request through a proxy.
    pub passes: u64,
    /// Real time spent in the filter, one a pass.
    pub filter_time: Vec<Duration>,
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
    /// VMs that failed and were replaced.
    pub vms_lost: u64,
    /// Requests or responses that a filter answered itself.
    pub local_replies: u64,
    /// Times that a filter asked to hold traffic, which a replay does not do.
    pub pauses: u64,
}

/// Why a replay could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording cannot be read.
    #[error("recording: {0}")]
    Traffic(#[from] TrafficError),
    /// The recording and the topology do not fit.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// An id that an earlier exchange has.
    #[error("exchange {id:?}: an earlier exchange has the same id, and ids are unique in a recording")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A parent that does not stand earlier.
    #[error("exchange {id:?}: parent is {parent:?}, expected the id of an exchange earlier in the recording")]
    UnknownParent {
        /// The exchange.
        id: String,
        /// Its parent, as it says.
        parent: String,
    },
    /// A parent that another service handled.
    #[error(
        "exchange {id:?}: source is {source_service:?}, but its parent {parent:?} was handled by {destination:?}"
    )]
    StrangeParent {
        /// The exchange.
        id: String,
        /// Its source.
        source_service: String,
        /// Its parent.
        parent: String,
        /// The parent's destination.
        destination: String,
    },
    /// A call made before the request that it was made for.
    #[error("exchange {id:?}: starts before its parent {parent:?}, expected not before it")]
    BeforeParent {
        /// The exchange.
        id: String,
        /// Its parent.
        parent: String,
    },
    /// The filter does not start.
    #[error("{proxy}: the filter does not start: {source}")]
    Start {
        /// Workload and direction.
        proxy: String,
        /// Why.
        source: VmError,
    },
}

/// Replays `exchanges`; `progress` is told how many are done. If it breaks off, requests under way
/// come to their end and no others are sent; they count as [`ReplayStats::not_sent`].
///
/// # Errors
/// [`ReplayError`]: the recording is unreadable or does not fit the topology, or the filter does not
/// start. Once the replay runs, nothing ends it: a filter that fails is replaced and counted.
pub fn replay(
    filter: &Filter,
    topology: &Topology,
    exchanges: impl IntoIterator<Item = Result<Exchange, TrafficError>>,
    options: &ReplayOptions,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Capture, ReplayError> {
    let plan = schedule::Plan::new(topology, exchanges)?;
    Ok(engine::Engine::new(filter, topology, &plan, options)?.run(progress))
}
