//! Filters by the Rust SDK, built when the benchmark runs: `guests/` is a workspace of its own.

use std::process::Command;
use std::sync::LazyLock;

static BUILT: LazyLock<()> = LazyLock::new(build);

/// The module of that example of `guests/`.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    LazyLock::force(&BUILT);
    let file = format!("{}/wasm32-wasip1/release/examples/{name}.wasm", target());
    std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// With the toolchain that the repository names, whichever this program was built by.
fn build() {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(crate::GUESTS).env_remove("RUSTUP_TOOLCHAIN");
    cargo.args(["build", "--locked", "--quiet", "--release", "--examples"]);
    cargo.args(["--target", "wasm32-wasip1", "--target-dir", target()]);
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "{} cannot be built ({cargo:?})", crate::GUESTS);
}

/// Inside `target`, beside this program.
fn target() -> &'static str {
    concat!(env!("CARGO_TARGET_TMPDIR"), "/guests")
}
