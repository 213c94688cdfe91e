//! What a plugin is started with.

use std::collections::BTreeSet;

use super::{ForeignFunctions, HostProfile, PropertyValue, Shared};
use crate::time::Timestamp;

/// In which order a stream's end is told to the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// log, done, delete: Envoy's order for HTTP.
    #[default]
    Envoy,
    /// done, log, delete: the order of the proxy-wasm specification.
    Specification,
}

/// A plugin's configuration and surroundings; [`Default`] is an empty one at the Unix epoch with seed 0.
#[derive(Clone, Debug, Default)]
pub struct PluginOptions {
    /// What `proxy_on_configure` reads.
    pub configuration: Vec<u8>,
    /// What `proxy_on_vm_start` reads.
    pub vm_configuration: Vec<u8>,
    /// The guest's environment variables.
    pub environment: Vec<(String, String)>,
    /// Property `plugin_name`.
    pub plugin_name: String,
    /// Property `plugin_root_id`.
    pub root_id: String,
    /// Property `plugin_vm_id`. VMs of the same one share data and queues, if they have the same `shared`.
    pub vm_id: String,
    /// Where VMs that share something find it; `None`: this VM shares with none. Sharing among threads makes
    /// what guests see depend on how the threads run, as in Envoy.
    pub shared: Option<Shared>,
    /// Functions that the guest may call beside Envoy's.
    pub foreign: ForeignFunctions,
    /// Properties that every context sees, by path: `["xds", "listener_direction"]` as `Int(1)`.
    pub properties: Vec<(Vec<String>, PropertyValue)>,
    /// Envoy's capability restriction: names of the imports (`proxy_log`, `fd_write`) and callbacks
    /// (`proxy_on_tick`) that the guest is allowed; `None` allows all. Others are refused, or not made.
    pub allowed: Option<BTreeSet<String>>,
    /// Names of the clusters that callouts may go to.
    pub clusters: Vec<String>,
    /// The proxy that the host behaves as.
    pub profile: HostProfile,
    /// In which order a stream's end is told, if the profile leaves a choice.
    pub lifecycle: Lifecycle,
    /// The virtual clock's first instant.
    pub start: Timestamp,
    /// Whether the VM keeps a [`Transcript`](super::Transcript) and can be made to fail; it is slower.
    pub instrumented: bool,
    /// Seeds `random_get`: the same seed gives the same bytes.
    pub seed: u64,
}
