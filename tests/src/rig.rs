//! A proxy in a situation: Envoy with several workers, an application behind it and a collector that can fail.
//!
//! ```text
//! client ─▶ traced listeners, from a file ─▶ application      the filter's
//! client ─▶ plain listener ────────────────▶ application      for comparison
//!                └─ OTLP ─▶ FaultyCollector
//! ```

mod visits;

use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::counters::{self, Counters};
use crate::envoy::{Config, Envoy};
use crate::faulty_collector::{Behaviour, FaultyCollector};
use crate::ledger::Ledger;
use crate::process::free_port;
use crate::upstream::Upstream;
use crate::{tools, wait};

pub use visits::{Spans, Visit};

/// Workers of the proxy, each with a VM.
pub const WORKERS: u8 = 2;

const LISTENER: &str = include_str!("../envoy/lifecycle-listener.yaml");

/// A protocol of export; each has a cluster of its own in the bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP.
    Http,
}

/// Both protocols.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

/// A listener with the filter.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Plugins with the same share a VM in each worker.
    pub vm_id: String,
    /// The plugin's root id.
    pub root_id: String,
    /// The plugin's configuration, JSON.
    pub configuration: String,
    /// Off until a route turns the filter on.
    pub disabled: bool,
}

impl Listener {
    /// A listener on a free port.
    pub fn new(configuration: impl Into<String>) -> Listener {
        let (vm_id, root_id) = ("meshspan".to_owned(), "meshspan".to_owned());
        Listener { port: free_port(), vm_id, root_id, configuration: configuration.into(), disabled: false }
    }

    fn yaml(&self, filter: &str) -> String {
        LISTENER
            .replace("PORT", &self.port.to_string())
            .replace("VM_ID", &self.vm_id)
            .replace("ROOT", &self.root_id)
            .replace("CONFIGURATION", &self.configuration)
            .replace("DISABLED", &self.disabled.to_string())
            .replace("FILTER", filter)
    }
}

/// A plugin configuration: spans of `service`, and further keys of `export`, each after a comma.
pub fn plugin(service: &str, protocol: Protocol, export: &str) -> String {
    let (cluster, protocol) = match protocol {
        Protocol::Grpc => ("otel_grpc", "grpc"),
        Protocol::Http => ("otel_http", "http"),
    };
    format!(
        r#"{{"service":{{"name":"{service}"}},"export":{{"cluster":"{cluster}","protocol":"{protocol}"{export}}}}}"#
    )
}

/// The running situation.
#[derive(Debug)]
pub struct Rig {
    /// The proxy.
    pub envoy: Envoy,
    /// The collector.
    pub collector: FaultyCollector,
    /// The application.
    pub upstream: Upstream,
    /// The traced listeners.
    pub listeners: Vec<Listener>,
    /// The port without the filter.
    pub plain: u16,
    /// What was sent and shall have spans.
    pub ledger: RefCell<Ledger>,
    traces: Cell<usize>,
    files: TempDir,
}

impl Rig {
    /// One traced listener with this configuration.
    pub fn start(configuration: impl Into<String>, collector: Behaviour) -> Rig {
        Rig::start_with(vec![Listener::new(configuration)], collector)
    }

    /// Any listeners.
    pub fn start_with(listeners: Vec<Listener>, collector: Behaviour) -> Rig {
        let upstream = Upstream::start();
        let application = upstream.port();
        Rig::start_before(application, listeners, collector, upstream)
    }

    /// One traced listener before an application of the test's own, on the port `application`.
    pub fn before(application: u16, configuration: String, collector: Behaviour) -> Rig {
        Rig::start_before(application, vec![Listener::new(configuration)], collector, Upstream::start())
    }

    fn start_before(
        application: u16,
        listeners: Vec<Listener>,
        collector: Behaviour,
        upstream: Upstream,
    ) -> Rig {
        let (collector, plain) = (FaultyCollector::start(collector), free_port());
        let files = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(files.path().join("filter.wasm"), meshspan::filter_wasm()).expect("a writable file");
        write_listeners(&files, &listeners);
        let config = Config::read(&tools::repository().join("tests/envoy/lifecycle.yaml"));
        let envoy = config
            .replace("/etc/meshspan", files.path().to_str().expect("a temporary path is text"))
            .replace("port_value: 15007 ", &format!("port_value: {plain} "))
            .port(8080, application)
            .port(4317, collector.port())
            .concurrency(WORKERS)
            .arguments(&["--drain-time-s", "1", "--parent-shutdown-time-s", "3"])
            .start();
        let (ledger, traces) = (RefCell::default(), Cell::default());
        let rig = Rig { envoy, collector, upstream, listeners, plain, ledger, traces, files };
        rig.wait_for_listeners();
        rig
    }

    /// The port of the first traced listener.
    pub fn port(&self) -> u16 {
        self.listeners[0].port
    }

    /// Replaces the listeners, as a control plane would: the file is moved into place, and Envoy takes it up
    /// on its own. Returns when Envoy has taken or refused it.
    pub fn update(&mut self, listeners: Vec<Listener>) {
        let before = self.updates();
        write_listeners(&self.files, &listeners);
        wait::until("Envoy to answer to an update", || (self.updates() > before).then_some(()));
        self.listeners = listeners;
    }

    /// The same for the only listener's configuration.
    pub fn configure(&mut self, configuration: String) {
        let listener = Listener { configuration, ..self.listeners[0].clone() };
        self.update(vec![listener]);
    }

    /// Updates of the listeners so far, taken or refused.
    pub fn updates(&self) -> u64 {
        let stats = self.envoy.stats("listener_manager.lds.update_");
        stats["success"] + stats["rejected"]
    }

    /// The counters now.
    pub fn counters(&self) -> Counters {
        counters::now(&self.envoy)
    }

    /// Waits until `started` spans were started, all of them have ended, none waits, and the counters add up.
    pub fn settled(&self, started: u64) -> Counters {
        counters::settled(&self.envoy, started)
    }

    /// Asserts that nothing failed but the export, and that few short lines tell of it.
    pub fn assert_calm(&self, lines: usize) {
        let log = self.envoy.log();
        assert!(log.lines().count() <= lines, "more than {lines} lines:\n{log}");
        assert!(log.lines().all(|line| line.len() < 500), "a long line:\n{log}");
        let reloads = self.envoy.stats("wasm.").into_iter();
        let reloads: Vec<_> =
            reloads.filter(|(name, count)| name.contains("vm_reload") && *count > 0).collect();
        assert_eq!(reloads, [], "a VM failed:\n{log}");
    }

    fn wait_for_listeners(&self) {
        for port in self.listeners.iter().map(|listener| listener.port).chain([self.plain]) {
            wait::until("a listener", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }
}

fn write_listeners(files: &TempDir, listeners: &[Listener]) {
    let filter: PathBuf = files.path().join("filter.wasm");
    let filter = filter.to_str().expect("a temporary path is text");
    let yaml: String = listeners.iter().map(|listener| listener.yaml(filter)).collect();
    let new = files.path().join("listeners.new");
    std::fs::write(&new, format!("resources:\n{yaml}")).expect("a writable file");
    std::fs::rename(new, files.path().join("listeners.yaml")).expect("an atomic move");
}
