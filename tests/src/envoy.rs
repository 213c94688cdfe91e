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
/// The file in Envoy's directory that tells how a successor finds it.
const BASE_ID: &str = "base-id";

/// A configuration to start Envoy with.
#[derive(Debug)]
pub struct Config {
    yaml: String,
    directory: TempDir,
    concurrency: u8,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Config {
    /// Reads a file of `envoy-config/` and points it at `wasm`.
    pub fn new(file: &str, wasm: &[u8]) -> Config {
        Config::read(&tools::repository().join("envoy-config").join(file)).filter(wasm)
    }

    /// Reads any bootstrap as it is.
    pub fn read(path: &Path) -> Config {
        let yaml =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Config::of(yaml)
    }

    /// A configuration as text.
    pub fn of(yaml: String) -> Config {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Config { yaml, directory, concurrency: 1, environment: Vec::new(), arguments: Vec::new() }
    }

    /// Points the configuration at `wasm`.
    #[must_use]
    pub fn filter(self, wasm: &[u8]) -> Config {
        let filter = self.directory.path().join("filter.wasm");
        std::fs::write(&filter, wasm).expect("the filter can be written");
        self.replace(FILTER, filter.to_str().expect("a temporary path is text"))
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

    /// Further command line arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Config {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
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
        command.arg("--use-dynamic-base-id").arg("--base-id-path").arg(config.directory.path().join(BASE_ID));
        let process = Process::start_in(&mut command, config.directory);
        let mut envoy = Envoy { process, command, admin_port };
        envoy.wait_until_live(0);
        envoy
    }

    fn command(&self) -> Command {
        let path = self.directory.path().join("envoy.yaml");
        std::fs::write(&path, &self.yaml).expect("the configuration can be written");
        let mut command = Command::new(tools::envoy());
        command.arg("-c").arg(path).args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
        command.arg("--concurrency").arg(self.concurrency.to_string()).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running Envoy; killed when dropped.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    command: Command,
    admin_port: u16,
}

impl Envoy {
    /// Starts a second process that takes over the sockets and the counters of this one, which drains and
    /// ends by itself: a hot restart. Waits until the second is live.
    pub fn hot_restart(&self) -> Envoy {
        let base_id =
            std::fs::read_to_string(self.directory().join(BASE_ID)).expect("envoy wrote its base id");
        let same = self.command.get_args().take_while(|argument| *argument != "--use-dynamic-base-id");
        let mut command = Command::new(self.command.get_program());
        command.args(same).args(["--base-id", base_id.trim(), "--restart-epoch", "1"]);
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let process = Process::start(&mut command);
        let mut envoy = Envoy { process, command, admin_port: self.admin_port };
        envoy.wait_until_live(1);
        envoy
    }

    fn wait_until_live(&mut self, epoch: u32) {
        let epoch = format!("\"restart_epoch\": {epoch},");
        wait::until("envoy to be live", || {
            self.process.assert_alive("envoy");
            let answer = client::Request::get("/server_info").try_send_http1(self.admin_port).ok()?;
            let text = String::from_utf8(answer.body).ok()?;
            (text.contains(r#""state": "LIVE""#) && text.contains(&epoch)).then_some(())
        });
    }

    /// Posts to the administration interface.
    pub fn post(&self, path: &str) {
        let answer = client::Request::new("POST", "admin", path).send_http1(self.admin_port);
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }

    /// The port of the administration interface on 127.0.0.1.
    pub fn admin_port(&self) -> u16 {
        self.admin_port
    }

    /// The process, to end it or to see it end.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The process's own memory now, in bytes: V8's included, which Envoy's stats do not count.
    pub fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        1024 * kib.and_then(|kib| kib.parse::<usize>().ok()).expect("VmRSS in kB")
    }

    /// The memory of each VM now, in bytes, in the order of addresses. V8 reserves more than 4 GiB for a VM, and makes
    /// the beginning of them accessible as the guest's memory grows.
    pub fn wasm_memories(&self) -> Vec<usize> {
        let path = format!("/proc/{}/maps", self.process.id());
        let maps = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mapping = |line: &str| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let address = |text: &str| usize::from_str_radix(text, 16).ok();
            Some((address(start)?..address(end)?, rest.get(..2)?.to_owned()))
        };
        let mappings: Vec<_> = maps.lines().filter_map(mapping).collect();
        let memories = mappings.windows(2).filter_map(|pair| {
            let [(memory, access), (reserve, none)] = pair else { return None };
            let is_memory = access == "rw" && none == "--" && memory.end == reserve.start;
            (is_memory && reserve.len() > 4 << 30).then(|| memory.len())
        });
        memories.collect()
    }

    /// The counters and gauges whose names begin with `prefix`, without it.
    pub fn stats(&self, prefix: &str) -> BTreeMap<String, u64> {
        let answer = client::Request::get("/stats").send_http1(self.admin_port);
        let text = String::from_utf8(answer.body).expect("stats are text");
        let pairs = text.lines().filter_map(|line| line.strip_prefix(prefix)?.split_once(": "));
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    /// The process's id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
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
