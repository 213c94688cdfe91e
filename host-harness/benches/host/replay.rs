//! A whole replay on one thread: from a recording's file, or from exchanges in memory, to the spans that were exported.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use meshspan::collect::span_count;
use meshspan::replay::{ReplayOptions, replay};
use meshspan::topology::{Emojivoto, Topology};
use meshspan::traffic::jsonl::JsonLines;
use meshspan::traffic::{Exchange, TrafficError};
use meshspan::vm::{Filter, Limits};

use crate::rounds::{self, Request, Rounds};

/// Of the time in memory, what a file may take: half of its rate.
const FILE_TARGET: f64 = 2.0;
const ROUNDS: usize = 15;
/// How often emojivoto's recording stands in the one that is replayed.
const COPIES: u32 = 5;

/// Both replays' times, and what that is a second.
pub(crate) fn table() -> String {
    let directory = tempfile::tempdir().unwrap();
    let exchanges = copies(COPIES);
    let file = write(directory.path(), &exchanges);
    let bytes = std::fs::metadata(&file).unwrap().len();
    let filter = Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap();
    let topology = Emojivoto::W3c.topology().unwrap();
    let spans = from_file(&filter, &topology, &file);
    assert_eq!(spans, from_memory(&filter, &topology, &exchanges));
    let count = exchanges.len() as f64;
    let mesh = Rc::new((filter, topology, file));
    let one = Rc::clone(&mesh);
    let mut subjects: [Request; 2] = [
        Box::new(move || {
            from_memory(&mesh.0, &mesh.1, &exchanges);
        }),
        Box::new(move || {
            from_file(&one.0, &one.1, &one.2);
        }),
    ];
    let rounds = Rounds::measure(&mut subjects, ROUNDS);
    let seconds = rounds.median(1) / 1e9;
    [
        rounds::heading(&format!("replay of {count} exchanges, {spans} spans")),
        rounds.row("from memory, one thread", 0),
        rounds.row("from a file, one thread", 1),
        rounds::heading("ratio"),
        rounds.ratio("from a file / from memory", 1, 0, Some(('≤', FILE_TARGET))),
        format!(
            "\nfrom a file, one thread: {:.0} exchanges, {:.0} spans, {:.1} MB of recording a second\n",
            count / seconds,
            spans as f64 / seconds,
            bytes as f64 / 1e6 / seconds
        ),
    ]
    .concat()
}

fn from_file(filter: &Filter, topology: &Topology, file: &Path) -> u64 {
    run(filter, topology, JsonLines::new(BufReader::new(File::open(file).unwrap())))
}

fn from_memory(filter: &Filter, topology: &Topology, exchanges: &[Exchange]) -> u64 {
    run(filter, topology, exchanges.iter().cloned().map(Ok))
}

fn run(
    filter: &Filter,
    topology: &Topology,
    exchanges: impl Iterator<Item = Result<Exchange, TrafficError>> + Send,
) -> u64 {
    let options = ReplayOptions::new(1);
    let mut progress = |_| ControlFlow::Continue(());
    let capture = replay(filter, topology, exchanges, &options, &mut progress).unwrap();
    span_count(&capture.spans)
}

/// A recording's file.
pub(crate) fn write(directory: &Path, exchanges: &[Exchange]) -> PathBuf {
    let file = directory.join("recording.jsonl");
    let lines = exchanges.iter().map(|exchange| serde_json::to_string(exchange).unwrap() + "\n");
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    file
}

/// Emojivoto's recording so often, with other ids, one second after the other: as a busy mesh's, so that requests are
/// what takes the time, not the ticks of filters that have nothing to do.
pub(crate) fn copies(times: u32) -> Vec<Exchange> {
    let recording: Vec<Exchange> = JsonLines::new(Emojivoto::W3c.recording()).map(Result::unwrap).collect();
    let copy = |number: u32| {
        recording.iter().cloned().map(move |mut exchange| {
            exchange.id = format!("{number}-{}", exchange.id);
            exchange.parent = exchange.parent.map(|parent| format!("{number}-{parent}"));
            exchange.start += Duration::from_secs(1) * number;
            exchange
        })
    };
    let mut all: Vec<Exchange> = (0..times).flat_map(copy).collect();
    all.sort_by_key(|exchange| exchange.start);
    all
}
