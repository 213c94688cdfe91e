//! oteltap, another collector written by others: OTLP over HTTP in, one JSON span a line out.

use std::net::TcpStream;
use std::process::Command;

use crate::process::{Process, free_port};
use crate::spans::Span;
use crate::{tools, wait};

/// A running oteltap on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Oteltap {
    process: Process,
    port: u16,
}

impl Oteltap {
    /// Starts on a free port and waits until it accepts connections.
    pub fn start() -> Oteltap {
        let port = free_port();
        let mut command = Command::new(tools::oteltap());
        command.arg("--port").arg(port.to_string()).env("PYTHONUNBUFFERED", "1");
        let mut process = Process::start(&mut command);
        wait::until("oteltap to listen", || {
            process.assert_alive("oteltap");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Oteltap { process, port }
    }

    /// Where it takes OTLP over HTTP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every span printed so far, in the order of arrival; a line that is not yet whole is left out.
    pub fn spans(&self) -> Vec<Span> {
        let lines = self.process.stdout();
        lines.lines().filter_map(|line| Span::from_json(&serde_json::from_str(line).ok()?)).collect()
    }

    /// Waits until at least `count` spans are there.
    pub fn wait_for(&self, count: usize) -> Vec<Span> {
        wait::until(&format!("{count} spans in oteltap"), || {
            let spans = self.spans();
            (spans.len() >= count).then_some(spans)
        })
    }
}
