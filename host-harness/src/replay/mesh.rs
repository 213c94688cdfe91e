//! What the traffic passes: a mesh of sidecars, or one proxy that has all of it.
//!
//! `Mesh::Topology`: vote-bot → `vote-bot outbound`, `web inbound` → web; `Mesh::Proxy`: → `proxy` →

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::collect::Direction;
use crate::host::{HostProfile, PropertyValue};
use crate::topology::{Application, Latency, NGINX_COLLECTOR, Route, Topology, TopologyError};
use crate::traffic::Exchange;
use crate::vm::PluginOptions;

use super::ReplayOptions;

/// The name of the one proxy.
const ALONE: &str = "proxy";
/// Addresses of nobody (RFC 5737) for the two sides of the one proxy.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 80);

/// What the traffic passes.
#[derive(Clone, Copy, Debug)]
pub enum Mesh<'a> {
    /// Sidecars and modelled applications.
    Topology(&'a Topology),
    /// One proxy, without applications: headers come as they were recorded, trace headers among them.
    Proxy(&'a SingleProxy),
}

/// One proxy that all traffic passes.
#[derive(Clone, Debug)]
pub struct SingleProxy {
    /// What `proxy_on_configure` reads.
    pub configuration: Vec<u8>,
    /// What the proxy's listener says of its traffic.
    pub direction: Direction,
    /// Names of the clusters that callouts may go to.
    pub clusters: Vec<String>,
}

/// A proxy's listener: workload and direction. Each is a VM of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProxyId {
    pub(super) workload: String,
    pub(super) direction: Direction,
}

impl std::fmt::Display for ProxyId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.workload, self.direction.as_str())
    }
}

impl<'a> Mesh<'a> {
    /// Whether both sides of the exchange are known.
    pub(super) fn check(&self, exchange: &Exchange) -> Result<(), TopologyError> {
        let Self::Topology(topology) = self else { return Ok(()) };
        topology.service(&exchange.source, || format!("exchange {:?}: source", exchange.id))?;
        topology.service(&exchange.destination, || format!("exchange {:?}: destination", exchange.id))?;
        Ok(())
    }

    /// Whether applications are modelled, so that a call is made in the handling of its parent.
    pub(super) fn has_applications(&self) -> bool {
        matches!(self, Self::Topology(_))
    }

    /// What the application of this service does; with the name as the topology has it.
    pub(super) fn application(&self, service: &str) -> Option<(&'a str, &'a Application)> {
        let Self::Topology(topology) = self else { return None };
        let (name, service) = topology.services.get_key_value(service)?;
        Some((name, &service.application))
    }

    /// Where the source is, and where the destination listens.
    pub(super) fn addresses(&self, exchange: &Exchange) -> Option<(IpAddr, SocketAddr)> {
        match self {
            Self::Topology(topology) => {
                let address = |name| topology.services.get(name).map(|service| service.address);
                Some((address(&exchange.source)?.ip(), address(&exchange.destination)?))
            }
            Self::Proxy(_) => Some((CLIENT, SERVER)),
        }
    }

    pub(super) fn latency(&self) -> Latency {
        match self {
            Self::Topology(topology) => topology.latency,
            Self::Proxy(_) => Latency::default(),
        }
    }

    pub(super) fn route(&self, exchange: &Exchange) -> Route {
        match self {
            Self::Topology(topology) => topology.route(&exchange.source, &exchange.destination),
            Self::Proxy(proxy) => Route {
                source_proxied: proxy.direction == Direction::Outbound,
                destination_proxied: proxy.direction == Direction::Inbound,
            },
        }
    }

    /// The proxies that the exchange passes, the caller's first.
    pub(crate) fn proxies(&self, exchange: &Exchange) -> Vec<ProxyId> {
        let Route { source_proxied, destination_proxied } = self.route(exchange);
        let id = |service: &String, direction| ProxyId {
            workload: if self.has_applications() { service.clone() } else { ALONE.to_owned() },
            direction,
        };
        let outbound = source_proxied.then(|| id(&exchange.source, Direction::Outbound));
        let inbound = destination_proxied.then(|| id(&exchange.destination, Direction::Inbound));
        outbound.into_iter().chain(inbound).collect()
    }

    /// What a proxy's plugin is started with, but for its seed and its start.
    pub(crate) fn plugin(&self, id: &ProxyId, options: &ReplayOptions) -> PluginOptions {
        let (configuration, clusters) = match (self, options.profile) {
            (Self::Topology(topology), HostProfile::Envoy) => {
                (topology.plugin_configuration(&id.workload), topology.clusters.clone())
            }
            (Self::Topology(topology), HostProfile::Nginx) => (
                topology.nginx_configuration(&id.workload, id.direction.as_str()),
                vec![NGINX_COLLECTOR.to_owned()],
            ),
            (Self::Proxy(proxy), _) => (proxy.configuration.clone(), proxy.clusters.clone()),
        };
        // Envoy's core.v3.TrafficDirection.
        let direction = match id.direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        let listener = vec!["xds".to_owned(), "listener_direction".to_owned()];
        PluginOptions {
            configuration,
            profile: options.profile,
            properties: vec![(listener, PropertyValue::Int(direction))],
            clusters,
            lifecycle: options.lifecycle,
            ..PluginOptions::default()
        }
    }
}
