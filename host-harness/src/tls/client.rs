//! The side that dials.

use std::{path::PathBuf, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, crypto::ring::default_provider, pki_types::ServerName},
};

use super::{Identity, TlsError, files, reload::Reloading, verify::ServerCheck};

/// What a client believes, and what it shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Whose certificates to believe, in PEM; `None`: those that the system believes.
    pub roots: Option<PathBuf>,
    /// The own chain and its key in PEM, for servers that ask.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Who the server must be; `None`: whoever holds the name that was dialled.
    pub identity: Option<Identity>,
}

/// Begins TLS on connections. Files that change count from the next connection on.
#[derive(Debug)]
pub struct Connector {
    identity: Option<Identity>,
    config: Reloading<ClientConfig>,
}

impl Connector {
    /// # Errors
    /// [`TlsError`] if a file cannot be used.
    pub fn new(files: ClientFiles) -> Result<Self, TlsError> {
        let own = files.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        let paths = files.roots.iter().chain(own).cloned().collect();
        let identity = files.identity.clone();
        Ok(Self { identity, config: Reloading::new(paths, move || load(&files))? })
    }

    /// Shakes hands with `host` over `io`, offering these versions of HTTP in order of preference. A DNS
    /// identity is also the name that is asked for: by it a mesh's proxy knows that it is meant.
    ///
    /// # Errors
    /// What the system says, or a `rustls::Error` in it, which [`fault`](super::fault) explains.
    pub async fn connect<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        io: IO,
        versions: &[&[u8]],
    ) -> std::io::Result<TlsStream<IO>> {
        let name = match &self.identity {
            Some(Identity::Dns(name)) => ServerName::DnsName(name.clone()),
            _ => server_name(host).map_err(std::io::Error::other)?,
        };
        let mut config = self.config.current();
        if config.alpn_protocols != versions {
            Arc::make_mut(&mut config).alpn_protocols =
                versions.iter().map(|version| version.to_vec()).collect();
        }
        TlsConnector::from(config).connect(name, io).await
    }
}

/// A host as a URL has it: a name or an address, the latter perhaps in brackets.
fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))
}

fn load(files: &ClientFiles) -> Result<ClientConfig, TlsError> {
    let refused = |error: tokio_rustls::rustls::Error| TlsError::Certificate(error.to_string());
    let check = ServerCheck::new(files::roots(files.roots.as_deref())?, files.identity.clone());
    let builder = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check));
    match &files.certificate {
        Some((certificate, key)) => builder
            .with_client_auth_cert(files::certificates(certificate)?, files::key(key)?)
            .map_err(refused),
        None => Ok(builder.with_no_client_auth()),
    }
}
