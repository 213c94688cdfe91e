//! Who is measured: programs that receive and forward.

use std::time::Duration;

use meshspan_tests::collect::{Collect, Ports};
use meshspan_tests::cpu;
use meshspan_tests::rotel::Rotel;
use tempfile::TempDir;

/// The first is what the others are compared with.
pub(crate) const SUBJECTS: [Subject; 5] =
    [Subject::Rotel, Subject::ForwardOnly, Subject::InMemory, Subject::ForwardOnlyDurable, Subject::Durable];

/// A program and how it is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Rotel,
    ForwardOnly,
    InMemory,
    ForwardOnlyDurable,
    Durable,
}

/// One that runs; ended when dropped.
pub(crate) enum Running {
    Rotel(Rotel),
    /// With the directory of its store.
    Meshspan {
        collect: Collect,
        _directory: TempDir,
    },
}

impl Subject {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rotel => "rotel",
            Self::ForwardOnly => "meshspan, --forward-only",
            Self::InMemory => "meshspan, traces in memory",
            Self::ForwardOnlyDurable => "meshspan, --forward-only, every span in the file first",
            Self::Durable => "meshspan, traces, every span in the file first",
        }
    }

    /// Sends on to a port of 127.0.0.1, with gzip, as rotel does whatever it is told.
    pub(crate) fn start(self, sink: u16) -> Running {
        let forward = format!("http://127.0.0.1:{sink},protocol=grpc,compression=gzip");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("spans.db");
        let collect =
            |store: &[&str]| Collect::run(Ports::default(), &[&["--forward", &forward], store].concat());
        let file = file.to_str().expect("a temporary path is text");
        let collect = match self {
            Self::Rotel => return Running::Rotel(Rotel::forwarding("grpc", sink)),
            Self::ForwardOnly => collect(&["--forward-only"]),
            Self::InMemory => collect(&["--in-memory"]),
            Self::ForwardOnlyDurable => collect(&["--forward-only", "--store", file]),
            Self::Durable => collect(&["--store", file]),
        };
        Running::Meshspan { collect, _directory: directory }
    }
}

impl Running {
    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Rotel(rotel) => rotel.grpc_port(),
            Self::Meshspan { collect, .. } => collect.ports().grpc,
        }
    }

    /// What it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        cpu::used_by(match self {
            Self::Rotel(rotel) => rotel.process_id(),
            Self::Meshspan { collect, .. } => collect.process_id(),
        })
    }
}
