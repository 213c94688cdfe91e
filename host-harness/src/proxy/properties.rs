//! What a filter can read of live traffic: Envoy's properties by their names.
//! <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>

use std::net::SocketAddr;

use hyper::Version;

use crate::time::Timestamp;
use crate::vm::PropertyValue;

/// Bits of `response.flags`, as Envoy's `CoreResponseFlag` counts them.
pub(super) const UPSTREAM_CONNECTION_FAILURE: u64 = 1 << 5;
pub(super) const UPSTREAM_CONNECTION_TERMINATION: u64 = 1 << 6;
pub(super) const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
pub(super) const UPSTREAM_PROTOCOL_ERROR: u64 = 1 << 23;

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
        ];
        if let Some((version, name)) = &self.tls {
            known.push((&["connection", "tls_version"], text(version)));
            known.push((&["connection", "requested_server_name"], text(name)));
        }
        known
    }
}

/// What is known of the upstream once it has answered.
pub(super) fn upstream(peer: Option<SocketAddr>, details: &str) -> Properties {
    let mut known: Properties = vec![
        (&["response", "code_details"], text(details)),
        (&["response", "flags"], PropertyValue::Int(0)),
        (&["upstream", "request_attempt_count"], PropertyValue::Uint(1)),
    ];
    if let Some(peer) = peer {
        known.push((&["upstream", "address"], address(peer)));
        known.push((&["upstream", "port"], port(peer)));
    }
    known
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
