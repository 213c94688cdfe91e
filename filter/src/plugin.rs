//! The adapter between a proxy-wasm 0.2.1 host and the pure modules: the only code that knows
//! hostcalls, contexts and callbacks. It decides nothing about tracing.
//!
//! proxy-wasm's contexts are [`root::Root`] (one per plugin configuration) and
//! [`stream::Stream`] (one per request). Nothing here panics, pauses or answers a request:
//! whatever goes wrong, traffic goes on.

mod abi;
mod export;
mod host;
mod metrics;
mod root;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;

use root::Root;
use stream::Stream;

/// Everything this VM holds. Several plugins may share one VM, each with its root context.
#[derive(Default)]
struct Plugin {
    roots: BTreeMap<u32, Root>,
    streams: BTreeMap<u32, Stream>,
}

thread_local! {
    static PLUGIN: RefCell<Plugin> = const {
        RefCell::new(Plugin { roots: BTreeMap::new(), streams: BTreeMap::new() })
    };
}

impl Plugin {
    /// Runs `callback` on the VM's state. A host that re-entered the guest, which the ABI forbids,
    /// would get nothing done instead of a panic.
    fn with<T>(callback: impl FnOnce(&mut Plugin) -> T) -> Option<T> {
        PLUGIN.with(|plugin| plugin.try_borrow_mut().ok().map(|mut plugin| callback(&mut plugin)))
    }

    fn create_context(&mut self, id: u32, parent: u32) {
        if parent == 0 {
            self.roots.insert(id, Root::default());
        } else {
            self.streams.insert(id, Stream::new(parent));
        }
    }

    /// The stream and the root that it belongs to.
    fn stream(&mut self, id: u32) -> Option<(&mut Stream, &mut Root)> {
        let stream = self.streams.get_mut(&id)?;
        let root = self.roots.get_mut(&stream.root())?;
        Some((stream, root))
    }

    fn root(&mut self, id: u32) -> Option<&mut Root> {
        self.roots.get_mut(&id)
    }

    /// Ends the stream, if it has not been ended; both `log` and `delete` do.
    fn end_stream(&mut self, id: u32, detail: stream::Detail) {
        if let Some((stream, root)) = self.stream(id) {
            stream.end(root, detail);
        }
    }

    fn delete_context(&mut self, id: u32) {
        self.end_stream(id, stream::Detail::ClockOnly);
        self.streams.remove(&id);
        self.roots.remove(&id);
    }
}
