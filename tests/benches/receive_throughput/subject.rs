//! Who is measured: programs that receive and forward.

use std::time::Duration;

use meshspan_tests::collect::{Collect, Ports};
use meshspan_tests::cpu;
use meshspan_tests::rotel::Rotel;
use tempfile::TempDir;

/// The first is what the others are compared with.
pub(crate) const SUBJECTS: [Subject; 3] = [Subject::Rotel, Subject::InMemory, Subject::Durable];

/// A program and how it is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Rotel,
    InMemory,
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
            Self::InMemory => "meshspan, in memory",
            Self::Durable => "meshspan, every span in the file first",
        }
    }

    /// Sends on to a port of 127.0.0.1, with gzip, as rotel does whatever it is told.
    pub(crate) fn start(self, sink: u16) -> Running {
        let forward = format!("http://127.0.0.1:{sink},protocol=grpc,compression=gzip");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("spans.db");
        let collect =
            |store: &[&str]| Collect::run(Ports::default(), &[&["--forward", &forward], store].concat());
        match self {
            Self::Rotel => Running::Rotel(Rotel::forwarding("grpc", sink)),
            Self::InMemory => Running::Meshspan { collect: collect(&["--in-memory"]), _directory: directory },
            Self::Durable => {
                let file = file.to_str().expect("a temporary path is text");
                Running::Meshspan { collect: collect(&["--store", file]), _directory: directory }
            }
        }
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
