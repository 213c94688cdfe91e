//! What a host is started with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, TestHost};
use crate::flow::FlowOptions;
use crate::time::Timestamp;
use crate::vm::{
    FailurePolicy, Filter, HostProfile, Lifecycle, Limits, PluginOptions, PropertyValue, VmError,
};

/// A host that has not been started. Its clock begins at 2026-01-01T00:00:00Z, its random numbers are always the
/// same, and a filter that fails gets a 503 for its traffic, as in Envoy.
#[derive(Clone, Debug)]
pub struct TestHostBuilder {
    source: Source,
    limits: Limits,
    pub(super) setup: Setup,
}

#[derive(Clone, Debug)]
enum Source {
    Wasm(Vec<u8>),
    Filter(Filter),
}

/// What a host is made of; another one can be started from it.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) options: PluginOptions,
    pub(super) policy: FailurePolicy,
    pub(super) flow: FlowOptions,
    pub(super) answers: BTreeMap<String, Vec<Answer>>,
    pub(super) patience: Duration,
}

/// 2026-01-01T00:00:00Z.
const START_UNIX_NANOS: u64 = 1_767_225_600_000_000_000;

impl TestHostBuilder {
    pub(super) fn of_wasm(wasm: Vec<u8>) -> Self {
        Self::of(Source::Wasm(wasm))
    }

    pub(super) fn of_filter(filter: Filter) -> Self {
        Self::of(Source::Filter(filter))
    }

    fn of(source: Source) -> Self {
        let start = Timestamp::from_unix_nanos(START_UNIX_NANOS);
        let options = PluginOptions { start, instrumented: true, ..PluginOptions::default() };
        let setup = Setup {
            options,
            policy: FailurePolicy::default(),
            flow: FlowOptions::default(),
            answers: BTreeMap::new(),
            patience: Duration::from_secs(60),
        };
        Self { source, limits: Limits::default(), setup }
    }

    /// What `proxy_on_configure` reads.
    #[must_use]
    pub fn configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.setup.options.configuration = configuration.into();
        self
    }

    /// What `proxy_on_vm_start` reads.
    #[must_use]
    pub fn vm_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.setup.options.vm_configuration = configuration.into();
        self
    }

    /// An environment variable of the guest.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.setup.options.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A property that every context sees, by its path: `["xds", "listener_direction"]`.
    #[must_use]
    pub fn property<'a>(mut self, path: impl IntoIterator<Item = &'a str>, value: PropertyValue) -> Self {
        let path = path.into_iter().map(str::to_owned).collect();
        self.setup.options.properties.push((path, value));
        self
    }

    /// A cluster that the filter may call. Named again, it gives its answers in turn, the last one from then on.
    #[must_use]
    pub fn cluster(mut self, name: &str, answer: Answer) -> Self {
        let answers = self.setup.answers.entry(name.to_owned()).or_default();
        answers.push(answer);
        if answers.len() == 1 {
            self.setup.options.clusters.push(name.to_owned());
        }
        self
    }

    /// What becomes of traffic when the filter fails.
    #[must_use]
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.setup.policy = policy;
        self
    }

    /// What the guest may take. Without effect if the host is made from a compiled filter.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The proxy that the host behaves as.
    #[must_use]
    pub fn profile(mut self, profile: HostProfile) -> Self {
        self.setup.options.profile = profile;
        self
    }

    /// In which order a stream's end is told.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.setup.options.lifecycle = lifecycle;
        self
    }

    /// Where the guest's random numbers come from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.setup.options.seed = seed;
        self
    }

    /// The virtual clock's first instant.
    #[must_use]
    pub fn starting_at(mut self, start: Timestamp) -> Self {
        self.setup.options.start = start;
        self
    }

    /// Any other option of the plugin.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut PluginOptions)) -> Self {
        change(&mut self.setup.options);
        self.setup.options.instrumented = true;
        self
    }

    /// The most bytes of a body that are held for a filter that pauses it; Envoy's default is 1 MiB.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.setup.flow.buffer_limit_bytes = bytes;
        self
    }

    /// How long, of the virtual clock, an exchange waits for the filter to let it go on; 60 s unless set.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.setup.patience = time;
        self
    }

    /// Compiles the filter and starts it.
    ///
    /// # Errors
    /// [`VmError`] if it cannot be loaded, rejects its configuration, or fails.
    pub fn start(self) -> Result<TestHost, VmError> {
        let filter = match self.source {
            Source::Wasm(wasm) => Filter::compile(&wasm, self.limits)?,
            Source::Filter(filter) => filter,
        };
        TestHost::start(filter, self.setup)
    }
}
