//! Two filters, or two configurations of one, on the same traffic: what changed in messages and spans.
//!
//! Both replays run side by side, each as [`crate::replay`] has it, with the same seed and in constant memory; what
//! leaves one waits until the other has come as far. Ids are random, so only what they say is compared: whether an
//! id was there before the proxy or is new, not which.
//! `traceparent: 00-<32 hex, kept>-<16 hex, new>-01` → `…-00`: changed, 906 times, such as in exchange 1

mod changes;
mod mask;
mod messages;
mod report;
mod spans;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::replay::{Mesh, Passed, ReplayError, ReplayStats, Sink, StreamOptions, stream};
use crate::time::Timestamp;
use crate::traffic::{Exchange, Redactor, TrafficError};
use crate::vm::Filter;

pub use changes::{Change, Example, What};
pub use report::{Comparison, Counter, NamedSpans, SpanChanges, Unpaired};

use messages::{MessageDiff, SeenMessage};
use spans::{SeenSpan, SpanDiff};

/// How many pieces of one replay may wait for the other.
const AHEAD: usize = 2;

/// One of the two replays.
#[derive(Clone, Debug)]
pub struct Run<'a, I> {
    /// What every proxy runs.
    pub filter: &'a Filter,
    /// What the traffic passes, with the filter's configuration.
    pub mesh: Mesh<'a>,
    /// The same traffic in both.
    pub exchanges: I,
}

/// What came of both.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The differences.
    pub comparison: Comparison,
    /// What happened in the baseline's replay.
    pub baseline: ReplayStats,
    /// What happened in the other.
    pub current: ReplayStats,
}

/// Which replay could not go on, and why.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The baseline's.
    #[error("baseline: {0}")]
    Baseline(ReplayError),
    /// The one that is compared with it.
    #[error("{0}")]
    Current(ReplayError),
}

/// Replays both and compares what comes out; the examples show no secrets that `redactor` knows. `progress` is told
/// how many exchanges the second replay has done; if it breaks off, both end as in [`stream`].
///
/// # Errors
/// [`CompareError`]: as [`stream`].
pub fn compare<I>(
    baseline: Run<'_, I>,
    current: Run<'_, I>,
    options: &StreamOptions,
    redactor: &Redactor,
    progress: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
) -> Result<Compared, CompareError>
where
    I: Iterator<Item = Result<Exchange, TrafficError>> + Send,
{
    let stop = AtomicBool::new(false);
    let (mut messages, mut spans) = (MessageDiff::default(), SpanDiff::default());
    let (to_baseline, from_baseline) = sync_channel(AHEAD);
    let (to_current, from_current) = sync_channel(AHEAD);
    let (baseline, current) = thread::scope(|scope| {
        let stop = &stop;
        let baseline = scope
            .spawn(move || run(baseline, options, to_baseline, stop, &mut |_| ControlFlow::Continue(())));
        let current = scope.spawn(move || run(current, options, to_current, stop, progress));
        while let Some((before, after)) = next(&from_baseline, &from_current) {
            messages.compare(before.messages, after.messages, redactor);
            spans.compare(before.spans, after.spans, redactor);
        }
        (joined(baseline), joined(current))
    });
    let baseline = baseline.map_err(CompareError::Baseline)?;
    let current = current.map_err(CompareError::Current)?;
    let comparison = Comparison::new(messages, spans, &baseline, &current);
    Ok(Compared { comparison, baseline, current })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Replays until somebody has said `stop`; a replay that ends early says so to the other.
fn run<I>(
    run: Run<'_, I>,
    options: &StreamOptions,
    pieces: SyncSender<Piece>,
    stop: &AtomicBool,
    progress: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
) -> Result<ReplayStats, ReplayError>
where
    I: Iterator<Item = Result<Exchange, TrafficError>> + Send,
{
    let mut progress = |done| match progress(done).is_break() || stop.load(Ordering::Relaxed) {
        true => {
            stop.store(true, Ordering::Relaxed);
            ControlFlow::Break(())
        }
        false => ControlFlow::Continue(()),
    };
    let replayed = stream(run.filter, run.mesh, run.exchanges, options, &Pieces(pieces), &mut progress);
    stop.fetch_or(replayed.is_err(), Ordering::Relaxed);
    replayed
}

/// What both replays gave in the same round of the same lane; nothing in the place of a replay that has ended.
fn next(baseline: &Receiver<Piece>, current: &Receiver<Piece>) -> Option<(Piece, Piece)> {
    match (baseline.recv(), current.recv()) {
        (Err(_), Err(_)) => None,
        (before, after) => Some((before.unwrap_or_default(), after.unwrap_or_default())),
    }
}

/// What one replay gave in a round of a lane.
#[derive(Default)]
struct Piece {
    messages: Vec<SeenMessage>,
    spans: Vec<SeenSpan>,
}

struct Pieces(SyncSender<Piece>);

impl Sink for Pieces {
    type Chunk = Piece;

    fn prepare(&self, _: usize, spans: Vec<ResourceSpans>, _: Timestamp) -> Piece {
        Piece { messages: Vec::new(), spans: spans::seen(&spans) }
    }

    fn wants_messages(&self) -> bool {
        true
    }

    fn add_messages(&self, piece: &mut Piece, messages: Vec<Passed>) {
        piece.messages = messages.iter().map(SeenMessage::new).collect();
    }

    fn take(&self, piece: Piece) -> ControlFlow<()> {
        // The other end takes all until both replays have ended.
        let _ = self.0.send(piece);
        ControlFlow::Continue(())
    }
}
