//! A real headless Chromium against a `meshspan` that serves traces.
//! What it does there are the scripts of `tests/browser`, one a journey.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::Process;
use crate::{demo, tools, wait};

/// The seed of the demo whose traces the journeys meet.
const SEED: &str = "7";

/// A `meshspan view --serve`; ended when dropped.
#[derive(Debug)]
pub struct Viewer {
    process: Process,
    address: String,
}

impl Viewer {
    /// Serves the traces of `files`; more arguments may follow.
    pub fn start<A: AsRef<OsStr>>(files: &[PathBuf], arguments: &[A]) -> Viewer {
        let mut command = Command::new(tools::meshspan());
        command.arg("view").args(files).args(["--serve", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut process = Process::start(&mut command);
        let address = wait::until("the viewer's address", || {
            process.assert_alive("meshspan view");
            let log = process.stderr();
            let (_, rest) = log.split_once("Browse the traces at http://")?;
            let (address, _) = rest.split_once("/ ")?;
            Some(address.to_owned())
        });
        Viewer { process, address }
    }

    /// Where it listens, such as `127.0.0.1:16686`, and the base path, if it has one.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs the script of this name in Chromium, as [`journey`] does.
    pub fn journey(&mut self, script: &str) {
        journey(script, &self.address, self.process.directory(), &[]);
        self.process.assert_alive("meshspan view");
    }
}

/// Runs the script of this name in Chromium, with the page at `address`, `folder` for its files, and `more` in
/// its environment.
///
/// Panics with what the script printed if it fails; its pictures are in [`screenshots`] all the same.
pub fn journey(script: &str, address: &str, folder: &Path, more: &[(&str, String)]) {
    let output = Command::new("node")
        .arg(tools::repository().join("tests/browser").join(format!("{script}.mjs")))
        .env("VIEWER", format!("http://{address}"))
        .env("FILES", folder)
        .env("SHOTS", screenshots())
        .env("CHROMIUM", tools::chromium())
        .env("BROWSER_TOOLS", tools::browser())
        .envs(more.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("node runs");
    let printed =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{printed}pictures: {}/{script}-*.png", screenshots().display());
    assert!(output.status.success(), "{script}: {}\n{printed}", output.status);
}

/// Where the journeys keep pictures of the pages.
pub fn screenshots() -> PathBuf {
    tools::target().join("screenshots")
}

/// The demo's traces as OTLP JSON Lines: always the same but for their time, which is now.
pub fn demo_traces() -> PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = tools::target().join("tmp/browser-demo.jsonl");
        std::fs::create_dir_all(file.parent().expect("a file lies in a folder")).expect("a folder");
        demo::save(&file, &["--seed", SEED]);
        file
    })
    .clone()
}
