//! Log lines of the guest and, prefixed with `host: `, of the host about the guest. Bounded.

use std::collections::BTreeSet;
use std::fmt;

use crate::counted::counted;

/// Most bytes of messages kept until they are taken.
pub const MAX_LOG_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of one message; the rest is cut off.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// What each line is counted for besides its text.
const LINE_OVERHEAD: usize = 32;
/// Most different lines that the host says once.
pub const MAX_SAID: usize = 1024;

/// How serious a line is; the ABI's numbers in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2
    Info,
    /// 3
    Warn,
    /// 4
    Error,
    /// 5
    Critical,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        })
    }
}

/// One line: what the guest logged or wrote, or what the host has to say about the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// As given by the guest; standard output counts as info, standard error as error.
    pub level: LogLevel,
    /// The text, without its last newline; bytes that are not UTF-8 are replaced.
    pub message: String,
}

/// The lines not taken yet.
#[derive(Debug, Default)]
pub(super) struct Logs {
    lines: Vec<LogLine>,
    bytes: usize,
    dropped: u64,
    said: BTreeSet<String>,
}

impl Logs {
    pub(super) fn guest(&mut self, level: LogLevel, message: &[u8]) {
        let cut = message.get(..MAX_LINE_BYTES).unwrap_or(message);
        self.push(level, String::from_utf8_lossy(cut).into_owned());
    }

    pub(super) fn host(&mut self, level: LogLevel, message: impl fmt::Display) {
        self.push(level, format!("host: {message}"));
    }

    /// Says it unless it was said before, so that a guest that tries again and again makes no flood.
    pub(super) fn host_once(&mut self, message: impl fmt::Display) {
        let message = message.to_string();
        if self.said.len() < MAX_SAID && self.said.insert(message.clone()) {
            self.host(LogLevel::Warn, message);
        }
    }

    fn push(&mut self, level: LogLevel, message: String) {
        let bytes = self.bytes + message.len() + LINE_OVERHEAD;
        if bytes > MAX_LOG_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes = bytes;
        self.lines.push(LogLine { level, message });
    }

    /// Puts lines before those that are here, within the same bound.
    pub(super) fn put_before(&mut self, lines: Vec<LogLine>) {
        let behind = std::mem::take(&mut self.lines);
        self.bytes = 0;
        for line in lines.into_iter().chain(behind) {
            self.push(line.level, line.message);
        }
    }

    pub(super) fn take(&mut self) -> Vec<LogLine> {
        self.bytes = 0;
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            self.host(
                LogLevel::Warn,
                format_args!("{} dropped above {MAX_LOG_BYTES} bytes", counted(dropped, "log line")),
            );
            self.bytes = 0;
        }
        std::mem::take(&mut self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut logs = Logs::default();
        let line = vec![b'x'; 2 * MAX_LINE_BYTES];
        for _ in 0..300 {
            logs.guest(LogLevel::Info, &line);
        }
        let lines = logs.take();
        assert_eq!(lines[0].message.len(), MAX_LINE_BYTES);
        let last = &lines.last().unwrap().message;
        assert_eq!(
            *last,
            format!("host: {} log lines dropped above 16777216 bytes", 300 - (lines.len() - 1))
        );
        assert!(logs.take().is_empty());
    }

    #[test]
    fn the_host_says_a_thing_once() {
        let mut logs = Logs::default();
        logs.host_once("a");
        logs.host_once("a");
        logs.host_once("b");
        let said: Vec<_> = logs.take().into_iter().map(|line| line.message).collect();
        assert_eq!(said, ["host: a", "host: b"]);
    }
}
