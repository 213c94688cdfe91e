//! An endpoint as written → the address that is dialled.

use http::{
    Uri,
    uri::{Authority, Scheme},
};

use super::{ConfigError, GRPC_PORT, Protocol, Setting};

const TRACES_PATH: &str = "v1/traces";
const EXPECTED: &str = "a URL as http://localhost:4318 (for gRPC http://localhost:4317)";

/// Which kind of setting named the endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
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
    insecure: bool,
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
    check_scheme(setting, uri.scheme(), protocol, insecure)?;
    let path = path(&uri, form, protocol);
    Ok((build(authority, &path).ok_or_else(|| setting.invalid(EXPECTED))?, protocol))
}

/// Only plain text can be sent; without a scheme gRPC means TLS unless `insecure`, and HTTP means nothing.
fn check_scheme(
    setting: &Setting,
    scheme: Option<&Scheme>,
    protocol: Protocol,
    insecure: bool,
) -> Result<(), ConfigError> {
    let tls = || ConfigError::Tls { setting: setting.name.clone(), found: setting.value.clone() };
    match scheme.map(Scheme::as_str) {
        Some("http") => Ok(()),
        Some("https") => Err(tls()),
        None if protocol == Protocol::Grpc && insecure => Ok(()),
        None if protocol == Protocol::Grpc => Err(setting.invalid(
            "a URL as http://localhost:4317: without a scheme gRPC means TLS, which comes later \
             (or set OTEL_EXPORTER_OTLP_INSECURE=true)",
        )),
        _ => Err(setting.invalid(EXPECTED)),
    }
}

fn path(uri: &Uri, form: Form, protocol: Protocol) -> String {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match (protocol, form) {
        (Protocol::Grpc, _) => "/".to_owned(),
        (Protocol::HttpProtobuf, Form::Traces) => format!("{}{query}", uri.path()),
        (Protocol::HttpProtobuf, Form::General) => {
            format!("{}/{TRACES_PATH}{query}", uri.path().trim_end_matches('/'))
        }
    }
}

fn build(authority: Authority, path: &str) -> Option<Uri> {
    Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build().ok()
}
