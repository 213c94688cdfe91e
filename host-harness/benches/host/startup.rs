//! From a module's bytes to a VM that is ready, compiled anew and from the cache.

use meshspan::vm::{Filter, Limits, ModuleCache, PluginOptions};

use crate::rounds::{self, Request, Rounds};

/// Of the first start's time, what the second may take.
const TARGET: f64 = 0.1;
const ROUNDS: usize = 25;

/// Both starts' times and their ratio.
pub(crate) fn table() -> String {
    let directory = tempfile::tempdir().unwrap();
    let cache = ModuleCache::new(directory.path());
    let mut subjects: [Request; 2] = [
        Box::new(|| start(&Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap())),
        Box::new(move || {
            start(&Filter::compile_cached(meshspan::filter_wasm(), Limits::default(), &cache).unwrap());
        }),
    ];
    let rounds = Rounds::measure(&mut subjects, ROUNDS);
    [
        rounds::heading("meshspan_filter.wasm to a ready VM"),
        rounds.row("compiled", 0),
        rounds.row("from the cache", 1),
        rounds::heading("ratio"),
        rounds.ratio("from the cache / compiled", 1, 0, Some(('≤', TARGET))),
    ]
    .concat()
}

fn start(filter: &Filter) {
    filter
        .start(PluginOptions { clusters: vec!["otel_collector".to_owned()], ..PluginOptions::default() })
        .unwrap();
}
