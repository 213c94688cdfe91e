//! Generated files in the repository are what the code generates now. To write them anew:
//! `UPDATE_GOLDEN=1 cargo test --release -p meshspan --test golden`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, which may fail")]

#[path = "golden/emojivoto.rs"]
mod emojivoto;

use std::path::Path;

use meshspan::compare::Comparison;
use meshspan::mesh::MeshFile;
use meshspan::topology::Topology;
use meshspan::traffic::Exchange;
use meshspan::view::summary::Summary;

/// Compares `expected` with the file at `path` below the package, or writes it there.
fn check(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{} is out of date from line {:?}: run with UPDATE_GOLDEN=1",
        path.display(),
        line
    );
}

fn schema<T: schemars::JsonSchema>() -> String {
    serde_json::to_string_pretty(&schemars::schema_for!(T)).unwrap() + "\n"
}

#[test]
fn the_schema_of_recordings_is_that_of_the_type() {
    check("schemas/exchange.schema.json", &schema::<Exchange>());
}

#[test]
fn the_schema_of_topologies_is_that_of_the_type() {
    check("schemas/topology.schema.json", &schema::<Topology>());
}

#[test]
fn the_schema_of_meshes_is_that_of_the_type() {
    check("schemas/mesh.schema.json", &schema::<MeshFile>());
}

#[test]
fn the_schema_of_summaries_is_that_of_the_type() {
    check("schemas/summary.schema.json", &schema::<Summary>());
}

#[test]
fn the_schema_of_comparisons_is_that_of_the_type() {
    check("schemas/comparison.schema.json", &schema::<Comparison>());
}

#[test]
fn emojivoto_with_b3_is_what_the_generator_makes() {
    check("recordings/emojivoto-b3.jsonl", &emojivoto::recording(emojivoto::Variant::B3));
}

#[test]
fn emojivoto_with_w3c_is_what_the_generator_makes() {
    check("recordings/emojivoto-w3c.jsonl", &emojivoto::recording(emojivoto::Variant::W3c));
}
