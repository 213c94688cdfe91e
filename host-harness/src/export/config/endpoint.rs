//! An endpoint as written → the address that is dialled.

use std::net::IpAddr;

use http::{
    Uri,
    uri::{Authority, Scheme},
};

use super::{ConfigError, GRPC_PORT, Protocol, Setting};

const TRACES_PATH: &str = "v1/traces";
const EXPECTED: &str = "a URL as http://localhost:4318 (for gRPC http://localhost:4317), or with https://";

/// Which kind of setting named the endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For every signal: `v1/traces` is appended for HTTP.
    General,
    /// For traces alone: used as it is.
    Traces,
}

/// The address, and the protocol: the one that was `named`, else gRPC on its own port, else HTTP.
pub(super) fn resolve(
    setting: &Setting,
    form: Form,
    named: Option<Protocol>,
    insecure: Option<bool>,
) -> Result<(Uri, Protocol), ConfigError> {
    let uri: Uri = setting.value.parse().map_err(|_| setting.invalid(EXPECTED))?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| setting.invalid(EXPECTED))?.clone();
    if authority.as_str().contains('@') {
        return Err(ConfigError::Credentials { setting: setting.name.clone() });
    }
    let by_port =
        if authority.port_u16() == Some(GRPC_PORT) { Protocol::Grpc } else { Protocol::HttpProtobuf };
    let protocol = named.unwrap_or(by_port);
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::HTTP,
        Some("https") => Scheme::HTTPS,
        None if protocol == Protocol::Grpc => bare_scheme(&authority, insecure),
        _ => return Err(setting.invalid(EXPECTED)),
    };
    let path = path(&uri, form, protocol);
    Ok((build(scheme, authority, &path).ok_or_else(|| setting.invalid(EXPECTED))?, protocol))
}

/// Without a scheme, gRPC is plain text if that was asked for, or if nobody said anything and it stays here.
fn bare_scheme(authority: &Authority, insecure: Option<bool>) -> Scheme {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if insecure.unwrap_or(is_here) { Scheme::HTTP } else { Scheme::HTTPS }
}

fn path(uri: &Uri, form: Form, protocol: Protocol) -> String {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match (protocol, form) {
        (Protocol::Grpc, _) => "/".to_owned(),
        (_, Form::Traces) => format!("{}{query}", uri.path()),
        (_, Form::General) => {
            format!("{}/{TRACES_PATH}{query}", uri.path().trim_end_matches('/'))
        }
    }
}

fn build(scheme: Scheme, authority: Authority, path: &str) -> Option<Uri> {
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
}
