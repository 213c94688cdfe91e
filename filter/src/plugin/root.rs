//! One plugin configuration's state: its tracer, its queue of finished spans, its exporter.
//! A plugin whose configuration has not come yet, or was refused, traces nothing.

use std::time::Duration;

use super::export::{Answer, Exporter, Turn};
use super::host::{self, CallToken, Callback, Level};
use super::metrics::Metrics;
use super::proxy::Proxy;
use crate::batch::BatchQueue;
use crate::config::{Config, ExportConfig, Node, Warning};
use crate::ids::IdGenerator;
use crate::tracer::Tracer;

/// The root context; empty until configured.
#[derive(Debug, Default)]
pub(super) struct Root(Option<Configured>);

/// What a valid configuration becomes.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) tracer: Tracer,
    pub(super) ids: IdGenerator,
    pub(super) queue: BatchQueue,
    pub(super) metrics: Metrics,
    /// Known from the first stream on, where all proxies can be asked.
    proxy: Option<Proxy>,
    /// The configuration as it came.
    json: Vec<u8>,
    exporter: Exporter,
    closing: bool,
}

impl Root {
    /// Reads the configuration; `false` rejects it, with one log line that says why.
    pub(super) fn configure(&mut self, call: &Callback) -> bool {
        let json = host::buffer(call, host::Buffer::PluginConfiguration).unwrap_or_default();
        match Config::parse(&json, &environment()) {
            Ok((config, warnings)) => {
                warn(&warnings);
                let ExportConfig { cluster, protocol, .. } = &config.export;
                let version = env!("CARGO_PKG_VERSION");
                let line =
                    format!("meshspan {version}: exporting spans to cluster \"{cluster}\" ({protocol:?})");
                host::log(Level::Debug, &line);
                match &mut self.0 {
                    Some(configured) => configured.reconfigure(&config, json.into_owned()),
                    None => self.0 = Some(Configured::new(&config, json.into_owned())),
                }
                true
            }
            Err(error) => {
                host::log(Level::Error, &format!("configuration rejected: {error}"));
                false
            }
        }
    }

    /// The state, once there is a valid configuration.
    pub(super) fn configured(&mut self) -> Option<&mut Configured> {
        self.0.as_mut()
    }

    /// Sends what is due and hands the counts to the host.
    pub(super) fn tick(&mut self, call: &Callback) {
        if let Some(root) = &mut self.0 {
            root.work(call);
        }
    }

    /// An export was answered.
    pub(super) fn answered(&mut self, token: CallToken, answer: Answer, call: &Callback) {
        if let Some(root) = &mut self.0 {
            root.export(call, |exporter, _, turn| exporter.answered(token, answer, turn));
            root.work(call);
        }
    }

    /// The host wants to end this context: `true` if it may, else the last spans are on their way
    /// and `proxy_done` will follow.
    pub(super) fn close(&mut self, call: &Callback) -> bool {
        let Some(root) = &mut self.0 else { return true };
        root.closing = true;
        root.send(call);
        // A host may end the VM now, and with it all that waits here, which the gauges, since they outlast the
        // VM, must not show for ever. If the VM lives on, its next tick shows what is left.
        let proxy = root.proxy();
        root.metrics.publish(0, 0, proxy);
        let idle = root.idle();
        // Once idle there is nothing to announce later.
        root.closing = !idle;
        idle
    }
}

impl Configured {
    fn new(config: &Config, json: Vec<u8>) -> Self {
        host::set_tick_period(tick_period(config.export.max_delay));
        Self {
            tracer: Tracer::new(config),
            ids: IdGenerator::from_seed(seed()),
            queue: BatchQueue::new(config.export.limits()),
            metrics: Metrics::define(),
            proxy: None,
            json,
            exporter: Exporter::new(config),
            closing: false,
        }
    }

    /// Takes another configuration, or the same once more, as for a second listener with an equal plugin:
    /// what waits to be sent, and what has been counted, stays.
    fn reconfigure(&mut self, config: &Config, json: Vec<u8>) {
        host::set_tick_period(tick_period(config.export.max_delay));
        self.tracer = Tracer::new(config);
        self.queue.set_limits(config.export.limits());
        self.exporter.reconfigure(config);
        self.proxy = None;
        self.json = json;
    }

    /// Which proxy this is. Only a stream's callback finds it out: elsewhere nginx has no properties.
    pub(super) fn meet(&mut self, call: &Callback) -> Proxy {
        if let Some(proxy) = self.proxy {
            return proxy;
        }
        let proxy = Proxy::detect(call);
        self.proxy = Some(proxy);
        if proxy.is_whole() {
            self.read_node(call);
        }
        proxy
    }

    /// Completes the resource by what the proxy says of itself.
    #[cold]
    fn read_node(&mut self, call: &Callback) {
        let node = Node::read(|path| Some(host::property(call, &format!("xds\0node\0{path}"))?.into_owned()));
        match Config::parse_on(&node, &self.json, &environment()) {
            Ok((config, warnings)) => {
                self.exporter.reconfigure(&config);
                warn(warnings.iter().filter(|warning| warning.is_of_node()));
            }
            Err(error) => host::log(Level::Warn, &format!("the proxy's node is left out: {error}")),
        }
    }

    fn work(&mut self, call: &Callback) {
        self.send(call);
        self.publish();
        if self.closing && self.idle() {
            self.closing = false;
            if self.proxy().is_whole() {
                host::done();
            }
        }
    }

    /// Which proxy this is, as far as it is known.
    pub(super) fn proxy(&self) -> Proxy {
        self.proxy.unwrap_or_default()
    }

    fn send(&mut self, call: &Callback) {
        let flush = self.closing;
        self.export(call, |exporter, queue, turn| exporter.send(queue, flush, turn));
    }

    fn export(
        &mut self,
        callback: &Callback,
        step: impl FnOnce(&mut Exporter, &mut BatchQueue, &mut Turn<'_>),
    ) {
        let (now, proxy) = (host::now(), self.proxy());
        let turn = &mut Turn { callback, now, proxy, metrics: &mut self.metrics, ids: &mut self.ids };
        step(&mut self.exporter, &mut self.queue, turn);
    }

    fn publish(&mut self) {
        let (held_spans, held_bytes) = self.exporter.held();
        let (spans, bytes) = (self.queue.len() + held_spans, self.queue.bytes() + held_bytes);
        self.metrics.publish(spans, bytes, self.proxy());
    }

    fn idle(&self) -> bool {
        self.queue.is_empty() && self.exporter.held().0 == 0
    }
}

fn environment() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(key, value)| (text(key), text(value))).collect()
}

fn warn<'a>(warnings: impl IntoIterator<Item = &'a Warning>) {
    for warning in warnings {
        host::log(Level::Warn, &warning.to_string());
    }
}

/// Often enough that a full batch does not wait for the delay, rarely enough to cost nothing.
fn tick_period(max_delay: Duration) -> Duration {
    (max_delay / 4).clamp(Duration::from_millis(10), Duration::from_millis(100))
}

/// Randomness from the host; from its clock where it has none.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if getrandom::fill(&mut seed).is_err() {
        host::log(Level::Warn, "the host has no randomness, ids are seeded from its clock");
        for (byte, clock) in seed.iter_mut().zip(host::now().as_unix_nanos().to_le_bytes()) {
            *byte = clock;
        }
    }
    seed
}
