//! Certificates and the collector's identity, for endpoints over TLS.

use std::path::PathBuf;

use http::Uri;

use super::{
    ConfigError, ExportFlags,
    settings::{Environment, Setting},
};
use crate::tls::ClientFiles;

/// A file, and the setting that named it.
struct Named {
    setting: String,
    path: PathBuf,
}

/// What TLS needs; `None` for plain text, whose certificates do not count.
pub(super) fn resolve(
    setting: &Setting,
    endpoint: &Uri,
    flags: &ExportFlags,
    env: &Environment<'_>,
) -> Result<Option<ClientFiles>, ConfigError> {
    if endpoint.scheme_str() != Some("https") {
        return match flags.identity {
            None => Ok(None),
            Some(_) => {
                Err(ConfigError::Plain { setting: setting.name.clone(), found: setting.value.clone() })
            }
        };
    }
    let own = file(flags.client_certificate.as_ref(), "--otlp-cert", "CLIENT_CERTIFICATE", env);
    let key = file(flags.client_key.as_ref(), "--otlp-key", "CLIENT_KEY", env);
    let half = |there: Named, flag: &str, variable: &str| {
        let missing = if there.setting.starts_with("--") { flag } else { variable };
        Err(ConfigError::Half { setting: there.setting, missing: missing.to_owned() })
    };
    let certificate = match (own, key) {
        (Some(own), Some(key)) => Some((own.path, key.path)),
        (None, None) => None,
        (Some(own), None) => return half(own, "--otlp-key", "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        (None, Some(key)) => return half(key, "--otlp-cert", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    };
    let roots = file(flags.certificate.as_ref(), "--otlp-ca", "CERTIFICATE", env).map(|named| named.path);
    Ok(Some(ClientFiles { roots, certificate, identity: flags.identity.clone() }))
}

fn file(flag: Option<&PathBuf>, name: &str, variable: &str, env: &Environment<'_>) -> Option<Named> {
    match flag {
        Some(path) => Some(Named { setting: name.to_owned(), path: path.clone() }),
        None => env
            .lookup(variable)
            .map(|setting| Named { setting: setting.name, path: PathBuf::from(setting.value) }),
    }
}
