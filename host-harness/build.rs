//! Builds the filter for wasm, so that one `cargo build` yields the host and what it hosts.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "wasm32-wasip1";
const ARTIFACT: &str = "meshspan_filter.wasm";

fn main() -> ExitCode {
    match build_filter() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn build_filter() -> Result<(), String> {
    let workspace = variable("CARGO_MANIFEST_DIR")?.join("..");
    let out = variable("OUT_DIR")?;
    for source in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "filter/Cargo.toml", "filter/src"] {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    install_target()?;
    let target_dir = out.join("filter");
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .current_dir(&workspace)
        .args(["build", "--package", "meshspan-filter", "--lib", "--profile", "filter", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target_dir)
        // The outer build's compiler settings (clippy's wrapper, coverage flags) are not the guest's.
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(&workspace)?);
    run(&mut cargo, "cannot build the filter for wasm")?;
    let built = target_dir.join(TARGET).join("filter").join(ARTIFACT);
    std::fs::copy(&built, out.join(ARTIFACT))
        .map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    Ok(())
}

/// Installs the wasm target unless the toolchain has it.
fn install_target() -> Result<(), String> {
    let rustc = variable("RUSTC")?;
    let listed = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| format!("cannot run {}: {error}", rustc.display()))?;
    if Path::new(String::from_utf8_lossy(&listed.stdout).trim()).is_dir() {
        return Ok(());
    }
    run(
        Command::new("rustup").args(["target", "add", TARGET]),
        &format!(
            "the Rust target {TARGET} is missing and could not be installed; run `rustup target add {TARGET}`"
        ),
    )
}

/// Compiler flags that keep this machine's folders out of the artifact, so that the same sources
/// give the same bytes, and the same SHA-256, everywhere; the linker's shortest form of addresses
/// and indexes, which otherwise are five bytes each; and little inlining, which in a proxy, where the
/// caches are cold for each request, gains nothing and takes a tenth of the artifact.
fn flags(workspace: &Path) -> Result<String, String> {
    let workspace = workspace.canonicalize().map_err(|error| format!("{}: {error}", workspace.display()))?;
    let mut flags = vec![
        "-Clink-arg=--compress-relocations".to_owned(),
        "-Cllvm-args=-inline-threshold=25".to_owned(),
        format!("--remap-path-prefix={}=meshspan", workspace.display()),
    ];
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    if let Some(home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    Ok(flags.join("\u{1f}"))
}

fn run(command: &mut Command, failure: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{failure} ({command:?}: {status})")),
        Err(error) => Err(format!("{failure} ({command:?}: {error})")),
    }
}

fn variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set; run this through cargo"))
}
