//! Who the sidecars are to each other, as written.

use std::path::PathBuf;

use serde::Deserialize;

/// Mutual TLS between the sidecars.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// How services are called unless they say it themselves.
    #[serde(default)]
    pub names: Naming,
    /// The trust domain in these names; cluster.local unless given.
    #[serde(default)]
    pub trust_domain: Option<String>,
    /// The namespace in these names; default unless given.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Whose certificates to believe, in PEM; then each service has its `tls.certificate` and `tls.key`. Unless
    /// given, an authority is made for this run, and its certificates hold for a week.
    #[serde(default)]
    pub roots: Option<PathBuf>,
    /// Where the run's authority keeps its certificates and their keys, for others to use; nowhere unless given.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// Others than the services to whom the run's authority gives certificates, such as the collector.
    #[serde(default)]
    pub others: Vec<String>,
    /// Who the collector must be: one of `others`, or an identity. Unless given, whoever holds the name by which it
    /// is called.
    #[serde(default)]
    pub collector: Option<String>,
}

/// How a service becomes an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// As in `spiffe://cluster.local/ns/default/sa/web`.
    #[default]
    Spiffe,
    /// As in `web.default.serviceaccount.identity.linkerd.cluster.local`.
    Linkerd,
}

/// Who a service's sidecars are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnTls {
    /// Whom others expect: a SPIFFE id, a DNS name or Linkerd's words for a service account.
    #[serde(default)]
    pub identity: Option<String>,
    /// The certificate chain in PEM, where the file's `tls.roots` are given.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its key in PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
}
