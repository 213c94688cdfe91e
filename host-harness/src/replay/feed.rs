//! What the lanes are fed with: the recording, in rounds, each with the instant up to which it is whole.
//! Here are the pace and the end of a replay that is broken off.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::crew::Reader;
use super::link::Linker;
use super::schedule::{Passage, Planner};
use super::stopwatch::Pace;
use super::{Mesh, ReplayStats, StreamOptions};
use crate::time::Timestamp;
use crate::traffic::{Exchange, TrafficError};

/// Exchanges in a round, for each lane.
const ROUND: usize = 16;
/// The longest that a round is waited for when the replay has a pace.
const BEAT: Duration = Duration::from_millis(20);

/// What a lane has to do in a round.
pub(super) struct Feed {
    /// In the order of their starts.
    pub(super) passages: Vec<Passage>,
    /// Nothing that starts before this is still to come; `None` if nothing comes any more.
    pub(super) until: Option<Timestamp>,
}

/// Reads a recording.
pub(super) struct Feeder<'a, I> {
    exchanges: I,
    lanes: usize,
    linker: Linker<'a>,
    planner: Planner<'a>,
    pace: Option<Pace>,
    stop: &'a AtomicBool,
    /// Set when the replay was stopped: requests under way come to their end until then.
    last: Option<Timestamp>,
    /// When the exchanges handed out so far have all ended.
    busy_until: Timestamp,
    window: Duration,
    /// The recording has ended.
    has_ended: bool,
    /// The last round was handed out.
    is_closed: bool,
    not_sent: u64,
    /// Why the recording could not be read to its end.
    pub(super) failure: Option<TrafficError>,
}

impl<'a, I: Iterator<Item = Result<Exchange, TrafficError>>> Feeder<'a, I> {
    pub(super) fn new(exchanges: I, mesh: Mesh<'a>, options: &StreamOptions, stop: &'a AtomicBool) -> Self {
        Self {
            exchanges,
            lanes: options.lanes.max(1),
            linker: Linker::new(mesh, options.shard, options.window),
            planner: Planner::new(mesh),
            pace: options.speed.map(Pace::new),
            stop,
            last: None,
            busy_until: Timestamp::default(),
            window: options.window,
            has_ended: false,
            is_closed: false,
            not_sent: 0,
            failure: None,
        }
    }

    /// Its part of the books.
    pub(super) fn stats(&mut self) -> ReplayStats {
        let skipped = std::mem::take(&mut self.linker.skipped);
        ReplayStats { skipped, not_sent: self.not_sent, ..ReplayStats::default() }
    }

    /// Reads on until the next exchange can be handed out; when it starts.
    fn next_start(&mut self) -> Option<Timestamp> {
        loop {
            if let Some(start) = self.linker.next_start() {
                return Some(start);
            }
            if self.has_ended {
                return None;
            }
            match self.exchanges.next() {
                Some(Ok(exchange)) => self.linker.push(exchange),
                ended => {
                    self.failure = ended.and_then(Result::err);
                    self.has_ended = true;
                    self.linker.end();
                }
            }
        }
    }

    /// Once the replay is stopped, no more than what is under way comes to its end.
    fn is_over(&mut self, start: Timestamp) -> bool {
        if self.last.is_none() && self.stop.load(Ordering::Relaxed) {
            self.last = Some(self.busy_until.min(start.plus(self.window)));
            self.pace = None;
        }
        self.last.is_some_and(|last| start > last)
    }
}

impl<I: Iterator<Item = Result<Exchange, TrafficError>> + Send> Reader for Feeder<'_, I> {
    type Work = Feed;

    fn read(&mut self) -> Option<Vec<Feed>> {
        if self.is_closed {
            return None;
        }
        let mut lanes: Vec<Vec<Passage>> = (0..self.lanes).map(|_| Vec::new()).collect();
        let round = |lanes: Vec<Vec<Passage>>, until| {
            Some(lanes.into_iter().map(|passages| Feed { passages, until }).collect())
        };
        for taken in 0..ROUND * self.lanes {
            let Some(start) = self.next_start().filter(|start| !self.is_over(*start)) else {
                self.is_closed = true;
                return round(lanes, None);
            };
            if let Some(pace) = &mut self.pace
                && start > pace.now(start)
            {
                if taken == 0 {
                    pace.wait(start, BEAT);
                }
                let until = pace.now(start).min(start);
                return round(lanes, Some(until));
            }
            let Some(linked) = self.linker.pop() else { continue };
            if self.last.is_some() && linked.parent.is_none() {
                self.not_sent += 1;
                continue;
            }
            let lane = usize::try_from(linked.key % self.lanes as u64).unwrap_or_default();
            let passage = self.planner.passage(linked);
            self.busy_until = self.busy_until.max(passage.finished);
            lanes.get_mut(lane)?.push(passage);
        }
        let until = self.linker.horizon();
        round(lanes, Some(until))
    }
}
