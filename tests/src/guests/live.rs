//! The guests in `meshspan proxy`, on real connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{PROGRAMS, Transcripts, take_seen, wasm};
use crate::live::LiveProxy;
use crate::situation::{Desk, Played, Seen, fetch, serve};
use crate::upstream::Upstream;
use crate::wait;

/// What the guests tell is logged, and nothing else below an error.
const LOG: &str = "error,meshspan::filter=trace";

/// A proxy for each program, as `guests-listener.yaml` has a listener, their upstream and their oracle.
#[derive(Debug)]
pub struct Live {
    proxies: BTreeMap<&'static str, LiveProxy>,
    _oracle: Upstream,
    _files: TempDir,
    runtime: Runtime,
    desk: Arc<Mutex<Desk>>,
}

impl Live {
    /// Starts them.
    pub fn start() -> Live {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let app = listener.local_addr().expect("a bound listener has an address").port();
        let (oracle, desk) = (Upstream::start(), Arc::<Mutex<Desk>>::default());
        runtime.spawn(serve(listener, Arc::clone(&desk), true));
        let files = tempfile::tempdir().expect("a temporary directory");
        let filter = file(&files, "guests.wasm", &wasm());
        let upstream = format!("http://127.0.0.1:{app}");
        let start = |program: &'static str| {
            let config = file(&files, program, program.as_bytes());
            (program, start(program, [&upstream, &filter, &config], &oracle, &["--buffer-limit", "16384"]))
        };
        let proxies = PROGRAMS.into_iter().map(start).collect();
        Live { proxies, _oracle: oracle, _files: files, runtime, desk }
    }

    /// Sends an exchange through one program; what the client saw.
    pub fn play(&mut self, program: &str, played: Played<'_>) -> Seen {
        let now = Some((played.exchange.clone(), played.protocol));
        self.desk.lock().expect("no server panics").current = now;
        self.runtime.block_on(fetch(played, self.proxies[program].port()))
    }

    /// The whole requests that the upstream has seen since the last time, by exchange.
    pub fn take_upstream(&self) -> BTreeMap<usize, Vec<Seen>> {
        take_seen(&self.desk)
    }

    /// What a program told, by exchange, once all its streams are over.
    pub fn transcripts(&self, program: &str) -> BTreeMap<usize, Vec<String>> {
        told(&self.proxies[program], program)
    }
}

pub(super) fn file(directory: &TempDir, name: &str, content: &[u8]) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, content).expect("a file can be written");
    path.to_str().expect("a temporary path is text").to_owned()
}

/// A proxy for one program, before an upstream, with the files of the guests and of the program's name.
pub(super) fn start(
    program: &str,
    [upstream, filter, config]: [&str; 3],
    oracle: &Upstream,
    more: &[&str],
) -> LiveProxy {
    let oracle = format!("oracle=http://127.0.0.1:{}", oracle.port());
    let arguments = [
        ["--workers", "1"],
        ["--upstream", upstream],
        ["--filter", filter],
        ["--config", config],
        ["--root-id", program],
        ["--cluster", &oracle],
        // Nothing listens on the port of tcpmux.
        ["--cluster", "refused=http://127.0.0.1:1"],
        ["--on-failure", "closed"],
    ];
    LiveProxy::run(&[arguments.concat().as_slice(), more].concat(), &[("RUST_LOG", LOG)])
}

/// What a program told, by exchange, once all its streams are over.
pub(super) fn told(proxy: &LiveProxy, program: &str) -> BTreeMap<usize, Vec<String>> {
    wait::until("every stream to end", || {
        let mut transcripts = Transcripts::default();
        for line in proxy.output().lines() {
            // The level comes first.
            let Some((_, message)) = line.trim_start().split_once(' ') else { continue };
            transcripts.line(program, message.trim_start());
        }
        transcripts.is_complete().then(|| transcripts.of(program))
    })
}
