//! PEM files → certificates, keys and roots.

use std::path::Path;

use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use super::TlsError;

/// All certificates of a file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|source| in_file(path, source))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: path.display().to_string() });
    }
    Ok(chain)
}

/// The first key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| in_file(path, source))
}

/// The roots in a file, or the system's.
pub(super) fn roots(path: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match path {
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
    Ok(store)
}

fn in_file(path: &Path, source: pem::Error) -> TlsError {
    TlsError::Pem { path: path.display().to_string(), source }
}
