//! Every input of the fuzz targets' corpora, without a fuzzer: what once was found stays found.

#[path = "fuzz/foreign.rs"]
mod foreign;

use meshspan_filter::ids::IdGenerator;
use meshspan_tests::tools::repository;

#[allow(unreachable_pub, reason = "the targets' own crate exports them")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// A target's name and its check.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 15] = [
    ("b3", targets::b3::check),
    ("config", targets::config::check),
    ("grpc_bin", targets::grpc_bin::check),
    ("header_map", targets::header_map::check),
    ("hostcalls", targets::hostcalls::check),
    ("node", targets::node::check),
    ("otlp_response", targets::otlp_response::check),
    ("propagation", targets::propagation::check),
    ("receive", targets::receive::check),
    ("retry_after", targets::retry_after::check),
    ("stream", targets::stream::check),
    ("traceparent", targets::traceparent::check),
    ("tracestate", targets::tracestate::check),
    ("traffic", targets::traffic::check),
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
    make_up("stream", targets::stream::check);
}

#[test]
fn made_up_traffic_does_no_harm() {
    make_up("traffic", targets::traffic::check);
}

#[test]
fn made_up_requests_to_the_receiver_do_no_harm() {
    make_up("receive", targets::receive::check);
}

/// The target's corpus, in the order of the files' names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = repository().join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Makes inputs of the target's corpus and checks them.
fn make_up(target: &str, check: fn(&[u8])) {
    let runs = std::env::var("MESHSPAN_FUZZ_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let corpus = corpus(target);
    let mut random = Random(IdGenerator::from_seed([runs as u8; 32]));
    for run in 0..runs {
        let script = random.script(&corpus);
        let result = std::panic::catch_unwind(|| check(&script));
        assert!(result.is_ok(), "{target}, run {run}: {:?}", String::from_utf8_lossy(&script));
    }
}

#[test]
fn made_up_hostcalls_do_no_harm() {
    let runs = std::env::var("MESHSPAN_FUZZ_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let (corpus, foreign) = (corpus("hostcalls"), foreign::step());
    let mut random = Random(IdGenerator::from_seed([runs as u8; 32]));
    for run in 0..runs {
        let input = match random.below(4) {
            0 => random.changed(&corpus),
            _ => random.hostcalls(foreign),
        };
        let result = std::panic::catch_unwind(|| targets::hostcalls::check(&input));
        assert!(result.is_ok(), "run {run}: {input:?}");
    }
}

/// Every function of the host, in every callback, with arguments that are all alike.
#[test]
fn every_hostcall_survives_every_argument() {
    let life = [0, 1, 2, 3, 4, 5, 6, 8, 7, 11];
    // 0, -1, the end of memory, the byte before it, writable memory, a small number.
    let arguments: [&[u8]; 6] = [&[0], &[1], &[3, 0], &[3, 1], &[7, 9], &[4, 3]];
    let functions = meshspan::vm::host_functions(meshspan::vm::AbiVersion::default()).unwrap();
    assert!(functions.len() >= 65, "{}", functions.len());
    for (which, function) in functions.iter().enumerate() {
        for argument in arguments {
            for profile in [0, 4, 16] {
                let mut call = vec![30 + u8::try_from(which).unwrap()];
                function.parameters.iter().for_each(|_| call.extend(argument));
                call.push(0);
                let mut input = vec![profile, life.len() as u8];
                input.extend(life);
                (0..20).for_each(|_| input.extend(&call));
                let result = std::panic::catch_unwind(|| targets::hostcalls::check(&input));
                assert!(result.is_ok(), "{}.{} with {argument:?}", function.module, function.name);
            }
        }
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
        self.change(&mut script);
        script
    }

    /// Changes some bytes.
    fn change(&mut self, script: &mut [u8]) {
        for _ in 0..self.below(6) {
            let at = self.below(script.len());
            if let Some(byte) = script.get_mut(at) {
                *byte = self.below(256) as u8;
            }
        }
    }

    /// A script of the corpus, with some bytes changed.
    fn changed(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut script = corpus[self.below(corpus.len())].clone();
        self.change(&mut script);
        script
    }

    /// Steps of a plugin's life, of which the first open a stream, and a script that mostly calls the host; `foreign`
    /// calls its foreign functions.
    fn hostcalls(&mut self, foreign: u8) -> Vec<u8> {
        let steps = 2 + self.below(30);
        let mut input = vec![self.below(32) as u8, steps as u8, 0, 1];
        input.extend((2..steps).map(|_| self.below(256) as u8));
        for _ in 0..self.below(40) {
            if self.below(8) == 0 {
                input.push(foreign);
                input.extend(self.foreign_call());
                continue;
            }
            input.push(if self.below(8) == 0 { self.below(30) } else { 30 + self.below(80) } as u8);
            for _ in 0..self.below(12) {
                let bytes = if self.below(4) == 0 { 256 } else { 10 };
                input.push(self.below(bytes) as u8);
            }
        }
        input
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
