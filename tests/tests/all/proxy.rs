//! `meshspan proxy` on live traffic, in the place of Envoy.

mod exports;
mod failures;
mod heads;
mod lasting;
mod sidecars;
mod tunnels;
mod wires;

use std::path::PathBuf;

use meshspan_tests::echo::Echo;
use meshspan_tests::live::LiveProxy;
use tempfile::TempDir;

/// A file for as long as its directory lives.
pub(super) fn file(directory: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// A proxy before an application that sends back what it gets.
fn before_echo(arguments: &[&str]) -> (LiveProxy, Echo) {
    let echo = Echo::start();
    (LiveProxy::before(echo.port(), arguments), echo)
}
