//! Who a peer must be, and who its certificate says it is.
//! `spiffe://cluster.local/ns/tracing/sa/collector` → [`Identity::Uri`]

use std::{fmt, str::FromStr};

use tokio_rustls::rustls::pki_types::{CertificateDer, DnsName, ServerName};
use webpki::EndEntityCert;

/// Linkerd's own namespace, unless told otherwise.
const LINKERD_NAMESPACE: &str = "linkerd";

/// The trust domain of a cluster, unless told otherwise.
const TRUST_DOMAIN: &str = "cluster.local";

/// SPIFFE-ID §2.3.
const MAX_SPIFFE_BYTES: usize = 2048;

/// A name that a peer's certificate must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A DNS name, as Linkerd gives each service account one; a certificate's wildcard covers it.
    Dns(DnsName<'static>),
    /// A SPIFFE id, compared byte by byte.
    Uri(String),
}

/// A workload as Linkerd's values name it: `meshIdentity.serviceAccountName`, `.namespace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshIdentity<'a> {
    /// The workload's service account.
    pub service_account: &'a str,
    /// The workload's namespace.
    pub namespace: &'a str,
    /// Where Linkerd's control plane runs.
    pub linkerd_namespace: &'a str,
    /// `identityTrustDomain`.
    pub trust_domain: &'a str,
}

/// Text that is no [`Identity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no identity: {problem}, expected a DNS name, spiffe://TRUST_DOMAIN/PATH or \
     serviceAccountName=NAME,namespace=NAME[,trustDomain=NAME][,linkerdNamespace=NAME]"
)]
pub struct IdentityError {
    found: String,
    problem: String,
}

/// A peer whose chain is good and who is somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer presented {presented}, expected {}", any_of(.expected))]
pub struct WrongIdentity {
    /// Who it is.
    pub presented: Names,
    /// Who it might have been.
    pub expected: Vec<String>,
}

/// The names of a certificate: subject alternative names, the common name does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// DNS names; the first label may be `*`.
    pub dns: Vec<String>,
    /// SPIFFE ids and other URIs.
    pub uris: Vec<String>,
}

impl MeshIdentity<'_> {
    /// As Linkerd's charts write it into `LINKERD2_PROXY_TRACE_COLLECTOR_SVC_NAME`.
    fn dns_name(&self) -> String {
        let Self { service_account, namespace, linkerd_namespace, trust_domain } = self;
        format!("{service_account}.{namespace}.serviceaccount.identity.{linkerd_namespace}.{trust_domain}")
    }
}

impl TryFrom<MeshIdentity<'_>> for Identity {
    type Error = IdentityError;

    fn try_from(mesh: MeshIdentity<'_>) -> Result<Self, IdentityError> {
        let name = mesh.dns_name();
        for (key, value) in [("serviceAccountName", mesh.service_account), ("namespace", mesh.namespace)] {
            if value.is_empty() {
                return Err(IdentityError { found: name, problem: format!("{key} is empty") });
            }
        }
        dns(&name)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    /// A SPIFFE id, a DNS name, or Linkerd's words for a service account.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        if let Some(rest) = text.strip_prefix("spiffe://") {
            return match spiffe_problem(rest) {
                None if text.len() <= MAX_SPIFFE_BYTES => Ok(Self::Uri(text.to_owned())),
                None => Err(error(text, "it is longer than 2048 bytes")),
                Some(problem) => Err(error(text, problem)),
            };
        }
        if text.contains('=') { mesh(text) } else { dns(text) }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => formatter.write_str(name.as_ref()),
            Self::Uri(uri) => formatter.write_str(uri),
        }
    }
}

impl Identity {
    /// Whether a certificate holds the name.
    pub(super) fn is_held_by(&self, certificate: &EndEntityCert<'_>) -> bool {
        match self {
            Self::Dns(name) => {
                let name = ServerName::DnsName(name.borrow());
                certificate.verify_is_valid_for_subject_name(&name).is_ok()
            }
            Self::Uri(uri) => certificate.valid_uri_names().any(|held| held == uri),
        }
    }
}

impl Names {
    /// The names of `certificate`; none if it cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        match EndEntityCert::try_from(certificate) {
            Ok(certificate) => Self::held_by(&certificate),
            Err(_) => Self::default(),
        }
    }

    pub(super) fn held_by(certificate: &EndEntityCert<'_>) -> Self {
        Self {
            dns: certificate.valid_dns_names().map(str::to_owned).collect(),
            uris: certificate.valid_uri_names().map(str::to_owned).collect(),
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dns.is_empty() && self.uris.is_empty() {
            return formatter.write_str("a certificate without DNS name or URI");
        }
        let names: Vec<&str> = self.dns.iter().chain(&self.uris).map(String::as_str).collect();
        formatter.write_str(&names.join(", "))
    }
}

fn any_of(expected: &[String]) -> String {
    expected.join(" or ")
}

fn error(found: &str, problem: impl Into<String>) -> IdentityError {
    IdentityError { found: found.to_owned(), problem: problem.into() }
}

fn dns(text: &str) -> Result<Identity, IdentityError> {
    let name = DnsName::try_from(text.to_owned()).map_err(|_| error(text, "it is no DNS name"))?;
    Ok(Identity::Dns(name.to_lowercase_owned()))
}

/// `serviceAccountName=web,namespace=emojivoto`, in any order.
fn mesh(text: &str) -> Result<Identity, IdentityError> {
    let mut mesh = MeshIdentity {
        service_account: "",
        namespace: "",
        linkerd_namespace: LINKERD_NAMESPACE,
        trust_domain: TRUST_DOMAIN,
    };
    for entry in text.split(',') {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        let place = match key.trim() {
            "serviceAccountName" => &mut mesh.service_account,
            "namespace" => &mut mesh.namespace,
            "trustDomain" => &mut mesh.trust_domain,
            "linkerdNamespace" => &mut mesh.linkerd_namespace,
            other => return Err(error(text, format!("{other:?} is no key"))),
        };
        *place = value.trim();
    }
    Identity::try_from(mesh).map_err(|IdentityError { problem, .. }| error(text, problem))
}

/// SPIFFE-ID §2: what is wrong with trust domain or path.
fn spiffe_problem(rest: &str) -> Option<&'static str> {
    let (trust_domain, path) = rest.split_once('/').unwrap_or((rest, ""));
    let in_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let in_segment = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if trust_domain.is_empty() || !trust_domain.bytes().all(in_domain) {
        return Some("its trust domain is not of lower-case letters, digits and -._");
    }
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_segment);
    (!path.split('/').all(is_segment)).then_some("its path is not of letters, digits and -._")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_or_refused_with_a_reason() {
        let collector = "collector.tracing.serviceaccount.identity";
        for (text, expected) in [
            ("otel.example.test", Ok("otel.example.test".to_owned())),
            ("OTEL.Example.test", Ok("otel.example.test".to_owned())),
            ("spiffe://a.b/ns/x/sa/Y", Ok("spiffe://a.b/ns/x/sa/Y".to_owned())),
            (
                "serviceAccountName=collector,namespace=tracing",
                Ok(format!("{collector}.linkerd.cluster.local")),
            ),
            (
                "namespace=tracing, serviceAccountName=collector, trustDomain=t.example",
                Ok(format!("{collector}.linkerd.t.example")),
            ),
            (
                "serviceAccountName=collector,namespace=tracing,linkerdNamespace=l5d",
                Ok(format!("{collector}.l5d.cluster.local")),
            ),
            ("serviceAccountName=collector", Err("namespace is empty")),
            ("namespace=tracing", Err("serviceAccountName is empty")),
            ("serviceAccount=x,namespace=y", Err("\"serviceAccount\" is no key")),
            ("serviceAccountName=a b,namespace=y", Err("it is no DNS name")),
            ("", Err("it is no DNS name")),
            ("a..b", Err("it is no DNS name")),
            ("spiffe://", Err("its trust domain")),
            ("spiffe://A/x", Err("its trust domain")),
            ("spiffe://a:1/x", Err("its trust domain")),
            ("spiffe://a", Err("its path")),
            ("spiffe://a/x/", Err("its path")),
            ("spiffe://a/../x", Err("its path")),
            ("spiffe://a/x?y", Err("its path")),
        ] {
            match (text.parse::<Identity>(), expected) {
                (Ok(identity), Ok(shown)) => assert_eq!(identity.to_string(), shown, "{text}"),
                (Err(error), Err(reason)) => {
                    let error = error.to_string();
                    assert!(error.contains(reason) && error.contains("expected a DNS name"), "{error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let long = format!("spiffe://a/{}", "x".repeat(MAX_SPIFFE_BYTES));
        assert!(long.parse::<Identity>().unwrap_err().to_string().contains("longer than 2048"));
    }
}
