//! An authority of our own and what it signs, as files.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType, date_time_ymd,
};

use crate::tls::{ClientFiles, ClientRules, Identity, ServerFiles};

pub(crate) struct Authority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) type Pair = (PathBuf, PathBuf);

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("ours")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    pub(crate) fn roots(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `names` are DNS names, addresses and URIs.
    pub(crate) fn sign(&self, file: &str, names: &[&str]) -> Pair {
        self.sign_with(file, names, |_| ())
    }

    pub(crate) fn sign_expired(&self, file: &str, names: &[&str]) -> Pair {
        self.sign_with(file, names, |params| params.not_after = date_time_ymd(2001, 1, 1))
    }

    fn sign_with(&self, file: &str, names: &[&str], change: impl Fn(&mut CertificateParams)) -> Pair {
        let (uris, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
        let others: Vec<String> = others.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(others).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        std::fs::write(&pair.0, certificate.pem()).unwrap();
        std::fs::write(&pair.1, key.serialize_pem()).unwrap();
        pair
    }

    /// What a client of this authority's believes; `own` is its certificate, `identity` the server's.
    pub(crate) fn client(&self, own: Option<Pair>, identity: Option<&str>) -> ClientFiles {
        let identity = identity.map(|identity| identity.parse().unwrap());
        ClientFiles { roots: Some(self.roots()), certificate: own, identity }
    }

    /// What a server shows; with `allowed` it asks for certificates of this authority's.
    pub(crate) fn server(&self, own: Pair, allowed: Option<&[&str]>) -> ServerFiles {
        let rules = |list: &[&str]| {
            let allowed = list.iter().map(|name| name.parse::<Identity>().unwrap()).collect();
            ClientRules { roots: self.roots(), allowed }
        };
        ServerFiles { certificate: own.0, key: own.1, clients: allowed.map(rules) }
    }
}
