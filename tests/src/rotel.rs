//! rotel, a collector written by others: OTLP over gRPC and over HTTP in, every span printed.

use std::net::TcpStream;
use std::process::Command;

use crate::process::{Process, free_port};
use crate::spans::Span;
use crate::{tools, wait};

/// A running rotel on two ports of 127.0.0.1.
#[derive(Debug)]
pub struct Rotel {
    process: Process,
    grpc_port: u16,
    http_port: u16,
}

impl Rotel {
    /// Starts on free ports and waits until both accept connections.
    pub fn start() -> Rotel {
        Rotel::start_on(free_port(), free_port())
    }

    /// Starts on given ports, as when a collector comes back.
    pub fn start_on(grpc_port: u16, http_port: u16) -> Rotel {
        let exporter =
            ["--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"];
        Rotel::run(grpc_port, http_port, &exporter)
    }

    /// Starts on free ports and sends all on to a port of 127.0.0.1, by `grpc` or `http`, uncompressed.
    pub fn forwarding(protocol: &str, port: u16) -> Rotel {
        let endpoint = format!("http://127.0.0.1:{port}");
        let exporter = [
            ["--exporter", "otlp"],
            ["--otlp-exporter-protocol", protocol],
            ["--otlp-exporter-endpoint", &endpoint],
            ["--otlp-exporter-compression", "none"],
        ];
        Rotel::run(free_port(), free_port(), exporter.as_flattened())
    }

    fn run(grpc_port: u16, http_port: u16, exporter: &[&str]) -> Rotel {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(tools::rotel());
        command
            .arg("start")
            .args(exporter)
            .arg("--otlp-grpc-endpoint")
            .arg(format!("127.0.0.1:{grpc_port}"))
            .arg("--otlp-http-endpoint")
            .arg(format!("127.0.0.1:{http_port}"))
            .arg("--pid-file")
            .arg(directory.path().join("pid"))
            .arg("--log-file")
            .arg(directory.path().join("log"));
        let mut process = Process::start_in(&mut command, directory);
        for port in [grpc_port, http_port] {
            wait::until("rotel to listen", || {
                process.assert_alive("rotel");
                TcpStream::connect(("127.0.0.1", port)).ok()
            });
        }
        Rotel { process, grpc_port, http_port }
    }

    /// The process's id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc_port(&self) -> u16 {
        self.grpc_port
    }

    /// Where it takes OTLP over HTTP.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// All that it printed so far, attributes included.
    pub fn log(&self) -> String {
        self.process.stdout()
    }

    /// Every span printed so far, in the order of arrival.
    pub fn spans(&self) -> Vec<Span> {
        parse(&self.process.stdout())
    }

    /// Waits until at least `count` spans of the trace are there; all spans of it.
    pub fn wait_for_trace(&self, trace_id: &str, count: usize) -> Vec<Span> {
        wait::until(&format!("{count} spans of trace {trace_id} in rotel"), || {
            let spans: Vec<_> = self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect();
            (spans.len() >= count).then_some(spans)
        })
    }

    /// Waits until at least `count` spans are there.
    pub fn wait_for(&self, count: usize) -> Vec<Span> {
        wait::until(&format!("{count} spans in rotel"), || {
            let spans = self.spans();
            (spans.len() >= count).then_some(spans)
        })
    }
}

/// The spans of rotel's detailed debug log, one `Key : value` a line. A span that is not yet printed in full
/// is left out.
fn parse(log: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut fields: Vec<&str> = Vec::new();
    for line in log.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        match (key.trim(), value.trim()) {
            ("Trace ID", value) => fields = vec![value],
            ("Parent ID" | "ID" | "Name", value) => fields.push(value),
            ("Kind", value) => {
                if let [trace_id, parent, span_id, name] = fields[..] {
                    spans.push(Span {
                        trace_id: trace_id.to_owned(),
                        span_id: span_id.to_owned(),
                        parent: parent.to_owned(),
                        name: name.to_owned(),
                        kind: kind(value),
                    });
                }
                fields.clear();
            }
            _ => {}
        }
    }
    spans
}

fn kind(name: &str) -> u8 {
    let names = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
    let bare = name.trim_start_matches("SPAN_KIND_");
    let position = names.iter().position(|known| *known == bare);
    position.and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("no span kind: {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_span_is_read_and_a_torn_one_is_not() {
        let log = "Span #0\n    Trace ID       : 0af7\n    Parent ID      : \n    ID             : b7ad\n    \
                   Name           : GET /a:b\n    Kind           : SPAN_KIND_SERVER\nStart time: 1\nSpan #1\n    \
                   Trace ID       : 0af7\n    Parent ID      : b7ad\n    ID  ";
        let expected = Span {
            trace_id: "0af7".to_owned(),
            span_id: "b7ad".to_owned(),
            parent: String::new(),
            name: "GET /a:b".to_owned(),
            kind: crate::spans::SERVER,
        };
        assert_eq!(parse(log), [expected]);
    }
}
