//! An authority for one test and the certificates that it signs, as files.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use tempfile::TempDir;

/// An authority; its files go with it.
pub struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as paths.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate in PEM.
    pub certificate: String,
    /// Its key in PEM.
    pub key: String,
}

impl Authority {
    /// A new one, whom nobody knows yet.
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        // Another one than those whom it signs: a certificate of the same name would pass for self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("the file can be written");
        Authority { directory, issuer }
    }

    /// Its own certificate, for those who are to believe it.
    pub fn roots(&self) -> String {
        text(self.directory.path().join("ca.pem"))
    }

    /// Signs a certificate for DNS names, addresses and URIs; the files are called `file`.
    pub fn sign(&self, file: &str, names: &[&str]) -> Pair {
        let (uris, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
        let others: Vec<String> = others.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(others).expect("names");
        let uri = |uri: &&str| SanType::URI((*uri).try_into().expect("a URI"));
        params.subject_alt_names.extend(uris.iter().map(uri));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let write = |name: String, content: String| {
            let path = self.directory.path().join(name);
            std::fs::write(&path, content).expect("the file can be written");
            text(path)
        };
        let certificate = write(format!("{file}.pem"), signed.pem());
        Pair { certificate, key: write(format!("{file}.key"), key.serialize_pem()) }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("a temporary path is text")
}
