//! The guests in a real Envoy.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{PROGRAMS, Transcripts, wasm};
use crate::envoy::{Config, Envoy};
use crate::process::free_port;
use crate::situation::{Desk, Played, Seen, fetch, serve};
use crate::upstream::Upstream;
use crate::wait;

const BOOTSTRAP: &str = include_str!("../../envoy/guests.yaml");
const LISTENER: &str = include_str!("../../envoy/guests-listener.yaml");

/// An Envoy with a listener for each program, their upstream and their oracle.
#[derive(Debug)]
pub struct Stage {
    envoy: Envoy,
    _oracle: Upstream,
    runtime: Runtime,
    ports: BTreeMap<&'static str, u16>,
    desk: Arc<Mutex<Desk>>,
}

impl Stage {
    /// Starts it.
    pub fn start() -> Stage {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let app = listener.local_addr().expect("a bound listener has an address").port();
        let (oracle, desk) = (Upstream::start(), Arc::<Mutex<Desk>>::default());
        runtime.spawn(serve(listener, Arc::clone(&desk), false));
        let ports: BTreeMap<_, _> = PROGRAMS.into_iter().map(|program| (program, free_port())).collect();
        let listeners = ports
            .iter()
            .map(|(program, port)| LISTENER.replace("PROGRAM", program).replace("PORT", &port.to_string()));
        let yaml = BOOTSTRAP.replace("\nLISTENERS\n", &format!("\n{}", listeners.collect::<String>()));
        let config = Config::of(yaml).filter(&wasm()).port(8080, app).port(8081, oracle.port());
        Stage { envoy: config.start(), _oracle: oracle, runtime, ports, desk }
    }

    /// Sends an exchange through one program; what the client saw.
    pub fn play(&mut self, program: &str, played: Played<'_>) -> Seen {
        let what = format!("envoy, before exchange {} through {program},", played.exchange.id);
        self.envoy.process().assert_alive(&what);
        let now = Some((played.exchange.clone(), played.protocol));
        self.desk.lock().expect("no server panics").current = now;
        self.runtime.block_on(fetch(played, self.ports[program]))
    }

    /// The whole requests that the upstream has seen since the last time, by exchange.
    pub fn take_upstream(&self) -> BTreeMap<usize, Vec<Seen>> {
        super::take_seen(&self.desk)
    }

    /// All that the guests told, once every stream is over.
    pub fn transcripts(&self) -> Transcripts {
        wait::until("every stream to end", || {
            let transcripts = transcripts(&self.envoy.log());
            transcripts.is_complete().then_some(transcripts)
        })
    }
}

/// Lines such as `[…] wasm log NAME ROOT_ID VM_ID: MESSAGE`.
pub(super) fn transcripts(log: &str) -> Transcripts {
    let mut transcripts = Transcripts::default();
    for line in log.lines() {
        let Some((_, told)) = line.split_once("] wasm log ") else { continue };
        let Some((plugin, message)) = told.split_once(": ") else { continue };
        transcripts.line(plugin.split(' ').next().unwrap_or_default(), message);
    }
    transcripts
}
