//! What a VM's failure comes to for several plugins in it, by their policies.

use super::*;

const TRAP: &str = "(if (i32.eq (local.get 1) (i32.const 1)) (then (unreachable)))";

/// Traps at a head of one entry; counts configurations.
fn trapping() -> Script {
    let count = "(drop (call $proxy_increment_metric (i32.load (i32.const 128)) (i64.const 1)))";
    Script::new()
        .on("configure", &["define_metric 0 'configured' 128", count, "set_tick_period_milliseconds 10"])
        .on("request_headers", &[TRAP])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_nanos(millis * 1_000_000)
}

fn options(name: &str) -> RootOptions {
    RootOptions { plugin_name: name.into(), root_id: name.into(), ..RootOptions::default() }
}

/// Plugins by policies, the first one at 0.
fn plugins<const N: usize>(script: &Script, policies: [FailurePolicy; N]) -> (Plugins, [PluginId; N]) {
    let first = PluginOptions { start: at(0), seed: 7, ..PluginOptions::default() };
    let mut plugins = Plugins::start(&script.filter(), first, policies[0]).unwrap();
    let mut count = 0;
    let ids = policies.map(|policy| {
        count += 1;
        match count {
            1 => PluginId::FIRST,
            _ => plugins.add(options(&format!("plugin {count}")), policy, at(0)).unwrap(),
        }
    });
    (plugins, ids)
}

fn request(plugins: &mut Plugins, id: PluginId, now: Timestamp, is_bad: bool) -> Outcome<Verdict> {
    let head = if is_bad { HeaderMap::from_pairs([(":method", "GET")]) } else { headers() };
    match plugins.open(id, now) {
        Outcome::Filtered((generation, stream)) => {
            plugins.on(id, generation, now, |vm| vm.request_headers(stream, head, true)).unwrap()
        }
        Outcome::Bypassed => Outcome::Bypassed,
        Outcome::Refused => Outcome::Refused,
    }
}

const PASSED: Outcome<Verdict> = Outcome::Filtered(Verdict::Continue);

#[test]
fn one_failure_is_everybodys_and_each_policy_applies() {
    let all = [FailurePolicy::FailOpen, FailurePolicy::FailClosed, FailurePolicy::RELOAD];
    let (mut plugins, [open, closed, reload]) = plugins(&trapping(), all);
    for id in [open, closed, reload] {
        assert_eq!(request(&mut plugins, id, at(5), false), PASSED);
        assert_eq!(plugins.tick_period(id), Some(Duration::from_millis(10)));
    }
    assert_eq!(request(&mut plugins, closed, at(5), true), Outcome::Refused, "the guilty one");
    assert_eq!(request(&mut plugins, open, at(6), false), Outcome::Bypassed);
    assert_eq!(request(&mut plugins, reload, at(6), false), Outcome::Refused, "too soon");
    for id in [open, closed, reload] {
        assert!(!plugins.is_running(id));
        assert_eq!((plugins.stats(id).lost, plugins.tick_period(id)), (1, None));
        assert!(matches!(plugins.failure(id), Some(VmError::Trap { .. })));
    }
    let lines: Vec<String> = plugins.vm_mut().take_logs().into_iter().map(|line| line.message).collect();
    let fates = [
        "failed; traffic goes on",
        "\"plugin 2\"; traffic gets a 503:",
        "\"plugin 3\"; traffic gets a 503 until",
    ];
    assert!(fates.iter().all(|fate| lines.iter().any(|line| line.contains(fate))), "{lines:?}");

    assert_eq!(request(&mut plugins, reload, at(1_500), false), PASSED, "started anew");
    assert_eq!(plugins.vm().roots(), [RootId::FIRST], "alone");
    assert_eq!(request(&mut plugins, open, at(1_500), false), Outcome::Bypassed, "for ever");
    assert_eq!(request(&mut plugins, closed, at(1_500), false), Outcome::Refused, "for ever");
    assert_eq!((plugins.stats(open).lost, plugins.stats(reload).reloads), (1, 1));
}

#[test]
fn those_started_anew_come_into_one_vm() {
    let (mut plugins, [one, two]) = plugins(&trapping(), [FailurePolicy::RELOAD; 2]);
    let Outcome::Filtered((old, stream)) = plugins.open(two, at(5)) else { panic!("runs") };
    assert_eq!(request(&mut plugins, one, at(5), true), Outcome::Refused);
    assert_eq!(request(&mut plugins, two, at(1_500), false), PASSED);
    assert!(!plugins.is_running(one), "at its own first stream");
    assert_eq!(request(&mut plugins, one, at(1_501), false), PASSED);
    assert_eq!(plugins.vm().roots().len(), 2);
    assert_eq!(plugins.generation().number(), 1, "one VM");
    assert_eq!(plugins.root(two), RootId::FIRST, "the one that was first there");
    let late = plugins.on(two, old, at(1_502), |vm| vm.request_headers(stream, headers(), true)).unwrap();
    assert_eq!(late, Outcome::Refused, "its VM is gone");
    let stats = [one, two].map(|id| (plugins.stats(id).lost, plugins.stats(id).reloads));
    assert_eq!(stats, [(1, 1), (1, 1)]);
    assert_eq!(plugins.metrics()["configured"], MetricValue::Counter(4), "in both VMs, and in no canary");
}

#[test]
fn equal_plugins_of_one_policy_are_one() {
    let (mut plugins, [first, second]) = plugins(&trapping(), [FailurePolicy::FailOpen; 2]);
    assert_eq!(plugins.add(options("plugin 2"), FailurePolicy::FailOpen, at(1)).unwrap(), second);
    assert_eq!(plugins.add(RootOptions::default(), FailurePolicy::FailOpen, at(1)).unwrap(), first);
    let other = plugins.add(options("plugin 3"), FailurePolicy::FailClosed, at(1)).unwrap();
    assert_ne!(other, second);
}

#[test]
fn one_that_cannot_start_costs_nobody_anything() {
    let table = [("rejected", "(return (i32.const 0))"), ("trapped", "(unreachable)")];
    for (reason, then) in table {
        let bad = format!("(if (i32.eq (local.get 1) (i32.const 3)) (then {then}))");
        let script = Script::new().on("configure", &[&bad]);
        let (mut plugins, [first]) = plugins(&script, [FailurePolicy::FailClosed]);
        let added = RootOptions { configuration: b"bad".into(), ..options("bad") };
        assert!(plugins.add(added, FailurePolicy::FailClosed, at(1)).is_err(), "{reason}");
        assert_eq!(request(&mut plugins, first, at(2), false), PASSED, "{reason}");
        assert_eq!(plugins.stats(first), PluginStats::default(), "{reason}");
    }
}

#[test]
fn answers_and_ends_are_each_plugins_own() {
    let script = Script::new()
        .on("tick", &["grpc_call 'otel' 's' 'm' 0 0 0 0 0 72"])
        .on("grpc_receive", &["get_property 'plugin_root_id' 64 68", "show"]);
    let first = PluginOptions { clusters: vec!["otel".into()], ..PluginOptions::default() };
    let mut plugins = Plugins::start(&script.filter(), first, FailurePolicy::FailClosed).unwrap();
    let two = plugins.add(options("two"), FailurePolicy::FailClosed, at(0)).unwrap();
    plugins.enter(two, at(1), Vm::tick_of).unwrap();
    let call = plugins.take_calls().remove(0);
    plugins.answer(plugins.generation(), at(2), call.token, CallReply::Grpc { message: Vec::new() });
    assert!(said(plugins.vm_mut()).contains(&"two".to_owned()));
    assert_eq!(plugins.enter(two, at(3), Vm::finish_root), Some(true));
    assert_eq!(plugins.open(two, at(4)), Outcome::Refused, "it has ended");
    assert!(plugins.open(PluginId::FIRST, at(4)).filtered().is_some());
}
