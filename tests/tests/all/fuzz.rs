//! Every input of the fuzz targets' corpora, without a fuzzer: what once was found stays found.

use meshspan_filter::ids::IdGenerator;
use meshspan_tests::tools::repository;

#[allow(unreachable_pub, reason = "the targets' own crate exports them")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// A target's name and its check.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 10] = [
    ("b3", targets::b3::check),
    ("config", targets::config::check),
    ("grpc_bin", targets::grpc_bin::check),
    ("header_map", targets::header_map::check),
    ("otlp_response", targets::otlp_response::check),
    ("propagation", targets::propagation::check),
    ("stream", targets::stream::check),
    ("traceparent", targets::traceparent::check),
    ("tracestate", targets::tracestate::check),
    ("url", targets::url::check),
];

#[test]
fn rule_48_every_corpus_passes() {
    for (target, check) in TARGETS {
        let corpus = repository().join("tests/fuzz/corpus").join(target);
        let files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{target} has no corpus");
        for file in files {
            let input = std::fs::read(&file).unwrap();
            let result = std::panic::catch_unwind(|| check(&input));
            assert!(result.is_ok(), "{target}: {}", file.display());
        }
    }
}

/// How many scripts are made up; `MESHSPAN_FUZZ_RUNS=10000000` for a long run.
const RUNS: u64 = 5_000;

#[test]
fn rule_48_made_up_lives_of_streams_do_no_harm() {
    let runs = std::env::var("MESHSPAN_FUZZ_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let directory = repository().join("tests/fuzz/corpus/stream");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let mut random = Random(IdGenerator::from_seed([runs as u8; 32]));
    for run in 0..runs {
        let script = random.script(&corpus);
        let result = std::panic::catch_unwind(|| targets::stream::check(&script));
        assert!(result.is_ok(), "run {run}: {:?}", String::from_utf8_lossy(&script));
    }
}

/// The same numbers in every run.
struct Random(IdGenerator);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        let bytes = self.0.span_id().as_bytes().map(usize::from);
        (bytes[0] << 16 | bytes[1] << 8 | bytes[2]) % bound.max(1)
    }

    /// Lines of two scripts of the corpus, cut, repeated, in any order, and some bytes of them changed.
    fn script(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut lines: Vec<&[u8]> = Vec::new();
        for _ in 0..2 {
            let one = &corpus[self.below(corpus.len())];
            let from = self.below(one.len());
            lines.extend(one[if self.below(2) == 0 { 0 } else { from }..].split(|byte| *byte == b'\n'));
        }
        for _ in 0..self.below(8) {
            let (from, to) = (self.below(lines.len()), self.below(lines.len()));
            if self.below(2) == 0 { lines.swap(from, to) } else { lines.insert(to, lines[from]) }
        }
        let mut script = lines.join(&b'\n');
        for _ in 0..self.below(6) {
            let at = self.below(script.len());
            if let Some(byte) = script.get_mut(at) {
                *byte = self.below(256) as u8;
            }
        }
        script
    }
}

#[test]
fn every_target_has_its_corpus_here() {
    let files = std::fs::read_dir(repository().join("tests/fuzz/fuzz_targets")).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, TARGETS.map(|(target, _)| target.to_owned()));
}
