//! TLS and mutual TLS from PEM files, both ends: who the peer must be, and files that change under way.
//! Knows nothing of HTTP but the names of its versions; who dials and who listens is not here.
//! Specs: RFC 8446, RFC 5280 §4.2.1.6, <https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md>
//! `serviceAccountName=collector,namespace=tracing` → the peer shows
//! `collector.tracing.serviceaccount.identity.linkerd.cluster.local`, or nothing is sent

mod client;
mod explain;
mod files;
mod identity;
mod reload;
mod server;
mod verify;

pub use client::{ClientFiles, Connector};
pub use explain::{TlsFault, fault};
pub use identity::{Identity, IdentityError, MeshIdentity, Names, WrongIdentity};
pub use server::{AcceptError, Acceptor, ClientRules, ServerFiles};

use tokio_rustls::rustls::pki_types::pem;

/// HTTP/2, else HTTP/1.1.
pub const ANY_HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

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
    /// A file without a certificate.
    #[error("{path}: no certificate in it, expected PEM with BEGIN CERTIFICATE")]
    Empty {
        /// The file.
        path: String,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
    /// A host that is neither a DNS name nor an address.
    #[error("{0:?} is no name that a certificate can hold, expected a DNS name or an address")]
    Host(String),
}

#[cfg(test)]
pub(crate) mod tests;
