//! The peer's certificate: its chain as ever, then its names against those that were expected.

use std::sync::Arc;

use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{
        WebPkiSupportedAlgorithms, ring::default_provider, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use webpki::EndEntityCert;

use super::{Identity, Names, WrongIdentity};

/// Believes servers that `roots` vouch for and that hold the identity, else the name that was dialled.
#[derive(Debug)]
pub(super) struct ServerCheck {
    roots: RootCertStore,
    identity: Option<Identity>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCheck {
    pub(super) fn new(roots: RootCertStore, identity: Option<Identity>) -> Self {
        let algorithms = default_provider().signature_verification_algorithms;
        Self { roots, identity, algorithms }
    }
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        let certificate = entity(end_entity)?;
        let (is_right, expected) = match &self.identity {
            Some(identity) => (identity.is_held_by(&certificate), identity.to_string()),
            None => {
                let is_right = certificate.verify_is_valid_for_subject_name(server_name).is_ok();
                (is_right, server_name.to_str().into_owned())
            }
        };
        if is_right {
            return Ok(ServerCertVerified::assertion());
        }
        Err(wrong(&certificate, vec![expected]))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Believes clients whom `chain` believes and who are on the list; an empty list is everybody.
#[derive(Debug)]
pub(super) struct ClientCheck {
    pub(super) chain: Arc<dyn ClientCertVerifier>,
    pub(super) allowed: Vec<Identity>,
}

impl ClientCertVerifier for ClientCheck {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        let certificate = entity(end_entity)?;
        if self.allowed.is_empty() || self.allowed.iter().any(|identity| identity.is_held_by(&certificate)) {
            return Ok(verified);
        }
        Err(wrong(&certificate, self.allowed.iter().map(Identity::to_string).collect()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn entity<'a>(certificate: &'a CertificateDer<'a>) -> Result<EndEntityCert<'a>, Error> {
    EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn wrong(certificate: &EndEntityCert<'_>, expected: Vec<String>) -> Error {
    let wrong = WrongIdentity { presented: Names::held_by(certificate), expected };
    CertificateError::Other(OtherError(Arc::new(wrong))).into()
}
