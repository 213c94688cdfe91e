//! What a second thread gives: the same work on one thread and shared by two. Beside a replay stands work that
//! shares nothing, so that it can be told what is the replay's affair and what is this machine's: where a virtual
//! machine's second core is at times another's, too, the rounds count in which such work had two.

use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use meshspan::collect::span_count;
use meshspan::replay::{Mesh, ReplayOptions, Sink, StreamOptions, stream};
use meshspan::time::Timestamp;
use meshspan::topology::{Emojivoto, Topology};
use meshspan::traffic::jsonl::JsonLines;
use meshspan::vm::{Filter, Limits};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::bare::Bare;
use crate::guests;
use crate::replay::{copies, write};
use crate::rounds::{self, Request, Rounds};

/// Times one thread's rate that two have to give.
const TARGET: f64 = 1.8;
/// What two threads of bare guests, which share nothing, have to give in a round for it to count: two whole cores.
const TWO_CORES: f64 = 1.9;
const ROUNDS: usize = 20;
/// How often emojivoto's recording stands in the one that is replayed.
const COPIES: u32 = 40;
/// VMs of each proxy, as `meshspan replay` has by default.
const LANES: usize = 16;
/// Steps of arithmetic of each of two parts, some 50 ms.
const STEPS: u64 = 50_000_000;
/// Requests of each of two parts, some 50 ms.
const REQUESTS: u32 = 200_000;

/// The times of one thread and of two, and their ratios.
pub(crate) fn table() -> String {
    let directory = tempfile::tempdir().unwrap();
    let exchanges = copies(COPIES);
    let file = write(directory.path(), &exchanges);
    let filter = Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap();
    let topology = Emojivoto::W3c.topology().unwrap();
    assert_eq!(replay(&filter, &topology, &file, 1), replay(&filter, &topology, &file, 2));
    let replays = Rc::new(move |workers| {
        replay(&filter, &topology, &file, workers);
    });
    // Apart in memory.
    let guest = || Box::new(Bare::start(&guests::wasm("noop")));
    let guests = Rc::new(RefCell::new([guest(), guest()]));
    let (replays_too, guests_too) = (Rc::clone(&replays), Rc::clone(&guests));
    let mut subjects: [Request; 6] = [
        Box::new(|| [(); 2].iter().for_each(|()| arithmetic())),
        Box::new(|| at_once(arithmetic, arithmetic)),
        Box::new(move || guests.borrow_mut().iter_mut().for_each(|guest| requests(guest))),
        Box::new(move || {
            let [one, other] = &mut *guests_too.borrow_mut();
            at_once(|| requests(one), || requests(other));
        }),
        Box::new(move || replays(1)),
        Box::new(move || replays_too(2)),
    ];
    let rounds = Rounds::measure(&mut subjects, ROUNDS);
    let rows = [
        "arithmetic, one thread",
        "arithmetic, two threads",
        "bare guests, one thread",
        "bare guests, two threads",
        "replay, one thread",
        "replay, two threads",
    ];
    [
        rounds::heading(&format!("a second thread, {} exchanges", exchanges.len())),
        rows.iter().enumerate().map(|(place, row)| rounds.row(row, place)).collect(),
        rounds::heading("times the rate of one thread"),
        rounds.ratio("arithmetic", 0, 1, None),
        rounds.ratio("bare guests", 2, 3, None),
        rounds.ratio("replay", 4, 5, None),
        on_two_cores(&rounds),
    ]
    .concat()
}

/// The replay's ratio in the rounds that count.
fn on_two_cores(rounds: &Rounds) -> String {
    let gave = rounds.0[2].iter().zip(&rounds.0[3]).map(|(one, two)| one / two);
    let counts: Vec<bool> = gave.map(|gave| gave >= TWO_CORES).collect();
    let kept = |times: &Vec<f64>| {
        times.iter().zip(&counts).filter_map(|(time, counts)| counts.then_some(*time)).collect()
    };
    match counts.iter().filter(|counts| **counts).count() {
        0 => format!("\nno round gave bare guests {TWO_CORES}: this machine has no two cores to itself\n"),
        count => Rounds(rounds.0.iter().map(kept).collect()).ratio(
            &format!("replay, two cores ({count} of {ROUNDS})"),
            4,
            5,
            Some(('≥', TARGET)),
        ),
    }
}

fn at_once(one: impl FnOnce() + Send, other: impl FnOnce()) {
    std::thread::scope(|scope| {
        scope.spawn(one);
        other();
    });
}

/// Touches no memory.
fn arithmetic() {
    let step = |number: u64, step: u64| (number ^ step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::hint::black_box((0..std::hint::black_box(STEPS)).fold(1, step));
}

fn requests(guest: &mut Bare) {
    (0..REQUESTS).for_each(|_| guest.request());
}

/// From the file to the spans, which are counted.
fn replay(filter: &Filter, topology: &Topology, file: &Path, workers: usize) -> u64 {
    let exchanges = JsonLines::new(BufReader::new(File::open(file).unwrap()));
    let options = StreamOptions { lanes: LANES, workers, ..StreamOptions::new(ReplayOptions::new(1)) };
    let (spans, mut progress) = (Count::default(), |_| ControlFlow::Continue(()));
    stream(filter, Mesh::Topology(topology), exchanges, &options, &spans, &mut progress).unwrap();
    spans.0.into_inner()
}

#[derive(Default)]
struct Count(AtomicU64);

impl Sink for Count {
    type Chunk = u64;

    fn prepare(&self, _: usize, spans: Vec<ResourceSpans>, _: Timestamp) -> u64 {
        span_count(&spans)
    }

    fn take(&self, spans: u64) -> ControlFlow<()> {
        self.0.fetch_add(spans, Ordering::Relaxed);
        ControlFlow::Continue(())
    }
}
