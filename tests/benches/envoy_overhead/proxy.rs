//! One variant's Envoy with its clients.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use meshspan_tests::cpu;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::process::free_port;

use crate::connection::Connection;
use crate::load::Load;
use crate::sink::Sink;
use crate::variant::Variant;

/// Clients that each wait for their answer before they ask again.
pub(crate) const CONNECTIONS: usize = 4;

/// A running variant.
pub(crate) struct Proxy {
    pub(crate) variant: Variant,
    envoy: Envoy,
    connections: Vec<Connection>,
    /// The spans that it must have exported by now.
    spans: usize,
}

impl Proxy {
    /// Starts Envoy with one worker and opens the clients' connections.
    pub(crate) fn start(variant: &Variant, meshspan: &[u8], application: u16, sink: u16) -> Proxy {
        let port = free_port();
        let config = Config::of(variant.bootstrap()).port(15006, port).port(8080, application);
        let config = config.port(4317, sink).concurrency(1);
        let config = match variant.module(meshspan) {
            Some(module) => config.filter(&module),
            None => config,
        };
        let envoy = config.start();
        let open = |_| Connection::open(port).expect("a live Envoy listens");
        let connections = (0..CONNECTIONS).map(open).collect();
        Proxy { variant: *variant, envoy, connections, spans: 0 }
    }

    /// Sends the requests of these numbers over all connections and waits for the answers.
    pub(crate) fn drive(&mut self, load: &Load, requests: Range<usize>) {
        let (variant, heads) = (self.variant, [load.head(false), load.head(true)]);
        let (heads, spans) = (&heads, variant.spans(requests.clone()));
        thread::scope(|scope| {
            for (connection, first) in self.connections.iter_mut().zip(requests.clone()) {
                scope.spawn(move || {
                    for request in (first..requests.end).step_by(CONNECTIONS) {
                        let head = &heads[usize::from(variant.samples(request))];
                        connection
                            .exchange(load, head)
                            .unwrap_or_else(|error| panic!("{} with {}: {error}", variant.name, load.name));
                    }
                });
            }
        });
        self.spans += spans;
    }

    /// Waits until its spans have arrived.
    pub(crate) fn drain(&self, sink: &Sink) {
        if self.spans > 0 {
            sink.wait_for(self.variant.name, self.spans);
        }
    }

    /// The CPU time that Envoy has used since its start.
    pub(crate) fn cpu(&self) -> Duration {
        cpu::used_by(self.envoy.process_id())
    }
}
