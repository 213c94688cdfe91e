//! A recording streams through the command in constant memory, however long it is: it is made while it is read, so
//! no disk has to hold it.
//!
//! ```text
//! MESHSPAN_STREAM_BYTES=10000000000 cargo test --release -p meshspan --test stream convert -- --nocapture
//! MESHSPAN_STREAM_BYTES=2000000000 cargo test --release -p meshspan --test stream replay -- --nocapture
//! MESHSPAN_STREAM_BYTES=1000000000 cargo test --release -p meshspan --test stream format -- --nocapture
//! ```
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "stream/formats.rs"]
mod formats;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use meshspan::topology::Emojivoto;
use meshspan::traffic::Exchange;
use meshspan::traffic::jsonl::JsonLines;
use serde_json::Value;

/// Bytes of the recordings in a run that nobody has asked to be longer.
const BYTES: [(&str, u64); 3] = [("convert", 20_000_000), ("replay", 40_000_000), ("format", 24_000_000)];
/// How often memory is looked at.
const LOOKS: u64 = 20;
/// Until this look the most that it has may grow: with several threads it goes up and down by ten megabytes.
const WARM: u64 = 5;
/// What that may grow by from then on: the allocator's own lists, less than what is still to come of any recording.
const SLACK: u64 = 12 << 20;
/// How long emojivoto's recording is, rounded up.
const PERIOD: Duration = Duration::from_secs(65);
/// What comes before a trace id that is made another.
const CONTEXT: &str = r#"["traceparent","00-"#;

#[test]
fn convert_holds_no_more_of_a_long_recording_than_of_a_short_one() {
    let (sent, stderr, _) = pass(&["convert", "-"], "convert", recording);
    assert!(stderr.starts_with(&format!("{sent} exchanges, 0 entries skipped\n")), "{stderr}");
}

#[test]
fn replay_holds_no_more_of_a_long_recording_than_of_a_short_one() {
    const TOPOLOGY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings/emojivoto-w3c.topology.json");
    let arguments = ["replay", "-", "--topology", TOPOLOGY, "--show", "none", "-o", "json"];
    let (sent, stderr, stdout) = pass(&arguments, "replay", recording);
    assert_eq!(stderr, "", "nothing is left out");
    let summary: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(summary["exchanges"], sent, "{summary}");
}

#[test]
fn every_other_format_is_held_no_more_of_when_it_is_long() {
    for format in formats::FORMATS {
        println!("{}", format.name);
        let arguments = ["convert", "-", "--format", format.format];
        let (sent, stderr, _) = pass(&arguments, "format", |writer| {
            let [before, between, behind] = format.around;
            writer.write(before.as_bytes());
            let mut number = 0;
            while !writer.is_full() {
                if number > 0 {
                    writer.write(between.as_bytes());
                }
                writer.write(&(format.entry)(number));
                number += 1;
            }
            writer.write(behind.as_bytes());
            number
        });
        let counts = format!("{sent} exchanges, 0 entries skipped\n");
        assert!(stderr.starts_with(&counts), "{}: {stderr}", format.name);
    }
}

/// Gives the command a recording of as many bytes as the test is to have, while it looks at the command's memory;
/// the number of exchanges, and what the command said and gave.
fn pass(
    arguments: &[&str],
    test: &str,
    recording: impl FnOnce(&mut Writer) -> u64,
) -> (u64, String, Vec<u8>) {
    let bytes = std::env::var("MESHSPAN_STREAM_BYTES").map_or_else(
        |_| BYTES.iter().find(|(name, _)| *name == test).unwrap().1,
        |text| {
            text.parse().unwrap_or_else(|_| panic!("MESHSPAN_STREAM_BYTES is {text:?}, expected a number"))
        },
    );
    let directory = tempfile::tempdir().unwrap();
    let (out, errors) = (directory.path().join("out"), directory.path().join("errors"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshspan"));
    command.env_clear().args(arguments).stdin(Stdio::piped());
    // What is converted is as long as the recording.
    command.stdout(match test {
        "replay" => std::fs::File::create(&out).unwrap().into(),
        _ => Stdio::null(),
    });
    let mut child = command.stderr(std::fs::File::create(&errors).unwrap()).spawn().unwrap();
    let mut writer = Writer::new(&mut child, bytes);
    let sent = recording(&mut writer);
    drop(writer);
    let status = child.wait().unwrap();
    let errors = std::fs::read_to_string(errors).unwrap();
    assert!(status.success(), "{status}: {errors}");
    (sent, errors, if out.exists() { std::fs::read(out).unwrap() } else { Vec::new() })
}

/// Emojivoto's recording, again and again; how many exchanges it has.
fn recording(writer: &mut Writer) -> u64 {
    let templates: Vec<Template> =
        JsonLines::new(Emojivoto::W3c.recording()).map(|line| Template::new(&line.unwrap())).collect();
    let (mut exchanges, mut line) = (0, Vec::new());
    for copy in 0.. {
        for template in &templates {
            line.clear();
            template.fill(copy, &mut line);
            writer.write(&line);
            exchanges += 1;
            if writer.is_full() {
                return exchanges;
            }
        }
    }
    unreachable!("copies do not end")
}

/// What the command reads, and looks at what it holds of the machine's memory.
struct Writer {
    stdin: BufWriter<ChildStdin>,
    process: u32,
    /// How long the recording is to be.
    bytes: u64,
    written: u64,
    looks: u64,
    /// The most that the process has held until it was warm.
    most: u64,
}

impl Writer {
    fn new(child: &mut Child, bytes: u64) -> Self {
        let stdin = BufWriter::new(child.stdin.take().unwrap());
        Self { stdin, process: child.id(), bytes, written: 0, looks: 1, most: 0 }
    }

    fn is_full(&self) -> bool {
        self.written >= self.bytes
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stdin.write_all(bytes).unwrap();
        self.written += bytes.len() as u64;
        if self.written < self.bytes / LOOKS * self.looks || self.looks > LOOKS {
            return;
        }
        let resident = resident_bytes(self.process);
        println!("{} bytes written; resident {resident} bytes", self.written);
        if self.looks <= WARM {
            self.most = self.most.max(resident);
        }
        assert!(resident <= self.most + SLACK, "grown from {} to {resident} bytes", self.most);
        self.looks += 1;
    }
}

/// An exchange's line with what is another in each copy taken out.
struct Template(Vec<(String, Hole)>);

/// What comes behind a piece of the line.
enum Hole {
    /// The copy's number, so that ids are unique.
    Copy,
    /// The same in eight hex digits, in place of as many of a trace id.
    Trace,
    /// When the exchange starts, in the first copy.
    Start(jiff::Timestamp),
    Nothing,
}

impl Template {
    fn new(exchange: &Exchange) -> Self {
        let line = serde_json::to_string(exchange).unwrap() + "\n";
        let mut rest = line.as_str();
        let mut pieces = Vec::new();
        let mut cut = |mark: &str, left_out: usize, hole: Hole| {
            if let Some((before, behind)) = rest.split_once(mark) {
                pieces.push((format!("{before}{mark}"), hole));
                rest = &behind[left_out..];
            }
        };
        cut(r#""id":""#, 0, Hole::Copy);
        cut(r#""parent":""#, 0, Hole::Copy);
        cut(r#""start":""#, exchange.start.to_string().len(), Hole::Start(exchange.start));
        cut(CONTEXT, 8, Hole::Trace);
        pieces.push((rest.to_owned(), Hole::Nothing));
        Self(pieces)
    }

    fn fill(&self, copy: u32, line: &mut Vec<u8>) {
        for (piece, hole) in &self.0 {
            line.extend_from_slice(piece.as_bytes());
            match hole {
                Hole::Copy => write!(line, "{copy}-").unwrap(),
                Hole::Trace => write!(line, "{copy:08x}").unwrap(),
                Hole::Start(first) => write!(line, "{}", *first + PERIOD * copy).unwrap(),
                Hole::Nothing => {}
            }
        }
    }
}

/// What a process holds of the machine's memory.
fn resident_bytes(process: u32) -> u64 {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
