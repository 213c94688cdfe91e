//! `meshspan collect`, run as a user runs it.

use std::collections::BTreeMap;
use std::process::{Command, ExitStatus};

use crate::process::Process;
use crate::spans::{Span, of_json_lines};
use crate::{client, tools, wait};

/// A running collector; killed when dropped.
#[derive(Debug)]
pub struct Collect {
    process: Process,
    ports: Ports,
}

/// Where it listens on 127.0.0.1; 0 is any free port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// OTLP over gRPC.
    pub grpc: u16,
    /// OTLP over HTTP.
    pub http: u16,
    /// The page and Jaeger's query API; 0 where there is none.
    pub page: u16,
    /// Metrics and health.
    pub metrics: u16,
}

impl Collect {
    /// Starts on free ports with all that is received saved, and more arguments.
    pub fn start(arguments: &[&str]) -> Collect {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let saved = directory.path().join("saved.jsonl");
        let mut command = command(Ports::default(), arguments);
        command.arg("--save").arg(saved);
        Collect::wait(Process::start_in(&mut command, directory))
    }

    /// Starts with nothing but these arguments.
    pub fn run(ports: Ports, arguments: &[&str]) -> Collect {
        Collect::wait(Process::start(&mut command(ports, arguments)))
    }

    /// The same, by the command that `by` makes of its own.
    pub fn run_by(ports: Ports, arguments: &[&str], by: impl FnOnce(&Command) -> Command) -> Collect {
        Collect::wait(Process::start(&mut by(&command(ports, arguments))))
    }

    fn wait(mut process: Process) -> Collect {
        let ports = wait::until("meshspan collect to listen", || {
            process.assert_alive("meshspan collect");
            // With -o json it is said on stderr.
            let text = process.stdout() + &process.stderr();
            let port = |purpose: &str| {
                let line = text.lines().find(|line| line.contains(purpose))?;
                line.split_once("127.0.0.1:")?
                    .1
                    .split(|sign: char| !sign.is_ascii_digit())
                    .next()?
                    .parse()
                    .ok()
            };
            // The last line.
            let metrics = port("/metrics")?;
            let page = port("the page").unwrap_or(0);
            Some(Ports { grpc: port("over gRPC")?, http: port("over HTTP")?, page, metrics })
        });
        Collect { process, ports }
    }

    /// Where it listens.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// The process's id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The process, to end it or to see it end.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its metrics, by name and labels as they are written.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = client::Request::get("/metrics").send_http1(self.ports.metrics);
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).expect("metrics are text");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), value.parse().expect("a number"))
        };
        samples.map(sample).collect()
    }

    /// Every span that it saved so far; a line that is not yet whole is left out.
    pub fn saved(&self) -> Vec<Span> {
        let path = self.process.directory().join("saved.jsonl");
        let text = std::fs::read_to_string(path).expect("the collector saves");
        of_json_lines(text.rsplit_once('\n').map_or("", |(lines, _)| lines))
    }

    /// Waits until at least `count` spans are saved.
    pub fn wait_for(&self, count: usize) -> Vec<Span> {
        wait::until_or(
            || Some(self.saved()).filter(|spans| spans.len() >= count),
            || format!("{count} spans in meshspan collect, of which there are {}", self.saved().len()),
        )
    }

    /// Ends it with SIGTERM; how it ended and what it printed.
    pub fn end(mut self) -> (ExitStatus, String) {
        self.process.terminate();
        let status = wait::until("meshspan collect to end", || self.process.ended());
        (status, self.process.stdout())
    }
}

fn command(ports: Ports, arguments: &[&str]) -> Command {
    let mut command = Command::new(tools::meshspan());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command.env_remove("MESHSPAN_TOKEN").arg("collect").args(arguments);
    command.arg("--grpc-port").arg(ports.grpc.to_string()).arg("--http-port").arg(ports.http.to_string());
    if !arguments.contains(&"--forward-only") {
        command.arg("--page").arg(format!("127.0.0.1:{}", ports.page));
    }
    command.arg("--metrics").arg(format!("127.0.0.1:{}", ports.metrics));
    command
}
