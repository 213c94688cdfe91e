//! `meshspan proxy`, run as a user runs it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::process::Process;
use crate::{tools, wait};

/// Built once for all tests of the process.
static MESHSPAN: LazyLock<PathBuf> = LazyLock::new(tools::meshspan);

/// A running proxy; killed when dropped.
#[derive(Debug)]
pub struct LiveProxy {
    process: Process,
    port: u16,
}

impl LiveProxy {
    /// Starts it before `upstream` with more arguments, and waits until it listens.
    pub fn start(upstream: &str, arguments: &[&str]) -> LiveProxy {
        LiveProxy::run(&[&["--workers", "2", "--upstream", upstream], arguments].concat(), &[])
    }

    /// Starts it with these arguments alone, and more variables.
    pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> LiveProxy {
        let mut command = Command::new(&*MESHSPAN);
        command.arg("proxy").args(arguments).envs(environment.iter().copied());
        let mut process = Process::start(&mut command);
        let port = wait::until("the proxy to listen", || {
            process.assert_alive("meshspan proxy");
            let stdout = process.stdout();
            let has_said_all = !arguments.contains(&"--admin") || stdout.contains("/stats/prometheus\n");
            port(&stdout).filter(|_| has_said_all)
        });
        LiveProxy { process, port }
    }

    /// The same before a port of 127.0.0.1.
    pub fn before(upstream: u16, arguments: &[&str]) -> LiveProxy {
        LiveProxy::start(&format!("http://127.0.0.1:{upstream}"), arguments)
    }

    /// The address of its numbers for Prometheus, if it was started with `--admin`.
    pub fn admin(&self) -> String {
        let stdout = self.process.stdout();
        let (_, rest) = stdout.split_once("Numbers for Prometheus at ").expect("--admin was given");
        let (address, _) = rest.split_once("/stats/prometheus").expect("an address");
        address.to_owned()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has printed so far, results and then all else.
    pub fn output(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }

    /// Sends it a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(status.expect("kill runs").success(), "the proxy is there");
    }

    /// Ends it in order; its exit code and all that it has printed.
    pub fn end(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let status = wait::until("the proxy to end", || self.process.ended());
        (status.code(), self.output())
    }
}

fn port(printed: &str) -> Option<u16> {
    let line = printed.lines().find(|line| line.starts_with("Listening on "))?;
    line.split(',').next()?.rsplit(':').next()?.parse().ok()
}

/// A file of `tests/tls`.
pub fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tls").join(name)
}

/// A port of 127.0.0.1 on which nobody listens.
pub fn dead_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
