//! A child process whose output is kept and which ends with its owner.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    directory: TempDir,
}

impl Process {
    /// Starts `command` with its output going to files of an own temporary directory.
    pub fn start(command: &mut Command) -> Process {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Process::start_in(command, directory)
    }

    /// The same in a directory that already holds the child's files.
    pub fn start_in(command: &mut Command, directory: TempDir) -> Process {
        let file = |name: &str| File::create(directory.path().join(name)).expect("an output file");
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", Path::new(&program).display()));
        Process { child, directory }
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the child wrote to its standard output so far.
    pub fn stdout(&self) -> String {
        read(self.directory.path().join("stdout"))
    }

    /// What the child wrote to its standard error so far.
    pub fn stderr(&self) -> String {
        read(self.directory.path().join("stderr"))
    }

    /// The child's directory; goes when the process is dropped.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends SIGTERM, as whoever runs the child does to end it.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "the child is there");
    }

    /// Sends SIGKILL, as a machine that has no more memory does, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("a child can be waited for");
    }

    /// How the child ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Panics with the child's output when it has ended.
    pub fn assert_alive(&mut self, name: &str) {
        if let Some(status) = self.ended() {
            panic!("{name} ended with {status}\n{}\n{}", self.stdout(), self.stderr());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Below those that systems give to clients' connections, so that none of these takes one that is to be listened on.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A TCP port of 127.0.0.1 that was free a moment ago, another at each call.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Programs that run at the same time begin at different places.
    let first = std::process::id().wrapping_mul(997);
    (0..count)
        .map(|_| first.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % count)
        .map(|place| PORTS.start + u16::try_from(place).expect("a place within the range"))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

fn read(path: PathBuf) -> String {
    String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned()
}
