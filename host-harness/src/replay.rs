//! Replays a recording through a mesh whose every proxy runs a filter, or through one proxy, on a
//! virtual clock. Where recordings come from is [`crate::traffic`]'s affair, what becomes of spans
//! [`crate::export`]'s and [`crate::view`]'s.
//!
//! `exchanges × mesh × filter → Sink (spans) + ReplayStats`
//!
//! A replay is a discrete-event simulation: the steps of all exchanges, the filters' ticks and the
//! collector's answers happen in the order of their instants, so exchanges that were concurrent when
//! recorded are so again. The same seed gives the same spans, byte for byte, whatever the number of
//! threads; only [`ReplayStats::filter_time`] is real time.
//!
//! What a filter pauses is held as a proxy holds it ([`crate::flow`]), and what it made of heads, bodies and trailers
//! goes on to the next proxy. What was held comes later by as much, and with it all that follows from it; what a
//! filter answers is there at once. The collector, and upstreams with a faked answer, answer after 0.8 ms.
//!
//! # In constant memory
//!
//! A recording is read as it is replayed. It passes a window of [`StreamOptions::window`] (and of 64 MiB),
//! in which its entries are put in the order of their starts; what starts earlier than the window shows is
//! left out and counted, and so is a call whose parent ended longer ago than the window is wide.
//!
//! # On many threads
//!
//! Each proxy runs [`StreamOptions::lanes`] VMs, as an Envoy with so many worker threads does. A trace, that
//! is a root exchange with all that was called for it, is assigned to one of them, its lane, by the root.
//! Threads share the lanes, so their number changes nothing but the time that it takes.

mod application;
mod collector;
mod crew;
mod engine;
mod feed;
mod fleet;
mod flight;
mod lane;
mod letter;
mod link;
mod mesh;
mod message;
mod pass;
mod passed;
mod propagation;
mod queue;
mod schedule;
mod semantics;
mod shard;
mod skip;
mod stats;
mod stopwatch;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::host::HostProfile;
use crate::time::Timestamp;
use crate::topology::Topology;
use crate::traffic::{Exchange, TrafficError};
use crate::vm::{FailurePolicy, Filter, Lifecycle, VmError};

pub(crate) use mesh::ProxyId;
pub use mesh::{Mesh, SingleProxy};
pub(crate) use message::{request_headers, response_headers, response_trailers};
pub use passed::{Measured, Passed};
pub use propagation::CONTEXT_HEADERS;
pub use shard::Shard;
pub use skip::Skipped;
pub use stats::{ReplayStats, Times};

/// How to replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// All ids come from it, the applications' and the filters'.
    pub seed: u64,
    /// The proxy that every host behaves as.
    pub profile: HostProfile,
    /// In which order the filters' streams end, if the profile leaves a choice.
    pub lifecycle: Lifecycle,
    /// What becomes of traffic when a filter fails.
    pub failure_policy: FailurePolicy,
}

impl ReplayOptions {
    /// As Envoy, with [`FailurePolicy::RELOAD`].
    pub fn new(seed: u64) -> Self {
        let (profile, lifecycle) = (HostProfile::Envoy, Lifecycle::Envoy);
        Self { seed, profile, lifecycle, failure_policy: FailurePolicy::RELOAD }
    }
}

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The filters' exports and the applications'.
    pub spans: Vec<ResourceSpans>,
    /// What happened.
    pub stats: ReplayStats,
}

/// How to replay what does not fit into memory.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// As for any replay.
    pub replay: ReplayOptions,
    /// The VMs that each proxy runs, and the parts into which the traces are divided; at least 1.
    pub lanes: usize,
    /// Threads that do the work; more than `lanes` find none.
    pub workers: usize,
    /// How many times as fast as it was recorded; as fast as possible if it is `None`. Above 0.
    pub speed: Option<f64>,
    /// Which traces.
    pub shard: Shard,
    /// How much earlier than those before it an exchange may start, and how long after its end it may be
    /// a parent.
    pub window: Duration,
    /// By cluster: the HTTP status that calls to it are answered with.
    pub answers: BTreeMap<String, u16>,
}

impl StreamOptions {
    /// One VM a proxy, one thread, as fast as possible, all traces, a window of 5 s, no faked upstreams.
    pub fn new(replay: ReplayOptions) -> Self {
        let (lanes, workers, window, answers) = (1, 1, Duration::from_secs(5), BTreeMap::new());
        Self { replay, lanes, workers, speed: None, shard: Shard::WHOLE, window, answers }
    }
}

/// Why a replay could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The recording cannot be read. What came before was replayed.
    #[error("recording: {0}")]
    Traffic(#[from] TrafficError),
    /// The filter does not start.
    #[error("{proxy}: the filter does not start: {source}")]
    Start {
        /// Workload and direction.
        proxy: String,
        /// Why.
        source: VmError,
    },
}

/// Where the spans of a replay go.
pub trait Sink: Sync {
    /// What [`take`](Self::take) is given.
    type Chunk: Send;

    /// Makes of some spans what `take` is given, on the thread that has them. The spans of a trace are all
    /// in one lane; a lane's come in the order of its virtual clock, which is at `now`.
    fn prepare(&self, lane: usize, spans: Vec<ResourceSpans>, now: Timestamp) -> Self::Chunk;

    /// Whether [`add_messages`](Self::add_messages) is to be told the messages that leave proxies.
    fn wants_messages(&self) -> bool {
        false
    }

    /// Adds messages that left proxies to what was prepared with the spans of the same time.
    fn add_messages(&self, _chunk: &mut Self::Chunk, _messages: Vec<Passed>) {}

    /// Takes what was prepared, in an order that is the same whatever the number of threads. A break
    /// stops the replay.
    fn take(&self, chunk: Self::Chunk) -> ControlFlow<()>;
}

/// Replays `exchanges` in constant memory, and gives the spans to `sink`; `progress` is told how many are
/// done. If it breaks off, requests under way come to their end and no others are sent; those count as
/// [`ReplayStats::not_sent`].
///
/// # Errors
/// [`ReplayError`]: the recording is unreadable, or the filter does not start. A filter that fails later
/// is counted, an exchange that does not fit the mesh or the others is left out and counted.
pub fn stream<I, S>(
    filter: &Filter,
    mesh: Mesh<'_>,
    exchanges: I,
    options: &StreamOptions,
    sink: &S,
    progress: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
) -> Result<ReplayStats, ReplayError>
where
    I: IntoIterator<Item = Result<Exchange, TrafficError>>,
    I::IntoIter: Send,
    S: Sink,
{
    let stop = AtomicBool::new(false);
    let feeder = feed::Feeder::new(exchanges.into_iter(), mesh, options, &stop);
    let lanes = (0..options.lanes.max(1)).map(|index| {
        let engine = engine::Engine::new(filter, mesh, options, index);
        lane::Lane::new(index, engine, sink, &stop)
    });
    let mut done = 0;
    let hand = |outputs: Vec<lane::Output<S::Chunk>>| {
        for output in outputs {
            done += output.done;
            if sink.take(output.chunk).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        if progress(done).is_break() {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let (mut feeder, lanes) = crew::run(options.workers.min(options.lanes), feeder, lanes.collect(), hand)?;
    if let Some(failure) = feeder.failure.take() {
        return Err(failure.into());
    }
    let mut stats = feeder.stats();
    lanes.into_iter().for_each(|lane| stats.merge(lane.into_stats()));
    Ok(stats)
}

/// Replays `exchanges` as [`stream`] does, on one thread, and keeps all spans in memory.
///
/// # Errors
/// As [`stream`].
pub fn replay(
    filter: &Filter,
    topology: &Topology,
    exchanges: impl IntoIterator<Item = Result<Exchange, TrafficError>, IntoIter: Send>,
    options: &ReplayOptions,
    progress: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
) -> Result<Capture, ReplayError> {
    let kept = Kept::default();
    let options = StreamOptions::new(*options);
    let stats = stream(filter, Mesh::Topology(topology), exchanges, &options, &kept, progress)?;
    let spans = kept.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Capture { spans, stats })
}

/// Keeps all.
#[derive(Default)]
struct Kept(Mutex<Vec<ResourceSpans>>);

impl Sink for Kept {
    type Chunk = Vec<ResourceSpans>;

    fn prepare(&self, _: usize, spans: Vec<ResourceSpans>, _: Timestamp) -> Self::Chunk {
        spans
    }

    fn take(&self, chunk: Self::Chunk) -> ControlFlow<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(chunk);
        ControlFlow::Continue(())
    }
}
