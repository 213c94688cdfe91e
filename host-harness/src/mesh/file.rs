//! The file as written.

mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::proxy::Endpoint;

pub use tls::{Naming, OwnTls, Tls};

/// A mesh to run: local applications and who calls whom.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeshFile {
    /// The version of the format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The service that requests from outside go to.
    pub entry: String,
    /// The sidecars' plugin configuration. `service.name` is filled in for each sidecar, the name of its
    /// service, and so is `export` unless it is given.
    #[serde(default)]
    pub plugin: Map<String, Value>,
    /// Mutual TLS between the sidecars, and with the collector; plain text unless given.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// The services by name.
    pub services: BTreeMap<String, Service>,
}

/// An application: either a `command` to start or the `address` of one that runs already.
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A program and its arguments. A relative path with a slash begins at `directory`.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// Where the command runs, from the file's own directory; that one unless given.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// Variables of the command's environment, beside those that this program has.
    #[serde(default)]
    pub environment: Option<BTreeMap<String, String>>,
    /// The variable that tells the command on which port of 127.0.0.1 to listen; PORT unless given.
    #[serde(default)]
    pub port_variable: Option<String>,
    /// Where the application runs already: <http://HOST:PORT> or <https://HOST:PORT>.
    #[serde(default, deserialize_with = "endpoint")]
    #[schemars(with = "Option<String>")]
    pub address: Option<Endpoint>,
    /// Which HTTP the application speaks.
    #[serde(default)]
    pub protocol: Http,
    /// The port of its inbound sidecar; any that is free unless given.
    #[serde(default)]
    pub port: Option<u16>,
    /// The services that it calls, each through a sidecar of its own.
    #[serde(default)]
    pub calls: BTreeMap<String, Call>,
    /// What is different in the plugin configuration of its sidecars: objects are merged, all else is replaced.
    #[serde(default)]
    pub plugin: Map<String, Value>,
    /// Who its sidecars are, where the file has `tls`.
    #[serde(default)]
    pub tls: Option<OwnTls>,
}

/// How an application finds its sidecar for a call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The variable that tells a command the sidecar's address.
    #[serde(default)]
    pub variable: Option<String>,
    /// What the variable holds.
    #[serde(default)]
    pub form: Form,
    /// The sidecar's port; any that is free unless given. An application that runs already has to know it.
    #[serde(default)]
    pub port: Option<u16>,
}

/// A HTTP version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Http {
    /// What its client speaks.
    #[default]
    Same,
    /// HTTP/1.1.
    H1,
    /// HTTP/2, without TLS by prior knowledge; gRPC.
    H2,
}

/// A way to write an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As in `http://127.0.0.1:41001`.
    #[default]
    Url,
    /// As in `127.0.0.1:41001`.
    HostPort,
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Endpoint>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}
