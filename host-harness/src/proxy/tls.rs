//! TLS on request: a certificate for clients, roots for upstreams; ALPN for HTTP/2 on both sides.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// HTTP/2 first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be offered or asked for.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or is no PEM of its kind.
    #[error("{path}: {source}, expected PEM")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
}

/// What clients are shown.
///
/// # Errors
/// [`TlsError`] if a file cannot be read or the two do not fit.
pub fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| in_file(key, source))?;
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| TlsError::Certificate(error.to_string()))?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

/// Whom to believe: the roots in a file, or the system's. `versions` restricts ALPN, in order.
///
/// # Errors
/// [`TlsError`] if the file cannot be read.
pub(super) fn client(roots: Option<&Path>, versions: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(path) => {
            for certificate in certificates(path)? {
                store.add(certificate).map_err(|error| TlsError::Certificate(error.to_string()))?;
            }
        }
        None => {
            // A system's odd certificate is no reason to believe none of the others.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    let mut config = config.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = versions.iter().map(|version| version.to_vec()).collect();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    chain.map_err(|source| in_file(path, source))
}

fn in_file(path: &Path, source: pem::Error) -> TlsError {
    TlsError::Pem { path: path.display().to_string(), source }
}
