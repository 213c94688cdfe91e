//! The plugins of one VM: each has a context of its own, the root of its streams.
//!
//! Envoy puts plugins with the same `vm_id`, VM configuration and code into one VM. What belongs to one of them
//! only is here; logs, metrics, shared data and the calls' tokens are the VM's.

use std::time::Duration;

use super::foreign::Expressions;
use super::property::PropertyTable;
use super::{HostError, HostState, PropertyValue};

/// A plugin's own context in its VM.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootId(pub(crate) u32);

impl RootId {
    /// That of the plugin that the VM was started with.
    pub const FIRST: Self = Self(super::ROOT_CONTEXT);
}

/// What one plugin of a VM has of its own. To Envoy equal ones in one VM are one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootOptions {
    /// What `proxy_on_configure` reads.
    pub configuration: Vec<u8>,
    /// Property `plugin_name`.
    pub plugin_name: String,
    /// Property `plugin_root_id`.
    pub root_id: String,
}

/// Whether and how a plugin's context has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootState {
    /// In use.
    Running,
    /// `proxy_on_done` said to wait for `proxy_done`.
    Waiting,
    /// `proxy_done` was called.
    Done,
    /// `proxy_on_delete` has run.
    Deleted,
}

/// One plugin's state.
#[derive(Debug)]
pub(super) struct Root {
    id: RootId,
    pub(super) options: RootOptions,
    pub(super) properties: PropertyTable,
    pub(super) tick_period: Option<Duration>,
    pub(super) expressions: Expressions,
    pub(super) state: RootState,
}

impl Root {
    fn new(id: RootId, options: RootOptions) -> Self {
        let mut properties = PropertyTable::default();
        for (path, name) in [("plugin_name", &options.plugin_name), ("plugin_root_id", &options.root_id)] {
            properties.insert(&[path], PropertyValue::Bytes(name.clone().into_bytes()));
        }
        Self {
            id,
            options,
            properties,
            tick_period: None,
            expressions: Expressions::default(),
            state: RootState::Running,
        }
    }
}

/// A VM's plugins: one always, so that there is one to fall back to.
#[derive(Debug)]
pub(super) struct Roots {
    first: Root,
    others: Vec<Root>,
}

impl Roots {
    pub(super) fn new(options: RootOptions) -> Self {
        Self { first: Root::new(RootId::FIRST, options), others: Vec::new() }
    }

    /// The plugin's; the first one's for what belongs to none.
    #[inline]
    pub(super) fn get(&self, id: RootId) -> &Root {
        self.others.iter().find(|root| root.id == id).unwrap_or(&self.first)
    }

    pub(super) fn get_mut(&mut self, id: RootId) -> &mut Root {
        self.others.iter_mut().find(|root| root.id == id).unwrap_or(&mut self.first)
    }

    fn all(&self) -> impl Iterator<Item = &Root> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether the context is a plugin's that is there.
    pub(super) fn has(&self, context: u32) -> bool {
        self.all().any(|root| root.id.0 == context && root.state != RootState::Deleted)
    }
}

impl HostState {
    /// A further plugin.
    pub fn add_root(&mut self, options: RootOptions) -> RootId {
        let id = RootId(self.next_context());
        self.roots.others.push(Root::new(id, options));
        id
    }

    /// Takes a plugin back that did not start.
    pub fn remove_root(&mut self, id: RootId) {
        self.roots.others.retain(|root| root.id != id);
        self.callouts.forget(id);
    }

    /// The plugins that have not ended, in the order in which they were added.
    pub fn root_ids(&self) -> Vec<RootId> {
        let running = self.roots.all().filter(|root| root.state != RootState::Deleted);
        running.map(|root| root.id).collect()
    }

    /// Whether the plugin is there and has not ended.
    pub fn has_root(&self, id: RootId) -> bool {
        self.roots.has(id.0)
    }

    /// What a plugin was added with.
    pub fn root_options(&self, id: RootId) -> &RootOptions {
        &self.roots.get(id).options
    }

    /// The plugin that a context belongs to: its own, or its stream's.
    pub fn root_of(&self, context: u32) -> RootId {
        match self.streams.get(&context) {
            Some(stream) => stream.root,
            None if self.roots.has(context) => RootId(context),
            None => RootId::FIRST,
        }
    }

    /// How far a plugin's end has come.
    pub fn root_state(&self, id: RootId) -> RootState {
        self.roots.get(id).state
    }

    /// Notes how far a plugin's end has come; the calls of one that is deleted are waited for no more.
    pub fn set_root_state(&mut self, id: RootId, state: RootState) {
        let root = self.roots.get_mut(id);
        root.state = state;
        if state == RootState::Deleted {
            root.tick_period = None;
            self.callouts.forget(id);
        }
    }

    /// How often a plugin wants `proxy_on_tick`.
    pub fn tick_period(&self, id: RootId) -> Option<Duration> {
        self.roots.get(id).tick_period
    }

    /// Sets the tick period of the plugin that calls; 0 ends ticking.
    pub fn set_tick_period_ms(&mut self, period: u32) -> Result<(), HostError> {
        let resets_ticks = self.profile.resets_ticks();
        let root = self.roots.get_mut(self.root_of(self.context()));
        if root.tick_period.is_some() && !resets_ticks {
            return Err(HostError::Fatal { call: "set_tick_period", why: "tick_period already set" });
        }
        root.tick_period = (period > 0).then(|| Duration::from_millis(u64::from(period)));
        Ok(())
    }

    /// `proxy_done`: ends the wait that `proxy_on_done` asked for. Only a plugin's own context can, as in Envoy.
    pub fn done(&mut self) -> Result<(), HostError> {
        let context = self.context();
        if !self.roots.has(context) || self.root_state(RootId(context)) != RootState::Waiting {
            return Err(HostError::NotFound);
        }
        self.set_root_state(RootId(context), RootState::Done);
        Ok(())
    }
}
