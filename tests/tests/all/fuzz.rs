//! Every input of the fuzz targets' corpora, without a fuzzer: what once was found stays found.

use meshspan_tests::tools::repository;

#[allow(unreachable_pub, reason = "the targets' own crate exports them")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// A target's name and its check.
const TARGETS: [(&str, fn(&[u8])); 10] = [
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

#[test]
fn every_target_has_its_corpus_here() {
    let files = std::fs::read_dir(repository().join("tests/fuzz/fuzz_targets")).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, TARGETS.map(|(target, _)| target.to_owned()));
}
