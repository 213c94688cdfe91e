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
mod proxy;
mod root;
mod stream;

use std::cell::RefCell;

use crate::contexts::ContextMap;
use host::Callback;
use root::Root;
use stream::Stream;

/// Everything this VM holds. Several plugins may share one VM, each with its root context.
struct Plugin {
    /// Few, by their contexts.
    roots: Vec<(u32, Root)>,
    /// Those whose requests have not come yet, or are recorded and have not ended.
    streams: ContextMap<Stream>,
}

thread_local! {
    static PLUGIN: RefCell<Plugin> = const {
        RefCell::new(Plugin { roots: Vec::new(), streams: ContextMap::new() })
    };
}

impl Plugin {
    /// Runs `callback` on the VM's state. A host that re-entered the guest, which the ABI forbids,
    /// would get nothing done instead of a panic.
    fn with<T>(callback: impl FnOnce(&mut Plugin, &Callback) -> T) -> Option<T> {
        host::callback(|call| {
            PLUGIN.with(|plugin| plugin.try_borrow_mut().ok().map(|mut plugin| callback(&mut plugin, call)))
        })
        .flatten()
    }

    fn create_context(&mut self, id: u32, parent: u32) {
        if parent == 0 {
            self.create_root(id);
        } else {
            self.streams.insert(id, Stream::new(parent));
        }
    }

    #[cold]
    fn create_root(&mut self, id: u32) {
        self.delete_root(id);
        self.roots.push((id, Root::default()));
    }

    #[cold]
    fn delete_root(&mut self, id: u32) {
        self.roots.retain(|(root, _)| *root != id);
    }

    /// The stream and the root that it belongs to.
    fn stream(&mut self, id: u32) -> Option<(&mut Stream, &mut Root)> {
        let stream = self.streams.find(id)?;
        let root = self.roots.iter_mut().find(|(root, _)| *root == stream.root())?;
        Some((stream, &mut root.1))
    }

    fn root(&mut self, id: u32) -> Option<&mut Root> {
        self.roots.iter_mut().find(|(root, _)| *root == id).map(|(_, root)| root)
    }

    /// The request's head is there: a stream that is not recorded leaves nothing behind.
    fn begin_stream(&mut self, id: u32, is_whole: bool, call: &Callback) {
        let is_recorded =
            self.stream(id).is_some_and(|(stream, root)| stream.request_headers(root, is_whole, call));
        if !is_recorded {
            self.streams.remove(id);
        }
    }

    /// Ends the stream, if it has not been ended; both `log` and `delete` do.
    fn end_stream(&mut self, id: u32, detail: stream::Detail, call: &Callback) {
        let Some(stream) = self.streams.remove(id) else { return };
        if let Some(root) = self.root(stream.root()) {
            stream.end(root, detail, call);
        }
    }

    fn delete_context(&mut self, id: u32, call: &Callback) {
        self.end_stream(id, stream::Detail::ClockOnly, call);
        if self.root(id).is_some() {
            self.delete_root(id);
        }
    }
}
