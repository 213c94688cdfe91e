//! The proxies of a mesh. All ports are of 127.0.0.1: those of the sidecars are taken when they start, those
//! of the applications are held until the applications do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::StartError;
use super::certificates::Certificates;
use super::file::{Form, Http};
use super::plan::{Application, Outbound, Plan, Program, Workload};
use super::process::{Processes, Tell};
use crate::host::PropertyValue;
use crate::proxy::{self, Cluster, Collector, Endpoint, Protocol, Proxy, ProxyOptions, ProxyStats};
use crate::time::Timestamp;
use crate::tls::{ANY_HTTP, Acceptor, ClientFiles};
use crate::topology::COLLECTOR;
use crate::vm::{FailurePolicy, Filter, PluginOptions};

/// What all sidecars have in common.
#[derive(Clone, Debug)]
pub struct SidecarOptions {
    /// The filter.
    pub filter: Filter,
    /// Where they export to; its TLS beats that of the mesh.
    pub collector: Option<Collector>,
    /// Threads of each, with a VM each; at least 1.
    pub workers: usize,
    /// Seeds the filters' randomness, differently for each VM.
    pub seed: u64,
    /// When the run begins: its certificates hold from then on.
    pub now: Timestamp,
}

/// What a sidecar is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// For what its application is asked.
    Inbound,
    /// For what its application asks this service.
    Outbound(String),
}

/// A sidecar that runs.
pub struct Sidecar {
    /// Beside whose application.
    pub service: String,
    /// What for.
    pub side: Side,
    proxy: Proxy,
}

/// How a sidecar came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Drained {
    /// Beside whose application.
    pub service: String,
    /// What for.
    pub side: Side,
    /// How it ended.
    pub drained: proxy::Drained,
}

/// All sidecars of a mesh, running. Dropping them ends them at once.
pub struct Sidecars {
    sidecars: Vec<Sidecar>,
    applications: BTreeMap<String, Endpoint>,
    /// Whose files the sidecars read again when they change.
    certificates: Option<Certificates>,
    /// So that nobody else gets the applications' ports before them.
    held: Vec<TcpListener>,
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inbound => write!(formatter, "inbound"),
            Self::Outbound(callee) => write!(formatter, "outbound to {callee}"),
        }
    }
}

impl Sidecar {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }
}

impl Sidecars {
    /// Starts those of a plan.
    ///
    /// # Errors
    /// [`StartError`] if a port cannot be had or the filter does not start.
    pub fn start(plan: &Plan, options: &SidecarOptions) -> Result<Self, StartError> {
        let certificates =
            plan.trust.as_ref().map(|trust| Certificates::new(trust, options.now)).transpose()?;
        let mut mesh =
            Self { sidecars: Vec::new(), applications: BTreeMap::new(), certificates, held: Vec::new() };
        for (name, workload) in &plan.workloads {
            let application = match &workload.application {
                Application::Running(endpoint) => endpoint.clone(),
                Application::Program(_) => mesh.hold(name)?,
            };
            mesh.applications.insert(name.clone(), application);
        }
        // The ones behind need the addresses of those in front.
        for (name, workload) in &plan.workloads {
            let Some(upstream) = mesh.applications.get(name).cloned() else { continue };
            let protocol = match workload.protocol {
                Http::Same => Protocol::Same,
                Http::H1 => Protocol::Http1,
                Http::H2 => Protocol::Http2,
            };
            let base = ProxyOptions {
                listen: listen(workload.port),
                protocol,
                tls: mesh.acceptor(plan, name)?,
                // Whoever asks the mesh from outside has no certificate of its.
                takes_plain_text: *name == plan.entry,
                ..ProxyOptions::new(upstream)
            };
            mesh.add((name, workload), Side::Inbound, base, (plan, options))?;
        }
        for (name, workload) in &plan.workloads {
            for (callee, call) in &workload.calls {
                let Some(upstream) = mesh.address(callee, &Side::Inbound) else { continue };
                let upstream = Endpoint { is_tls: mesh.certificates.is_some(), ..local(upstream.port()) };
                let callee_is = plan.trust.as_ref().and_then(|trust| trust.identities.get(callee)).cloned();
                let base = ProxyOptions {
                    listen: listen(call.port),
                    protocol: Protocol::AsClient,
                    upstream_tls: mesh.certificates.as_ref().map(|files| files.client(name, callee_is)),
                    ..ProxyOptions::new(upstream)
                };
                mesh.add((name, workload), Side::Outbound(callee.clone()), base, (plan, options))?;
            }
        }
        Ok(mesh)
    }

    /// Starts the plan's applications; `tell` gets what they write.
    ///
    /// # Errors
    /// [`StartError::Process`] if one cannot be started; then those before it are ended.
    pub fn start_processes(&mut self, plan: &Plan, tell: Tell) -> Result<Processes, StartError> {
        self.held.clear();
        let mut processes = Processes::new(tell);
        for (name, workload) in &plan.workloads {
            let Application::Program(program) = &workload.application else { continue };
            let started = processes.start(name, &mut self.command(name, program, workload));
            started.map_err(|source| StartError::Process {
                service: name.clone(),
                program: program.path.clone(),
                directory: program.directory.clone(),
                source,
            })?;
        }
        Ok(processes)
    }

    /// What others have to believe of what the sidecars show, if they show anything.
    pub fn roots(&self) -> Option<&Path> {
        self.certificates.as_ref().map(Certificates::roots)
    }

    /// All that run.
    pub fn all(&self) -> &[Sidecar] {
        &self.sidecars
    }

    /// Where a service's application is.
    pub fn application(&self, service: &str) -> Option<&Endpoint> {
        self.applications.get(service)
    }

    /// Where a service's sidecar listens.
    pub fn address(&self, service: &str, side: &Side) -> Option<SocketAddr> {
        let mut sidecars = self.sidecars.iter();
        let found = sidecars.find(|sidecar| sidecar.service == service && sidecar.side == *side)?;
        Some(found.address())
    }

    /// Ends all at the same time: each lets what is under way come to its end within `limit`, and exports
    /// its last spans.
    pub fn drain(self, limit: Duration) -> Vec<Drained> {
        std::thread::scope(|scope| {
            let under_way: Vec<_> = self
                .sidecars
                .into_iter()
                .map(|Sidecar { service, side, proxy }| {
                    (service, side, scope.spawn(move || proxy.drain(limit)))
                })
                .collect();
            let ended = under_way.into_iter().map(|(service, side, thread)| {
                let cut =
                    |_| proxy::Drained { stats: ProxyStats::default(), is_whole: false, is_finished: false };
                Drained { service, side, drained: thread.join().unwrap_or_else(cut) }
            });
            ended.collect()
        })
    }

    /// What a service's inbound sidecar shows, and whom it lets in.
    fn acceptor(&self, plan: &Plan, service: &str) -> Result<Option<Arc<Acceptor>>, StartError> {
        let files = self.certificates.as_ref().and_then(|files| files.server(service, plan.callers(service)));
        let acceptor = files.map(|files| Acceptor::new(files, &ANY_HTTP)).transpose();
        acceptor.map(|acceptor| acceptor.map(Arc::new)).map_err(|source| StartError::Sidecar {
            service: service.to_owned(),
            side: Side::Inbound,
            source: source.into(),
        })
    }

    /// A free port for an application.
    fn hold(&mut self, service: &str) -> Result<Endpoint, StartError> {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        });
        let (listener, port) =
            held.map_err(|source| StartError::Port { service: service.to_owned(), source })?;
        self.held.push(listener);
        Ok(local(port))
    }

    fn add(
        &mut self,
        (service, workload): (&str, &Workload),
        side: Side,
        base: ProxyOptions,
        (plan, options): (&Plan, &SidecarOptions),
    ) -> Result<(), StartError> {
        let (configuration, cluster) = configuration(workload, options.collector.as_ref());
        let direction = if side == Side::Inbound { 1 } else { 2 };
        let listener_direction = vec!["xds".to_owned(), "listener_direction".to_owned()];
        let program = proxy::Program {
            filter: options.filter.clone(),
            options: PluginOptions {
                configuration,
                environment: options.collector.iter().flat_map(Collector::environment).collect(),
                plugin_name: "meshspan".to_owned(),
                properties: vec![(listener_direction, PropertyValue::Int(direction))],
                ..PluginOptions::default()
            },
            policy: FailurePolicy::FailOpen,
        };
        let collector = options.collector.iter();
        let proxy_options = ProxyOptions {
            clusters: collector
                .map(|collector| (cluster.clone(), self.cluster(plan, service, collector)))
                .collect(),
            workers: options.workers,
            seed: options.seed,
            ..base
        };
        let service = service.to_owned();
        match Proxy::start(program, proxy_options) {
            Ok(proxy) => self.sidecars.push(Sidecar { service, side, proxy }),
            Err(source) => return Err(StartError::Sidecar { service, side, source }),
        }
        Ok(())
    }

    /// The collector, with what the mesh knows of certificates where nothing else was said.
    fn cluster(&self, plan: &Plan, service: &str, collector: &Collector) -> Cluster {
        let collector_is = plan.trust.as_ref().and_then(|trust| trust.collector.clone());
        let ours = self.certificates.as_ref().map(|files| files.client(service, collector_is));
        let (ours, given) = (ours.unwrap_or_default(), collector.cluster.tls.clone());
        let tls = ClientFiles {
            roots: given.roots.or(ours.roots),
            certificate: given.certificate.or(ours.certificate),
            identity: given.identity.or(ours.identity),
        };
        Cluster { tls, ..collector.cluster.clone() }
    }

    fn command(&self, service: &str, program: &Program, workload: &Workload) -> Command {
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).current_dir(&program.directory).envs(&program.environment);
        if let Some(application) = self.applications.get(service) {
            command.env(&program.port_variable, application.port.to_string());
        }
        for (callee, Outbound { variable, form, .. }) in &workload.calls {
            let address = self.address(service, &Side::Outbound(callee.clone()));
            if let (Some(variable), Some(address)) = (variable, address) {
                command.env(
                    variable,
                    match form {
                        Form::Url => format!("http://{address}"),
                        Form::HostPort => address.to_string(),
                    },
                );
            }
        }
        command
    }
}

/// A sidecar's configuration, and the cluster that it exports to.
fn configuration(workload: &Workload, collector: Option<&Collector>) -> (Vec<u8>, String) {
    let mut plugin = workload.plugin.clone();
    if let Some(collector) = collector
        && let Value::Object(export) = plugin.entry("export").or_insert_with(|| json!({}))
    {
        export.entry("cluster").or_insert_with(|| COLLECTOR.into());
        export.entry("protocol").or_insert_with(|| collector.protocol().into());
    }
    let plugin = Value::Object(plugin);
    let cluster = plugin.pointer("/export/cluster").and_then(Value::as_str).unwrap_or(COLLECTOR);
    (plugin.to_string().into_bytes(), cluster.to_owned())
}

fn listen(port: Option<u16>) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))
}

fn local(port: u16) -> Endpoint {
    Endpoint { host: Ipv4Addr::LOCALHOST.to_string(), port, is_tls: false }
}
