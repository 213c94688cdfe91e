//! One lane of a replay: an engine with VMs of its own, fed round by round.

use std::sync::atomic::{AtomicBool, Ordering};

use super::engine::Engine;
use super::feed::Feed;
use super::{ReplayError, ReplayStats, Sink, crew};

/// A part of the traces, and who replays it.
pub(super) struct Lane<'a, S> {
    index: usize,
    engine: Engine<'a>,
    sink: &'a S,
    stop: &'a AtomicBool,
    /// Exchanges that were done before this round.
    done: u64,
}

/// What came of a round.
pub(super) struct Output<C> {
    pub(super) chunk: C,
    /// Exchanges that were done in it.
    pub(super) done: u64,
}

impl<'a, S: Sink> Lane<'a, S> {
    pub(super) fn new(index: usize, mut engine: Engine<'a>, sink: &'a S, stop: &'a AtomicBool) -> Self {
        if sink.wants_messages() {
            engine.keep_messages();
        }
        Self { index, engine, sink, stop, done: 0 }
    }

    /// Its part of the books.
    pub(super) fn into_stats(self) -> ReplayStats {
        self.engine.stats
    }
}

impl<S: Sink> crew::Lane for Lane<'_, S> {
    type Work = Feed;
    type Output = Output<S::Chunk>;
    type Error = ReplayError;

    fn run(&mut self, feed: Feed) -> Result<Self::Output, ReplayError> {
        self.engine.is_stopping |= self.stop.load(Ordering::Relaxed);
        feed.passages.into_iter().for_each(|passage| self.engine.add(passage));
        match feed.until {
            Some(until) => self.engine.run_until(until)?,
            None => self.engine.finish()?,
        }
        let mut chunk = self.sink.prepare(self.index, self.engine.take_spans(), self.engine.now());
        self.sink.add_messages(&mut chunk, self.engine.take_messages());
        let before = self.done;
        self.done = self.engine.stats.exchanges + self.engine.stats.not_sent;
        Ok(Output { chunk, done: self.done - before })
    }
}
