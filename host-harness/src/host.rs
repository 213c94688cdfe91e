//! The host's state for one VM, pure data: streams, clock, logs, metrics, properties, queued calls.
//!
//! Knows neither wasm nor the ABI's bytes; `abi` decodes hostcalls into what is here, `vm` drives the guest.
//! `proxy_add_header_map_value(0, …)` → [`HostState::map_mut`] of [`MapKind::RequestHeaders`]

mod access;
mod callouts;
mod derived;
mod drive;
mod error;
mod foreign;
mod grpc_service;
mod grpc_streams;
mod headers;
mod hostcalls;
mod kinds;
mod logs;
mod metrics;
mod pairs;
mod plugin;
mod profile;
mod property;
mod roots;
mod shared;
mod stream;
mod streams;
mod transcript;
mod version;
mod why;

use std::collections::{BTreeMap, BTreeSet};

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub use callouts::{CallReply, MAX_PENDING_CALLS, MAX_QUEUED_CALL_BYTES, OutboundCall, OutboundKind};
pub(crate) use derived::grpc_status;
pub use drive::ReplyEvent;
pub use error::{HostError, WasiError};
pub use foreign::{
    ForeignError, ForeignFunctions, MAX_DECLARED, MAX_EXPRESSION_BYTES, MAX_EXPRESSION_NODES,
    MAX_EXPRESSION_WORK, MAX_EXPRESSIONS, MAX_UNCOMPRESSED_BYTES,
};
pub use headers::HeaderMap;
pub use kinds::{BufferKind, Direction, MapKind, MetricKind};
pub use logs::{LogLevel, LogLine, MAX_LINE_BYTES, MAX_LOG_BYTES, MAX_SAID};
pub use metrics::{
    MAX_ALL_HISTOGRAM_VALUES, MAX_HISTOGRAM_VALUES, MAX_METRIC_NAME_BYTES, MAX_METRICS, MetricValue,
};
pub use pairs::{MAX_PAIRS, MAX_PAIRS_BYTES, decode_pairs, encode_pairs};
pub use plugin::{Lifecycle, PluginOptions};
pub use profile::{HostProfile, NGINX_AUTHORITY, NGINX_VERSION};
pub use property::{MAX_PROPERTY_BYTES, PropertyValue};
pub use roots::{RootId, RootOptions, RootState};
pub use shared::{MAX_NOTICES, MAX_QUEUES, MAX_SHARED_BYTES, Shared};
pub use stream::{Hold, LocalReply, MAX_ACTIONS, MAX_BODY_BYTES, MAX_MAP_BYTES, StreamAction, StreamId};
pub use version::AbiVersion;
pub(crate) use version::MARKER;

pub use transcript::{CallbackRecord, Field, HostcallRecord, MAX_TRANSCRIPT_HOSTCALLS, Transcript, Why};
pub(crate) use why::why;

use access::Attribute;
use callouts::Callouts;
use hostcalls::Hostcalls;
use logs::Logs;
use metrics::Metrics;
use property::PropertyTable;
use roots::Roots;
use shared::Member;
use streams::Streams;

/// The own context of the plugin that a VM is started with.
pub(crate) const ROOT_CONTEXT: u32 = 1;
/// What each entry of a map is counted for besides its bytes.
pub const ENTRY_OVERHEAD: usize = 64;

/// Whether hostcalls beside logs and the clock are served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `_initialize` or the guest's allocator is running.
    Closed,
    /// A callback is running.
    Open,
}

/// Everything that a guest can see or change outside its own memory.
#[derive(Debug)]
pub struct HostState {
    profile: HostProfile,
    hostcalls: Hostcalls,
    /// The callback that is running, or ran last.
    callback: &'static str,
    roots: Roots,
    vm_configuration: Vec<u8>,
    environment: Vec<Vec<u8>>,
    properties: PropertyTable,
    allowed: Option<BTreeSet<String>>,
    clock: crate::time::Timestamp,
    random: Xoshiro256PlusPlus,
    logs: Logs,
    metrics: Metrics,
    shared: Member,
    foreign: ForeignFunctions,
    foreign_arguments: Vec<u8>,
    /// Properties that the guest declared, and whether they may be set only once.
    declared: BTreeMap<Vec<u8>, bool>,
    callouts: Callouts,
    streams: Streams,
    last_context: u32,
    current: u32,
    effective: Option<u32>,
    /// The plugin that is being configured.
    configuring: Option<RootId>,
    reply: Option<CallReply>,
    status: (u32, String),
    actions: Vec<(StreamId, StreamAction)>,
    /// Whether a stream may have a local reply that nobody has taken.
    has_local_replies: bool,
    /// The ABI that the guest speaks.
    pub abi: AbiVersion,
    /// Whether hostcalls are served now.
    pub gate: Gate,
}

impl HostState {
    /// The state before the guest has run.
    pub fn new(options: PluginOptions) -> Self {
        let shared = options.shared.unwrap_or_default().join(options.vm_id.clone());
        let mut properties = PropertyTable::default();
        properties.insert(&["plugin_vm_id"], PropertyValue::Bytes(options.vm_id.into_bytes()));
        for (path, value) in options.properties {
            properties.insert(&path, value);
        }
        let environment = options.environment.iter().filter(|_| options.profile.has_environment());
        let environment = environment.map(|(key, value)| format!("{key}={value}\0").into_bytes()).collect();
        Self {
            profile: options.profile,
            hostcalls: Hostcalls::default(),
            callback: "",
            roots: Roots::new(RootOptions {
                configuration: options.configuration,
                plugin_name: options.plugin_name,
                root_id: options.root_id,
            }),
            vm_configuration: options.vm_configuration,
            environment,
            properties,
            allowed: options.allowed,
            clock: options.start,
            random: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            logs: Logs::default(),
            metrics: Metrics::default(),
            shared,
            foreign: options.foreign,
            foreign_arguments: Vec::new(),
            declared: BTreeMap::new(),
            callouts: Callouts::new(&options.clusters, options.profile),
            streams: Streams::default(),
            last_context: ROOT_CONTEXT,
            current: ROOT_CONTEXT,
            effective: None,
            configuring: None,
            reply: None,
            status: (0, String::new()),
            actions: Vec::new(),
            has_local_replies: false,
            abi: AbiVersion::default(),
            gate: Gate::Closed,
        }
    }

    /// The virtual clock.
    pub fn now(&self) -> crate::time::Timestamp {
        self.clock
    }

    /// Sets the virtual clock, which never goes backwards.
    pub fn set_time(&mut self, now: crate::time::Timestamp) {
        self.clock = self.clock.max(now);
    }

    /// Sets the virtual clock to any time.
    pub fn jump_to(&mut self, time: crate::time::Timestamp) {
        self.clock = time;
    }

    /// Fills `bytes` from the seeded generator.
    pub fn fill_random(&mut self, bytes: &mut [u8]) {
        self.random.fill_bytes(bytes);
    }

    /// `NAME=value` and a NUL, for each variable.
    pub fn environment(&self) -> &[Vec<u8>] {
        &self.environment
    }

    /// A line of the guest.
    pub fn log(&mut self, level: LogLevel, message: &[u8]) {
        self.logs.guest(level, message);
    }

    /// A line of the host, each text once in the VM's life.
    pub fn explain(&mut self, message: impl std::fmt::Display) {
        self.logs.host_once(message);
    }

    /// A line of the host, however often.
    pub fn note(&mut self, level: LogLevel, message: impl std::fmt::Display) {
        self.logs.host(level, message);
    }

    /// Puts lines before those not taken yet.
    pub fn log_before(&mut self, lines: Vec<LogLine>) {
        self.logs.put_before(lines);
    }

    /// Takes the lines since the last time.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        self.logs.take()
    }

    /// The proxy that the host behaves as.
    pub fn profile(&self) -> HostProfile {
        self.profile
    }

    /// The callback that is running, or ran last.
    pub fn callback(&self) -> &'static str {
        self.callback
    }

    /// Counts a call of the guest.
    pub fn count_hostcall(&mut self, name: &'static str) {
        self.hostcalls.count(name);
    }

    /// Counts a call of the guest, and says whether it may go on.
    pub fn begin_hostcall(&mut self, name: &'static str) -> Result<(), HostError> {
        self.count_hostcall(name);
        if !self.profile.implements(name) {
            return Err(HostError::Fatal { call: name, why: "host function not yet implemented" });
        }
        if self.allows(name) { Ok(()) } else { Err(HostError::Restricted(name)) }
    }

    /// Whether the guest is allowed an import, or a callback.
    pub fn allows(&self, name: &str) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(name))
    }

    /// The guest's calls by name since the last time.
    pub fn take_hostcalls(&mut self) -> BTreeMap<&'static str, u64> {
        self.hostcalls.take()
    }

    /// All metrics by name.
    pub fn metrics(&self) -> BTreeMap<String, MetricValue> {
        self.metrics.all()
    }

    /// Takes the calls made since the last time.
    pub fn take_calls(&mut self) -> Vec<OutboundCall> {
        self.callouts.take()
    }

    /// Takes the guest's decisions since the last time.
    pub fn take_stream_actions(&mut self) -> Vec<(StreamId, StreamAction)> {
        std::mem::take(&mut self.actions)
    }
}
