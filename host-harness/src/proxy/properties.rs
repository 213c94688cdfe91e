//! What a filter can read of live traffic: Envoy's properties by their names.
//! <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::Version;

use super::breach::Breach;
use super::upstream::Ends;
use crate::time::Timestamp;
use crate::vm::PropertyValue;

/// Bits of `response.flags` that the client's end sets, as Envoy's `CoreResponseFlag` counts them.
const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
const DOWNSTREAM_REMOTE_RESET: u64 = 1 << 28;

/// Paths and values, to be set on a stream.
pub(super) type Properties = Vec<(&'static [&'static str], PropertyValue)>;

/// A client's connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    /// The client's end.
    pub(super) source: SocketAddr,
    /// Our end.
    pub(super) destination: SocketAddr,
    /// `TLSv1.3` and the name that was asked for; none without TLS.
    pub(super) tls: Option<(String, String)>,
    /// The client has gone.
    pub(super) gone: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What is known when a request comes.
    pub(super) fn describe(&self, version: Version, at: Timestamp) -> Properties {
        let mut known: Properties = vec![
            (&["request", "time"], PropertyValue::Timestamp(at)),
            (&["request", "protocol"], text(protocol(version))),
            (&["connection", "id"], PropertyValue::Uint(self.id)),
            (&["connection", "mtls"], PropertyValue::Bool(false)),
            (&["source", "address"], address(self.source)),
            (&["source", "port"], port(self.source)),
            (&["destination", "address"], address(self.destination)),
            (&["destination", "port"], port(self.destination)),
            (&["response", "flags"], PropertyValue::Int(0)),
            (&["upstream", "request_attempt_count"], PropertyValue::Uint(0)),
        ];
        if let Some((version, name)) = &self.tls {
            known.push((&["connection", "tls_version"], text(version)));
            known.push((&["connection", "requested_server_name"], text(name)));
        }
        known
    }

    /// What is known when the client has left before the end: over HTTP/2 it may have kept its connection.
    pub(super) fn left(&self, is_http2: bool) -> Properties {
        if is_http2 && !self.gone.load(Ordering::Relaxed) {
            return failed(DOWNSTREAM_REMOTE_RESET, "http2.remote_reset");
        }
        failed(DOWNSTREAM_CONNECTION_TERMINATION, "downstream_remote_disconnect")
    }
}

/// What is known when the request's head goes on; the address, if no name has to be resolved for it.
pub(super) fn chosen(upstream: Option<SocketAddr>) -> Properties {
    let mut known: Properties = vec![
        (&["upstream", "request_attempt_count"], PropertyValue::Uint(1)),
        (&["upstream", "transport_failure_reason"], text("")),
    ];
    if let Some(upstream) = upstream {
        known.push((&["upstream", "address"], address(upstream)));
        known.push((&["upstream", "port"], port(upstream)));
    }
    known
}

/// What is known when there is a connection to the upstream.
pub(super) fn connected(ends: Ends) -> Properties {
    let mut known = chosen(ends.upstream);
    if let Some(local) = ends.local {
        known.push((&["upstream", "local_address"], address(local)));
    }
    known
}

/// What is known of a response of the upstream's.
pub(super) fn answered() -> Properties {
    vec![(&["response", "code_details"], text("via_upstream"))]
}

/// What is known when the upstream breaks off within its response.
pub(super) fn broken_off(breach: Breach) -> Properties {
    let details = format!("upstream_reset_after_response_started{{{}}}", breach.reason());
    failed(breach.flags(), &details)
}

/// What went wrong.
pub(super) fn failed(flags: u64, details: &str) -> Properties {
    let flags = PropertyValue::Int(i64::try_from(flags).unwrap_or(i64::MAX));
    vec![(&["response", "flags"], flags), (&["response", "code_details"], text(details))]
}

pub(super) fn text(value: &str) -> PropertyValue {
    PropertyValue::Bytes(value.as_bytes().to_vec())
}

pub(super) fn size(bytes: u64) -> PropertyValue {
    PropertyValue::Int(i64::try_from(bytes).unwrap_or(i64::MAX))
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

fn address(address: SocketAddr) -> PropertyValue {
    text(&address.to_string())
}

fn port(address: SocketAddr) -> PropertyValue {
    PropertyValue::Int(address.port().into())
}
