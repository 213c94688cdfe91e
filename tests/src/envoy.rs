//! A real Envoy with a configuration of `envoy-config/`, its ports and the filter's place replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::process::{Process, free_port};
use crate::{client, tools, wait};

/// The filter's place in the configurations that people copy.
const FILTER: &str = "/etc/meshspan/meshspan_filter.wasm";
const ADMIN_PORT: u16 = 15000;

/// A configuration to start Envoy with.
#[derive(Debug)]
pub struct Config {
    yaml: String,
    directory: TempDir,
    concurrency: u8,
    environment: Vec<(String, String)>,
}

impl Config {
    /// Reads a file of `envoy-config/` and points it at `wasm`.
    pub fn new(file: &str, wasm: &[u8]) -> Config {
        let path = tools::repository().join("envoy-config").join(file);
        let yaml =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let filter = directory.path().join("filter.wasm");
        std::fs::write(&filter, wasm).expect("the filter can be written");
        let config = Config { yaml, directory, concurrency: 1, environment: Vec::new() };
        config.replace(FILTER, filter.to_str().expect("a temporary path is text"))
    }

    /// Replaces every `from`; panics where there is none, so that a renamed setting is noticed.
    #[must_use]
    pub fn replace(mut self, from: &str, to: &str) -> Config {
        assert!(self.yaml.contains(from), "the configuration has no {from}");
        self.yaml = self.yaml.replace(from, to);
        self
    }

    /// Moves a port of the file, of a listener or of a cluster, to another.
    #[must_use]
    pub fn port(self, from: u16, to: u16) -> Config {
        self.replace(&format!("port_value: {from} "), &format!("port_value: {to} "))
    }

    /// The number of workers, one VM each.
    #[must_use]
    pub fn concurrency(mut self, workers: u8) -> Config {
        self.concurrency = workers;
        self
    }

    /// An environment variable of the process.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Config {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The JSON that the file gives its filters, in its order.
    pub fn plugin_configurations(&self) -> Vec<String> {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let lines: Vec<&str> = self.yaml.lines().collect();
        let blocks = lines.iter().enumerate().filter(|(_, line)| line.trim() == "value: |");
        let block = |(start, head): (usize, &&str)| {
            let inner = lines[start + 1..].iter().take_while(|line| depth(line) > depth(head));
            inner.copied().collect::<Vec<_>>().join("\n")
        };
        blocks.map(block).collect()
    }

    /// Runs `envoy --mode validate`, which loads the filter and configures it.
    pub fn validate(&self) -> Output {
        let mut command = self.command();
        command.args(["--mode", "validate"]).output().expect("envoy runs")
    }

    /// Starts Envoy and waits until it is live.
    pub fn start(self) -> Envoy {
        let admin_port = free_port();
        let config = self.port(ADMIN_PORT, admin_port);
        let mut command = config.command();
        command.arg("--concurrency").arg(config.concurrency.to_string()).arg("--use-dynamic-base-id");
        let mut process = Process::start_in(&mut command, config.directory);
        wait::until("envoy to be live", || {
            process.assert_alive("envoy");
            let ready = client::Request::get("/ready").try_send_http1(admin_port).ok()?;
            (ready.status == 200).then_some(())
        });
        Envoy { process, admin_port }
    }

    fn command(&self) -> Command {
        let path = self.directory.path().join("envoy.yaml");
        std::fs::write(&path, &self.yaml).expect("the configuration can be written");
        let mut command = Command::new(tools::envoy());
        command.arg("-c").arg(path).args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running Envoy; killed when dropped.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin_port: u16,
}

impl Envoy {
    /// The counters and gauges whose names begin with `prefix`, without it.
    pub fn stats(&self, prefix: &str) -> BTreeMap<String, u64> {
        let answer = client::Request::get("/stats").send_http1(self.admin_port);
        let text = String::from_utf8(answer.body).expect("stats are text");
        let pairs = text.lines().filter_map(|line| line.strip_prefix(prefix)?.split_once(": "));
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    /// What Envoy logged so far, the filter's lines among them.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }
}

/// Every file under `envoy-config/envoy`.
pub fn bootstraps() -> Vec<PathBuf> {
    let directory = tools::repository().join("envoy-config/envoy");
    let entries = std::fs::read_dir(&directory).expect("envoy-config/envoy is there");
    entries.map(|entry| entry.expect("a directory can be listed").path()).collect()
}
