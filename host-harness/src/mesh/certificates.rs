//! The files by which sidecars know each other: somebody else's, or those of an authority made for the run.
//! `web` → `web.pem` and `web.key`, believed by `ca.pem`

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType, date_time_ymd,
};
use tempfile::TempDir;

use super::plan::{Authority, Trust};
use crate::time::Timestamp;
use crate::tls::{ClientFiles, ClientRules, Identity, ServerFiles};

/// Clocks differ.
const BEFORE: Duration = Duration::from_hours(24);
/// How long the run's certificates hold.
const AFTER: Duration = Duration::from_hours(7 * 24);

/// Why a run has no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file or directory cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate for {name}: {source}")]
    Make {
        /// For whom.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
}

/// What each service shows of itself, and whom it believes.
#[derive(Debug)]
pub(super) struct Certificates {
    roots: PathBuf,
    pairs: BTreeMap<String, (PathBuf, PathBuf)>,
    /// Goes with the run, with its files.
    _directory: Option<TempDir>,
}

impl Certificates {
    /// # Errors
    /// [`CertificateError`] if the run's authority cannot make or keep them.
    pub(super) fn new(trust: &Trust, now: Timestamp) -> Result<Self, CertificateError> {
        match &trust.authority {
            Authority::Given { roots, pairs } => {
                Ok(Self { roots: roots.clone(), pairs: pairs.clone(), _directory: None })
            }
            Authority::OfRun { directory, others } => {
                let (path, temporary) = match directory {
                    Some(path) => {
                        std::fs::create_dir_all(path).map_err(written(path))?;
                        (path.clone(), None)
                    }
                    None => {
                        let temporary = tempfile::tempdir().map_err(written(&std::env::temp_dir()))?;
                        (temporary.path().to_owned(), Some(temporary))
                    }
                };
                let authority = RunAuthority::new(path, now)?;
                let everybody = trust.identities.iter().chain(others);
                let pairs =
                    everybody.map(|(name, identity)| Ok((name.clone(), authority.sign(name, identity)?)));
                let pairs = pairs.collect::<Result<_, CertificateError>>()?;
                Ok(Self { roots: authority.roots(), pairs, _directory: temporary })
            }
        }
    }

    /// Whose certificates are believed.
    pub(super) fn roots(&self) -> &Path {
        &self.roots
    }

    /// What `service` shows to those who call it; only `allowed` may, or everybody who is believed.
    pub(super) fn server(&self, service: &str, allowed: Vec<Identity>) -> Option<ServerFiles> {
        let (certificate, key) = self.pairs.get(service)?.clone();
        let clients = Some(ClientRules { roots: self.roots.clone(), allowed });
        Some(ServerFiles { certificate, key, clients })
    }

    /// What `service` shows to whom it calls, who must be `identity`.
    pub(super) fn client(&self, service: &str, identity: Option<Identity>) -> ClientFiles {
        ClientFiles {
            roots: Some(self.roots.clone()),
            certificate: self.pairs.get(service).cloned(),
            identity,
        }
    }
}

/// Signs for one run; its own key is nowhere but in memory.
struct RunAuthority {
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    now: Timestamp,
}

impl RunAuthority {
    fn new(directory: PathBuf, now: Timestamp) -> Result<Self, CertificateError> {
        let failed = |source| CertificateError::Make { name: "the authority".to_owned(), source };
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "meshspan mesh");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        hold(&mut params, now);
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(failed)?).map_err(failed)?;
        let authority = Self { directory, issuer, now };
        write(&authority.roots(), &authority.issuer.pem())?;
        Ok(authority)
    }

    fn roots(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    fn sign(&self, name: &str, identity: &Identity) -> Result<(PathBuf, PathBuf), CertificateError> {
        let failed = |source| CertificateError::Make { name: name.to_owned(), source };
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.subject_alt_names.push(match identity {
            Identity::Dns(dns) => SanType::DnsName(dns.as_ref().try_into().map_err(failed)?),
            Identity::Uri(uri) => SanType::URI(uri.as_str().try_into().map_err(failed)?),
        });
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        hold(&mut params, self.now);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let pair = (self.directory.join(format!("{name}.pem")), self.directory.join(format!("{name}.key")));
        write(&pair.0, &certificate.pem())?;
        write(&pair.1, &key.serialize_pem())?;
        Ok(pair)
    }
}

/// From the day before to the day a week later.
fn hold(params: &mut CertificateParams, now: Timestamp) {
    let day = |at: Timestamp| {
        let instant = jiff::Timestamp::from_nanosecond(i128::from(at.as_unix_nanos())).unwrap_or_default();
        let date = instant.to_zoned(jiff::tz::TimeZone::UTC).date();
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    (params.not_before, params.not_after) = (day(now.minus(BEFORE)), day(now.plus(AFTER)));
}

/// For nobody else to read.
fn write(path: &Path, text: &str) -> Result<(), CertificateError> {
    // What is there from a run before has that run's rights.
    let removed = std::fs::remove_file(path).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    removed.map_err(written(path))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(written(path))
}

fn written(path: &Path) -> impl Fn(std::io::Error) -> CertificateError {
    let path = path.to_owned();
    move |source| CertificateError::Write { path: path.clone(), source }
}
