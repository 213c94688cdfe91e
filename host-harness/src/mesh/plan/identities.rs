//! Who is who: the file's `tls`, checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{FileError, value};
use crate::mesh::file::{MeshFile, Naming, OwnTls, Tls};
use crate::tls::{Identity, MeshIdentity};

/// Linkerd's own namespace, which is in its names.
const LINKERD_NAMESPACE: &str = "linkerd";

/// What the sidecars need to know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Each service's identity.
    pub identities: BTreeMap<String, Identity>,
    /// Where certificates come from.
    pub authority: Authority,
    /// Who the collector must be; `None`: whoever holds the name by which it is called.
    pub collector: Option<Identity>,
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// One that is made for this run.
    OfRun {
        /// Where it keeps its files; `None`: in a directory that goes with the run.
        directory: Option<PathBuf>,
        /// Whom else it signs for.
        others: BTreeMap<String, Identity>,
    },
    /// Somebody else's.
    Given {
        /// Whose certificates to believe.
        roots: PathBuf,
        /// Each service's certificate and key.
        pairs: BTreeMap<String, (PathBuf, PathBuf)>,
    },
}

/// The file's, with relative paths below `base`.
pub(super) fn of(file: &MeshFile, base: &Path) -> Result<Option<Trust>, FileError> {
    let own =
        |name: &str| file.services.get(name).and_then(|service| service.tls.clone()).unwrap_or_default();
    let Some(tls) = &file.tls else {
        let given = file.services.iter().find(|(_, service)| service.tls.is_some());
        return match given {
            Some((name, _)) => {
                Err(value(format!("services.{name}.tls"), "given", "none without the file's own \"tls\""))
            }
            None => Ok(None),
        };
    };
    let mut identities = BTreeMap::new();
    for name in file.services.keys().chain(&tls.others) {
        // They are files' names, too.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !name.bytes().all(is_plain) || name.starts_with('.') || name.is_empty() || name == "ca" {
            let expected = "with tls a name of letters, digits, - _ and ., not ca, which is the authority";
            return Err(value("a service's name".to_owned(), format!("{name:?}"), expected));
        }
    }
    for name in file.services.keys() {
        let place = format!("services.{name}.tls.identity");
        let identity = match &own(name).identity {
            Some(text) => text.parse().map_err(|source| FileError::Identity { place, source })?,
            None => named(tls, name, &place)?,
        };
        identities.insert(name.clone(), identity);
    }
    let mut others = BTreeMap::new();
    for name in &tls.others {
        if identities.contains_key(name) {
            return Err(value("tls.others".to_owned(), format!("{name:?}"), "others than the services"));
        }
        others.insert(name.clone(), named(tls, name, "tls.others")?);
    }
    let collector = tls.collector.as_ref().map(|text| match others.get(text) {
        Some(identity) => Ok(identity.clone()),
        None => {
            text.parse().map_err(|source| FileError::Identity { place: "tls.collector".to_owned(), source })
        }
    });
    let collector = collector.transpose()?;
    let authority = match &tls.roots {
        Some(roots) => {
            given(tls, base.join(roots), file.services.keys().map(|name| (name, own(name))), base)?
        }
        None => of_run(tls, others, file.services.keys().map(|name| (name, own(name))), base)?,
    };
    Ok(Some(Trust { identities, authority, collector }))
}

fn named(tls: &Tls, name: &str, place: &str) -> Result<Identity, FileError> {
    let domain = tls.trust_domain.as_deref().unwrap_or("cluster.local");
    let namespace = tls.namespace.as_deref().unwrap_or("default");
    let identity = match tls.names {
        Naming::Spiffe => format!("spiffe://{domain}/ns/{namespace}/sa/{name}").parse(),
        Naming::Linkerd => Identity::try_from(MeshIdentity {
            service_account: name,
            namespace,
            linkerd_namespace: LINKERD_NAMESPACE,
            trust_domain: domain,
        }),
    };
    identity.map_err(|source| FileError::Identity { place: place.to_owned(), source })
}

fn given<'a>(
    tls: &Tls,
    roots: PathBuf,
    services: impl Iterator<Item = (&'a String, OwnTls)>,
    base: &Path,
) -> Result<Authority, FileError> {
    let unused = [("directory", tls.directory.is_some()), ("others", !tls.others.is_empty())];
    if let Some((key, _)) = unused.into_iter().find(|(_, is_given)| *is_given) {
        return Err(value(format!("tls.{key}"), "given", "none beside tls.roots: nothing is signed here"));
    }
    let mut pairs = BTreeMap::new();
    for (name, own) in services {
        let missing = |key| {
            value(format!("services.{name}.tls.{key}"), "missing", "a file in PEM, as tls.roots are given")
        };
        let certificate = own.certificate.ok_or_else(|| missing("certificate"))?;
        let key = own.key.ok_or_else(|| missing("key"))?;
        pairs.insert(name.clone(), (base.join(certificate), base.join(key)));
    }
    Ok(Authority::Given { roots, pairs })
}

fn of_run<'a>(
    tls: &Tls,
    others: BTreeMap<String, Identity>,
    mut services: impl Iterator<Item = (&'a String, OwnTls)>,
    base: &Path,
) -> Result<Authority, FileError> {
    if let Some((name, _)) = services.find(|(_, own)| own.certificate.is_some() || own.key.is_some()) {
        let expected = "none without tls.roots, by which others believe it";
        return Err(value(format!("services.{name}.tls.certificate"), "given", expected));
    }
    Ok(Authority::OfRun { directory: tls.directory.as_ref().map(|below| base.join(below)), others })
}
