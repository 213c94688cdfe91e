//! Threads that share a stream of work: whoever is free reads the next round of it, runs a lane of a
//! round, or hands a round's results out. Knows nothing of what the work is.
//!
//! A lane has its rounds in order and on one thread at a time; rounds are handed out in order. So the
//! results do not depend on the number of threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Rounds that have been read and not been handed out.
const MAX_ROUNDS: usize = 3;

/// Where several share the work, as many are read before the older ones are done, so that nobody waits for a round
/// while another reads it.
const READ_AHEAD: usize = 2;

/// Where the work comes from.
pub(super) trait Reader: Send {
    /// What one lane has to do in a round.
    type Work: Send;

    /// A round: for each lane its work; `None` after the last.
    fn read(&mut self) -> Option<Vec<Self::Work>>;
}

/// One of the parts into which the work is divided.
pub(super) trait Lane: Send {
    type Work: Send;
    type Output: Send;
    type Error: Send;

    fn run(&mut self, work: Self::Work) -> Result<Self::Output, Self::Error>;
}

/// Does all that `reader` gives on `workers` threads, the caller's among them, and gives back what is
/// left. `hand` gets each round's outputs, in the order of the lanes. The first error ends it.
pub(super) fn run<R, L, H>(workers: usize, reader: R, lanes: Vec<L>, hand: H) -> Result<(R, Vec<L>), L::Error>
where
    R: Reader<Work = L::Work>,
    L: Lane,
    H: FnMut(Vec<L::Output>) + Send,
{
    let lanes = lanes.into_iter().map(|lane| Seat { lane: Some(lane), work: VecDeque::new() });
    let board = Board {
        reader: Some(reader),
        hand: Some(hand),
        lanes: lanes.collect(),
        rounds: VecDeque::new(),
        first: 0,
        workers: workers.max(1),
        read_ahead: if workers > 1 { READ_AHEAD } else { 0 },
        has_ended: false,
        is_reading: false,
        is_broken: false,
        failure: None,
    };
    let crew = Crew { board: Mutex::new(board), changed: Condvar::new() };
    std::thread::scope(|scope| {
        let crew = &crew;
        for worker in 1..workers {
            scope.spawn(move || crew.labour(worker));
        }
        crew.labour(0);
    });
    let board = crew.board.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (board.failure, board.reader) {
        (None, Some(reader)) => Ok((reader, board.lanes.into_iter().filter_map(|seat| seat.lane).collect())),
        (Some(error), _) => Err(error),
        // The reader is away only while somebody reads, and everybody has come home.
        (None, None) => unreachable!("nobody reads any more"),
    }
}

struct Crew<R, L: Lane, H> {
    board: Mutex<Board<R, L, H>>,
    changed: Condvar,
}

/// What is to be done; whoever does something takes it off meanwhile.
struct Board<R, L: Lane, H> {
    reader: Option<R>,
    hand: Option<H>,
    lanes: Vec<Seat<L>>,
    rounds: VecDeque<Round<L::Output>>,
    /// The number of the first of `rounds`.
    first: u64,
    workers: usize,
    /// Fewer rounds than that are added to before anything else.
    read_ahead: usize,
    has_ended: bool,
    is_reading: bool,
    /// Somebody panicked.
    is_broken: bool,
    failure: Option<L::Error>,
}

struct Seat<L: Lane> {
    lane: Option<L>,
    /// Work with its round's number.
    work: VecDeque<(u64, L::Work)>,
}

struct Round<O> {
    missing: usize,
    outputs: Vec<Option<O>>,
}

enum Job<R, L: Lane, H> {
    Read(R),
    Run { index: usize, round: u64, lane: L, work: L::Work },
    Hand(H, Vec<L::Output>),
}

impl<R, L, H> Crew<R, L, H>
where
    R: Reader<Work = L::Work>,
    L: Lane,
    H: FnMut(Vec<L::Output>) + Send,
{
    /// Works until there is nothing more to do.
    fn labour(&self, worker: usize) {
        let alarm = Alarm(self);
        while let Some(job) = self.next(worker) {
            match job {
                Job::Read(mut reader) => {
                    let round = reader.read();
                    self.lock().put_round(reader, round);
                }
                Job::Run { index, round, mut lane, work } => {
                    let output = lane.run(work);
                    self.lock().put_output(index, round, lane, output);
                }
                Job::Hand(mut hand, outputs) => {
                    hand(outputs);
                    self.lock().hand = Some(hand);
                }
            }
            self.changed.notify_all();
        }
        drop(alarm);
    }

    fn next(&self, worker: usize) -> Option<Job<R, L, H>> {
        let mut board = self.lock();
        loop {
            if board.is_done() {
                return None;
            }
            match board.pick(worker) {
                Some(job) => return Some(job),
                None => board = self.changed.wait(board).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board<R, L, H>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R, L: Lane, H> Board<R, L, H> {
    fn is_done(&self) -> bool {
        let is_over = self.has_ended && self.rounds.is_empty() && self.hand.is_some();
        // Who reads brings the reader home in any case.
        (is_over || self.failure.is_some() && !self.is_reading) || self.is_broken
    }

    fn pick(&mut self, worker: usize) -> Option<Job<R, L, H>> {
        if self.failure.is_some() {
            return None;
        }
        if self.rounds.front().is_some_and(|round| round.missing == 0)
            && let Some(hand) = self.hand.take()
        {
            self.first += 1;
            let outputs = self.rounds.pop_front().map(|round| round.outputs).unwrap_or_default();
            return Some(Job::Hand(hand, outputs.into_iter().flatten().collect()));
        }
        if self.rounds.len() < self.read_ahead
            && let Some(job) = self.pick_reading()
        {
            return Some(job);
        }
        let ready = self.lanes.iter().enumerate().filter(|(_, seat)| seat.lane.is_some());
        // A lane stays with its thread while that has any, and what it has in memory with that thread's cache.
        let order = |index, round| (index % self.workers != worker, round, index);
        let next = ready.filter_map(|(index, seat)| Some(order(index, seat.work.front()?.0))).min();
        if let Some(seat) = next.and_then(|(_, _, index)| self.lanes.get_mut(index))
            && let (Some((_, _, index)), Some((round, work))) = (next, seat.work.pop_front())
            && let Some(lane) = seat.lane.take()
        {
            return Some(Job::Run { index, round, lane, work });
        }
        self.pick_reading()
    }

    fn pick_reading(&mut self) -> Option<Job<R, L, H>> {
        if self.has_ended || self.rounds.len() >= MAX_ROUNDS {
            return None;
        }
        let reader = self.reader.take()?;
        self.is_reading = true;
        Some(Job::Read(reader))
    }
}

impl<R, L: Lane, H> Board<R, L, H> {
    fn put_round(&mut self, reader: R, round: Option<Vec<L::Work>>) {
        self.reader = Some(reader);
        self.is_reading = false;
        let Some(works) = round else {
            self.has_ended = true;
            return;
        };
        let number = self.first + self.rounds.len() as u64;
        let outputs = works.iter().map(|_| None).collect::<Vec<_>>();
        self.rounds.push_back(Round { missing: outputs.len(), outputs });
        for (seat, work) in self.lanes.iter_mut().zip(works) {
            seat.work.push_back((number, work));
        }
    }

    fn put_output(&mut self, index: usize, round: u64, lane: L, output: Result<L::Output, L::Error>) {
        if let Some(seat) = self.lanes.get_mut(index) {
            seat.lane = Some(lane);
        }
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                self.failure.get_or_insert(error);
                return;
            }
        };
        let place = usize::try_from(round - self.first).ok().and_then(|at| self.rounds.get_mut(at));
        if let Some(round) = place
            && let Some(place) = round.outputs.get_mut(index)
        {
            *place = Some(output);
            round.missing -= 1;
        }
    }
}

/// Sends everybody home if its thread panics, who would else wait for what it had taken.
struct Alarm<'a, R, L, H>(&'a Crew<R, L, H>)
where
    R: Reader<Work = L::Work>,
    L: Lane,
    H: FnMut(Vec<L::Output>) + Send;

impl<R, L, H> Drop for Alarm<'_, R, L, H>
where
    R: Reader<Work = L::Work>,
    L: Lane,
    H: FnMut(Vec<L::Output>) + Send,
{
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().is_broken = true;
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers(u64);

    impl Reader for Numbers {
        type Work = u64;

        fn read(&mut self) -> Option<Vec<u64>> {
            self.0 += 1;
            (self.0 <= 100).then(|| (0..4).map(|lane| self.0 * 10 + lane).collect())
        }
    }

    #[derive(Default)]
    struct Sum(u64, Option<u64>);

    impl Lane for Sum {
        type Work = u64;
        type Output = u64;
        type Error = u64;

        fn run(&mut self, work: u64) -> Result<u64, u64> {
            if self.1 == Some(work) {
                return Err(work);
            }
            self.0 = self.0 * 31 % 1_000_003 + work;
            Ok(self.0)
        }
    }

    fn sums(workers: usize) -> (Vec<u64>, Vec<u64>) {
        let (lanes, mut handed) = ((0..4).map(|_| Sum::default()).collect(), Vec::new());
        let (_, lanes) = run(workers, Numbers(0), lanes, |round| handed.extend(round)).unwrap();
        (handed, lanes.into_iter().map(|lane| lane.0).collect())
    }

    #[test]
    fn any_number_of_threads_gives_the_same_in_the_same_order() {
        let (handed, lanes) = sums(1);
        assert_eq!((handed.len(), lanes.len()), (400, 4));
        assert_eq!(handed[396..], lanes, "the last round is the lanes' last");
        for workers in [2, 3, 8] {
            assert_eq!(sums(workers), (handed.clone(), lanes.clone()), "{workers} threads");
        }
    }

    #[test]
    fn two_threads_read_the_next_round_while_one_of_them_runs_lanes() {
        use std::sync::atomic::{AtomicU64, Ordering};
        struct Counts<'a>(Numbers, &'a AtomicU64);
        impl Reader for Counts<'_> {
            type Work = u64;
            fn read(&mut self) -> Option<Vec<u64>> {
                self.1.fetch_add(1, Ordering::Relaxed);
                self.0.read()
            }
        }
        struct Waits<'a>(&'a AtomicU64);
        impl Lane for Waits<'_> {
            type Work = u64;
            type Output = ();
            type Error = u64;
            /// Two lanes of the first round wait until the second is read: on two threads both would.
            fn run(&mut self, work: u64) -> Result<(), u64> {
                let is_read = || self.0.load(Ordering::Relaxed) > 1;
                let waits = (0..1000).take_while(|_| work < 12 && !is_read());
                waits.for_each(|_| std::thread::sleep(std::time::Duration::from_millis(10)));
                if work >= 12 || is_read() { Ok(()) } else { Err(work) }
            }
        }
        let reads = AtomicU64::new(0);
        let lanes = (0..4).map(|_| Waits(&reads)).collect();
        assert_eq!(run(2, Counts(Numbers(0), &reads), lanes, |_| ()).err(), None);
    }

    #[test]
    fn an_error_ends_it() {
        for workers in [1, 4] {
            let lanes = (0..4).map(|_| Sum(0, Some(503))).collect();
            let mut rounds = 0;
            let ended = run(workers, Numbers(0), lanes, |_| rounds += 1);
            assert_eq!(ended.err(), Some(503));
            assert!(rounds <= 50);
        }
    }

    #[test]
    #[should_panic(expected = "a lane fails")]
    fn a_panic_comes_out_and_nobody_waits_for_ever() {
        struct Fails;
        impl Lane for Fails {
            type Work = u64;
            type Output = u64;
            type Error = u64;
            fn run(&mut self, work: u64) -> Result<u64, u64> {
                assert!(work != 31, "a lane fails");
                Ok(work)
            }
        }
        let _ = run(1, Numbers(0), vec![Fails, Fails, Fails, Fails], |_| {});
    }
}
