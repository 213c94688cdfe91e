//! Envoy's start: canary and workers.

use super::*;

/// Counts its starts in shared data, and shows the byte that it counted to.
const COUNT: &[&str] = &[
    "(i32.store8 (i32.const 600) (i32.const 48))",
    "(if (i32.eqz (call $proxy_get_shared_data (i32.const 1024) (i32.const 1) (i32.const 64) (i32.const 68) (i32.const 72)))
        (then (i32.store8 (i32.const 600) (i32.load8_u (i32.load (i32.const 64))))))",
    "(i32.store8 (i32.const 600) (i32.add (i32.load8_u (i32.const 600)) (i32.const 1)))",
    "(drop (call $proxy_set_shared_data (i32.const 1024) (i32.const 1) (i32.const 600) (i32.const 1) (i32.const 0)))",
    "(drop (call $proxy_log (i32.const 2) (i32.const 600) (i32.const 1)))",
];

fn counting() -> Script {
    let mut script = Script::new();
    script.line("say 'n'");
    script.on("configure", COUNT).on("done", &["say 'done'"]).on("delete", &["say 'deleted'"])
}

#[test]
fn a_canary_is_configured_and_thrown_away() {
    let logs = counting().filter().canary(PluginOptions::default()).unwrap();
    let messages: Vec<String> = logs.into_iter().map(|line| line.message).collect();
    assert_eq!(messages, ["1"], "neither done nor deleted");
    let refused = Script::new().on("configure", &["return 0"]).filter();
    assert!(matches!(refused.canary(PluginOptions::default()), Err(VmError::ConfigurationRejected { .. })));
    let refused = refused.workers(PluginOptions::default(), 2);
    assert!(matches!(refused, Err(VmError::ConfigurationRejected { .. })));
}

#[test]
fn workers_share_what_the_canary_shared_already_and_cross_threads() {
    let mut workers = counting().filter().workers(PluginOptions::default(), 3).unwrap();
    let counts: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers.iter_mut().map(|vm| scope.spawn(|| said(vm).concat())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(counts, ["2", "3", "4"]);
    let lonely = counting().filter().workers(PluginOptions::default(), 1).unwrap();
    assert_eq!(said(&mut lonely.into_iter().next().unwrap()), ["2"], "another plugin shares nothing with it");
}

#[test]
fn workers_have_different_randomness() {
    let lines = ["random_get 64 8", "(drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 8)))"];
    let filter = Script::new().on("tick", &lines).filter();
    let run = || {
        let mut vms = filter.workers(PluginOptions { seed: 7, ..PluginOptions::default() }, 2).unwrap();
        vms.iter_mut().for_each(|vm| vm.tick().unwrap());
        vms.iter_mut().map(said).collect::<Vec<_>>()
    };
    let first = run();
    assert_ne!(first[0], first[1]);
    assert_eq!(first, run(), "and the same each time");
}
