//! The side that listens.

use std::{path::PathBuf, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring::default_provider, server::WebPkiClientVerifier},
    server::TlsStream,
};

use super::{Identity, Names, TlsError, TlsFault, explain, files, reload::Reloading, verify::ClientCheck};

/// What a server shows, and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// The own chain in PEM.
    pub certificate: PathBuf,
    /// Its key in PEM.
    pub key: PathBuf,
    /// `None`: clients are not asked for a certificate.
    pub clients: Option<ClientRules>,
}

/// Which clients are let in: those with a certificate, and of those, some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRules {
    /// Whose certificates to believe, in PEM.
    pub roots: PathBuf,
    /// One of these; if there are none, everybody with a certificate that is believed.
    pub allowed: Vec<Identity>,
}

/// Why a client was not let in.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It does not speak TLS, or its certificate is not good enough.
    #[error("{0}")]
    Tls(TlsFault),
    /// The connection broke.
    #[error(transparent)]
    Io(std::io::Error),
}

/// Begins TLS on the connections of clients. Files that change count from the next connection on.
#[derive(Debug)]
pub struct Acceptor(Reloading<ServerConfig>);

impl Acceptor {
    /// Offers these versions of HTTP, in order of preference.
    ///
    /// # Errors
    /// [`TlsError`] if a file cannot be used.
    pub fn new(files: ServerFiles, versions: &[&[u8]]) -> Result<Self, TlsError> {
        let roots = files.clients.as_ref().map(|clients| &clients.roots);
        let paths = [&files.certificate, &files.key].into_iter().chain(roots).cloned().collect();
        let versions: Vec<Vec<u8>> = versions.iter().map(|version| version.to_vec()).collect();
        let load = move || {
            let mut config = load(&files)?;
            config.alpn_protocols.clone_from(&versions);
            Ok(config)
        };
        Ok(Self(Reloading::new(paths, load)?))
    }

    /// Shakes hands with a client, and says who it is; without a certificate it has no names. To be bounded in
    /// time by the caller.
    ///
    /// # Errors
    /// [`AcceptError`] says what is wrong with the client.
    pub async fn accept<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: IO,
    ) -> Result<(TlsStream<IO>, Names), AcceptError> {
        let accepted = TlsAcceptor::from(self.0.current()).accept(io).await;
        let stream = accepted.map_err(|error| match explain::fault(&error) {
            Some(fault) => AcceptError::Tls(fault),
            None => AcceptError::Io(error),
        })?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let names = chain.first().map(Names::of).unwrap_or_default();
        Ok((stream, names))
    }
}

fn load(files: &ServerFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some(ClientRules { roots, allowed }) => {
            let roots = Arc::new(files::roots(Some(roots))?);
            let chain = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            let chain = chain.map_err(|error| TlsError::Certificate(error.to_string()))?;
            builder.with_client_cert_verifier(Arc::new(ClientCheck { chain, allowed: allowed.clone() }))
        }
    };
    let chain = files::certificates(&files.certificate)?;
    builder
        .with_single_cert(chain, files::key(&files.key)?)
        .map_err(|error| TlsError::Certificate(error.to_string()))
}
