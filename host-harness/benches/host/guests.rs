//! Filters by the Rust SDK, built when the benchmark runs: `guests/` is a workspace of its own.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

static BUILT: LazyLock<()> = LazyLock::new(build);

/// The module of that example of `guests/`.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    LazyLock::force(&BUILT);
    let file = format!("{}/wasm32-wasip1/release/examples/{name}.wasm", target());
    std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn build() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&directory).args(["build", "--locked", "--quiet", "--release", "--examples"]);
    cargo.args(["--target", "wasm32-wasip1", "--target-dir", target()]);
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "{} cannot be built ({cargo:?})", directory.display());
}

/// Inside `target`, beside this program.
fn target() -> &'static str {
    concat!(env!("CARGO_TARGET_TMPDIR"), "/guests")
}
