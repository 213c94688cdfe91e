//! Several plugins in one VM.

use super::*;

/// Logs a letter and the context's number, as another letter: `t` and `B` is tick of context 1.
const SHOW: &str = r#"(func $show (param i32 i32)
  (i32.store8 (i32.const 80) (local.get 0))
  (i32.store8 (i32.const 81) (i32.add (local.get 1) (i32.const 65)))
  (drop (call $proxy_log (i32.const 2) (i32.const 80) (i32.const 2))))"#;

fn show(letter: char) -> String {
    format!("(call $show (i32.const {}) (local.get 0))", u32::from(letter))
}

/// Says whose callback runs; done waits, and the answer to a call ends the wait.
fn narrator() -> Script {
    let call = "grpc_call 'otel' 's' 'm' 0 0 0 0 0 72";
    let table: [(&str, char, &[&str]); 9] = [
        ("context_create", 'c', &["(call $show (i32.const 112) (local.get 1))"]),
        ("vm_start", 'v', &[]),
        (
            "configure",
            'f',
            &["get_buffer_bytes 7 0 99 64 68", "show", "set_tick_period_milliseconds 10", READ, "show"],
        ),
        ("tick", 't', &["get_property 'plugin_root_id' 64 68", "show", call, "register_shared_queue 'q' 72"]),
        ("queue_ready", 'q', &[]),
        ("request_headers", 'r', &["get_property 'plugin_name' 64 68", "show", call]),
        ("grpc_receive", 'a', &["done"]),
        ("done", 'd', &["return 0"]),
        ("delete", 'x', &[]),
    ];
    table.into_iter().fold(Script::new().with(SHOW), |script, (callback, letter, more)| {
        let first = show(letter);
        let lines: Vec<&str> = std::iter::once(first.as_str()).chain(more.iter().copied()).collect();
        script.on(callback, &lines)
    })
}

const READ: &str = "get_property 'plugin_root_id' 64 68";

fn options(name: &str) -> RootOptions {
    RootOptions {
        configuration: format!("of {name}").into(),
        plugin_name: format!("plugin {name}"),
        root_id: name.into(),
    }
}

/// A VM with the plugins `one`, context 1, and `two`, context 2.
fn both() -> (Vm, RootId) {
    sharing(&Shared::default())
}

fn sharing(shared: &Shared) -> (Vm, RootId) {
    let RootOptions { configuration, plugin_name, root_id } = options("one");
    let clusters = vec!["otel".into()];
    let shared = Some(shared.clone());
    let started =
        PluginOptions { configuration, plugin_name, root_id, clusters, shared, ..PluginOptions::default() };
    let mut vm = narrator().start(started);
    let two = vm.add_root(options("two")).unwrap();
    (vm, two)
}

/// Another VM's message to the first queue.
fn write(shared: &Shared) {
    let options = PluginOptions { shared: Some(shared.clone()), ..PluginOptions::default() };
    Script::new().on("tick", &["enqueue_shared_queue 1 'x'"]).start(options).tick().unwrap();
}

/// What was said beside the statuses that are OK.
fn told(vm: &mut Vm) -> String {
    said(vm).into_iter().filter(|line| line != "0").collect::<Vec<_>>().join(" ")
}

fn answer(vm: &mut Vm) {
    for call in vm.take_calls() {
        vm.answer(call.token, CallReply::Grpc { message: Vec::new() }).unwrap();
    }
}

#[test]
fn each_plugin_is_started_and_configured_by_itself() {
    let (mut vm, two) = both();
    assert_eq!(told(&mut vm), "cB pA vB fB of one one cC pA vC fC of two two");
    assert_eq!(vm.roots(), [RootId::FIRST, two]);
    assert_eq!(vm.add_root(options("two")).unwrap(), two, "an equal one is that one");
    assert_eq!(vm.add_root(options("one")).unwrap(), RootId::FIRST);
    assert_eq!(told(&mut vm), "", "and is not started again");
    let other = RootOptions { configuration: b"another".into(), ..options("two") };
    assert_ne!(vm.add_root(other).unwrap(), two);
}

#[test]
fn streams_ticks_queues_and_answers_are_the_right_plugins() {
    let shared = Shared::default();
    let (mut vm, two) = sharing(&shared);
    told(&mut vm);
    assert_eq!((vm.tick_period(), vm.tick_period_of(two)), (Some(TEN), Some(TEN)));
    let [first, second] = [RootId::FIRST, two].map(|root| vm.open_stream_of(root).unwrap());
    assert_eq!(told(&mut vm), "cD pB cE pC", "each under its own root");
    assert_eq!((vm.root_of(first), vm.root_of(second)), (RootId::FIRST, two));
    vm.request_headers(second, headers(), true).unwrap();
    vm.request_headers(first, headers(), true).unwrap();
    assert_eq!(told(&mut vm), "rE plugin two rD plugin one");
    answer(&mut vm);
    assert_eq!(told(&mut vm), "aC 1 aB 1", "nothing waits for proxy_done yet");
    vm.tick_of(two).unwrap();
    assert_eq!(told(&mut vm), "tC two");
    write(&shared);
    vm.run_queues().unwrap();
    assert_eq!(told(&mut vm), "qC", "the plugin that registered the queue is told");
}

const TEN: Duration = Duration::from_millis(10);

#[test]
fn each_plugin_ends_by_itself() {
    let (mut vm, two) = both();
    let (first, second) = (vm.open_stream().unwrap(), vm.open_stream_of(two).unwrap());
    vm.tick().unwrap();
    vm.tick_of(two).unwrap();
    let calls = vm.take_calls();
    told(&mut vm);
    assert!(!vm.finish_root(two).unwrap(), "it waits");
    assert_eq!(told(&mut vm), "dE xE dC", "its stream, and then itself");
    assert!(matches!(vm.request_headers(second, headers(), true), Err(VmError::UnknownStream(_))));
    vm.answer(calls[0].token, CallReply::Grpc { message: Vec::new() }).unwrap();
    assert_eq!(told(&mut vm), "aB 1", "the other's proxy_done is not its own");
    assert!(!vm.finish_root(two).unwrap());
    vm.answer(calls[1].token, CallReply::Grpc { message: Vec::new() }).unwrap();
    assert!(vm.finish_root(two).unwrap());
    assert_eq!(told(&mut vm), "aC xC");
    assert!(vm.finish_root(two).unwrap(), "once");
    assert!(matches!(vm.open_stream_of(two), Err(VmError::UnknownRoot(_))));
    assert!(matches!(vm.tick_of(two), Err(VmError::UnknownRoot(_))));
    assert_eq!((vm.tick_period_of(two), vm.roots()), (None, vec![RootId::FIRST]));
    assert_eq!(vm.request_headers(first, headers(), true).unwrap(), Verdict::Continue, "the other goes on");
    assert!(!vm.finish().unwrap());
    answer(&mut vm);
    assert!(vm.finish().unwrap(), "all of them");
}

#[test]
fn what_a_plugin_leaves_behind_when_it_ends_is_forgotten() {
    let script = Script::new()
        .on("tick", &["grpc_call 'otel' 's' 'm' 0 0 0 0 0 72", "register_shared_queue 'q' 72"])
        .on("grpc_receive", &["say 'told'"])
        .on("queue_ready", &["say 'told'"]);
    let shared = Shared::default();
    let clusters = vec!["otel".into()];
    let mut vm =
        script.start(PluginOptions { clusters, shared: Some(shared.clone()), ..PluginOptions::default() });
    let two = vm.add_root(options("two")).unwrap();
    vm.tick_of(two).unwrap();
    let call = vm.take_calls().remove(0);
    assert!(vm.finish_root(two).unwrap());
    vm.take_logs();
    vm.answer(call.token, CallReply::Grpc { message: Vec::new() }).unwrap();
    assert!(!told(&mut vm).contains("told "), "its calls are cancelled");
    write(&shared);
    assert_eq!(vm.run_queues().unwrap(), 0);
    assert_eq!(told(&mut vm), "");
}

#[test]
fn the_effective_context_may_be_any_plugins() {
    let lines = [
        "set_effective_context 2",
        "set_tick_period_milliseconds 70",
        READ,
        "show",
        "set_effective_context 3",
    ];
    let mut vm = Script::new().on("tick", &lines).vm();
    let two = vm.add_root(options("two")).unwrap();
    vm.tick().unwrap();
    assert_eq!(told(&mut vm), "two 2");
    assert_eq!((vm.tick_period(), vm.tick_period_of(two)), (None, Some(Duration::from_millis(70))));
}

#[test]
fn one_that_is_rejected_leaves_the_others_alone() {
    let reject = "(if (i32.ne (local.get 0) (i32.const 1)) (then (return (i32.const 0))))";
    for callback in ["vm_start", "configure"] {
        let mut vm = Script::new().on(callback, &[reject]).vm();
        let added = vm.add_root(options("two"));
        match callback {
            "configure" => assert!(matches!(added, Err(VmError::ConfigurationRejected { .. })), "{added:?}"),
            _ => assert!(matches!(added, Err(VmError::StartRejected { .. })), "{added:?}"),
        }
        assert_eq!(vm.roots(), [RootId::FIRST]);
        vm.open_stream().unwrap();
    }
}

#[test]
fn a_failure_costs_all_plugins_of_the_vm() {
    let trap = "(if (i32.ne (local.get 0) (i32.const 1)) (then (unreachable)))";
    let mut vm = Script::new().on("configure", &[trap]).vm();
    assert!(matches!(vm.add_root(options("two")), Err(VmError::Trap { call: "proxy_on_configure", .. })));
    assert!(matches!(vm.open_stream(), Err(VmError::Poisoned)));
    assert!(matches!(vm.add_root(options("three")), Err(VmError::Poisoned)));
}
