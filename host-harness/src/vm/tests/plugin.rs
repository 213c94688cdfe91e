//! What becomes of traffic when the filter fails, by policy.

use super::*;

/// Traps at the request's head, unless it has an `x-a`; counts requests.
fn trapping() -> Script {
    Script::new()
        .on("configure", &["define_metric 0 'requests' 128"])
        .on(
            "request_headers",
            &["(drop (call $proxy_increment_metric (i32.load (i32.const 128)) (i64.const 1)))", TRAP],
        )
        .on("tick", &["(unreachable)"])
}

const TRAP: &str = "(if (i32.eq (local.get 1) (i32.const 1)) (then (unreachable)))";

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_nanos(millis * 1_000_000)
}

fn plugin(script: &Script, policy: FailurePolicy) -> Plugin {
    let options = PluginOptions { start: at(0), seed: 7, ..PluginOptions::default() };
    Plugin::start(&script.filter(), options, policy).unwrap()
}

type Opened = (Generation, StreamId);

fn request(plugin: &mut Plugin, now: Timestamp, (generation, id): Opened, is_bad: bool) -> Outcome<Verdict> {
    let head = if is_bad { HeaderMap::from_pairs([(":method", "GET")]) } else { headers() };
    plugin.on(generation, now, |vm| vm.request_headers(id, head, true)).unwrap()
}

/// Opens two streams, one of which costs the VM; returns the other.
fn lose(plugin: &mut Plugin, now: Timestamp) -> Opened {
    let innocent = plugin.open(now).filtered().unwrap();
    let guilty = plugin.open(now).filtered().unwrap();
    assert_eq!(request(plugin, now, innocent, false), Outcome::Filtered(Verdict::Continue));
    let lost = request(plugin, now, guilty, true);
    assert_eq!(lost.filtered(), None);
    innocent
}

#[test]
fn fail_open_lets_all_traffic_go_on() {
    let mut plugin = plugin(&trapping(), FailurePolicy::FailOpen);
    let under_way = lose(&mut plugin, at(5));
    assert_eq!(request(&mut plugin, at(5), under_way, false), Outcome::Bypassed);
    assert_eq!(plugin.open(at(60_000)), Outcome::Bypassed, "for ever");
    assert!(!plugin.is_running());
    assert_eq!(plugin.stats(), PluginStats { lost: 1, bypassed: 3, ..PluginStats::default() });
}

#[test]
fn fail_closed_refuses_all_traffic() {
    let mut plugin = plugin(&trapping(), FailurePolicy::FailClosed);
    let under_way = lose(&mut plugin, at(5));
    assert_eq!(request(&mut plugin, at(5), under_way, false), Outcome::Refused);
    assert_eq!(plugin.open(at(60_000)), Outcome::Refused, "for ever");
    assert_eq!(plugin.stats(), PluginStats { lost: 1, refused: 3, ..PluginStats::default() });
    assert!(matches!(plugin.failure(), Some(VmError::Trap { call: "proxy_on_request_headers", .. })));
    let logs: Vec<_> = plugin.vm_mut().take_logs();
    let last = logs.last().unwrap();
    let expected =
        "host: the filter failed; traffic gets a 503: the filter trapped in proxy_on_request_headers";
    assert!(last.message.starts_with(expected) && last.level == LogLevel::Critical, "{last:?}");
}

#[test]
fn fail_reload_starts_anew_after_a_back_off() {
    let mut plugin = plugin(&trapping(), FailurePolicy::RELOAD);
    let under_way = lose(&mut plugin, at(5));
    assert_eq!(plugin.open(at(999)), Outcome::Refused, "a second from the start has not passed");
    let first = plugin.generation();
    let opened = plugin.open(at(1_500)).filtered().expect("at most half of it is added");
    assert_ne!(opened.0, first);
    assert_eq!(opened.0, plugin.generation());
    assert_eq!(request(&mut plugin, at(1_500), under_way, false), Outcome::Refused, "its VM is gone");
    assert_eq!(request(&mut plugin, at(1_500), opened, false), Outcome::Filtered(Verdict::Continue));
    let stats = PluginStats { lost: 1, reloads: 1, backed_off: 1, refused: 3, ..PluginStats::default() };
    assert_eq!(plugin.stats(), stats);
    assert_eq!(plugin.vm().now(), at(1_500));
    assert_eq!(plugin.metrics()["requests"], MetricValue::Counter(3), "counters outlive their VM");
}

#[test]
fn a_vm_that_has_run_for_longer_than_the_back_off_is_replaced_at_once() {
    let mut plugin = plugin(&trapping(), FailurePolicy::RELOAD);
    lose(&mut plugin, at(60_000));
    assert!(plugin.open(at(60_000)).filtered().is_some());
    let messages: Vec<_> = plugin.vm_mut().take_logs().into_iter().map(|line| line.message).collect();
    let lost = messages.iter().position(|line| line.contains("at the first stream in 0ns or later")).unwrap();
    let anew = messages.iter().position(|line| line == "host: the filter was started anew").unwrap();
    assert!(lost < anew, "{messages:?}");
}

#[test]
fn the_back_off_is_drawn_from_the_plugins_seed() {
    let due = |seed| {
        let options = PluginOptions { seed, ..PluginOptions::default() };
        let mut plugin = Plugin::start(&trapping().filter(), options, FailurePolicy::RELOAD).unwrap();
        lose(&mut plugin, at(1));
        (1_000..=1_500).find(|millis| plugin.open(at(*millis)).filtered().is_some()).unwrap()
    };
    assert_eq!(due(1), due(1), "the same seed, the same wait");
    assert!((2..20).any(|seed| due(seed) != due(1)), "chance has a part in it");
}

#[test]
fn a_start_that_fails_is_tried_again_after_another_back_off() {
    // Rejects its configuration once the clock has passed a second.
    let late = r#"(drop (call $proxy_get_current_time_nanoseconds (i32.const 128)))
        (if (i64.gt_u (i64.load (i32.const 128)) (i64.const 1000000000)) (then (return (i32.const 0))))"#;
    let script = Script::new().on("configure", &[late]).on("tick", &["(unreachable)"]);
    let mut plugin = plugin(&script, FailurePolicy::RELOAD);
    assert_eq!(plugin.enter(at(10), Vm::tick), None);
    assert_eq!(plugin.open(at(1_500)), Outcome::Refused);
    assert!(
        matches!(plugin.failure(), Some(VmError::ConfigurationRejected { .. })),
        "{:?}",
        plugin.failure()
    );
    assert_eq!(plugin.open(at(2_400)), Outcome::Refused, "counted from the last try");
    assert_eq!(plugin.stats().reloads_failed, 1);
    assert_eq!(plugin.open(at(3_000)), Outcome::Refused);
    assert_eq!(plugin.stats().reloads_failed, 2);
}

#[test]
fn a_start_must_succeed_under_every_policy() {
    let script = Script::new().on("configure", &["return 0"]);
    for policy in [FailurePolicy::FailOpen, FailurePolicy::FailClosed, FailurePolicy::RELOAD] {
        let started = Plugin::start(&script.filter(), PluginOptions::default(), policy);
        assert!(matches!(started, Err(VmError::ConfigurationRejected { .. })), "{policy:?}");
    }
}

#[test]
fn what_costs_no_vm_is_an_error_of_the_caller() {
    let mut plugin = plugin(&trapping(), FailurePolicy::FailClosed);
    let (generation, id) = plugin.open(at(1)).filtered().unwrap();
    plugin.on(generation, at(1), |vm| vm.close_stream(id)).unwrap();
    let again = plugin.on(generation, at(1), |vm| vm.close_stream(id));
    assert!(matches!(again, Err(VmError::UnknownStream(_))), "{again:?}");
    assert!(plugin.is_running());
}

#[test]
fn a_tick_that_fails_ends_the_ticking_and_its_calls_answers_are_dropped() {
    let script = trapping().on("request_trailers", &["set_tick_period_milliseconds 100"]);
    let mut plugin = plugin(&script, FailurePolicy::RELOAD);
    let (generation, id) = plugin.open(at(1)).filtered().unwrap();
    request(&mut plugin, at(1), (generation, id), false);
    plugin.on(generation, at(1), |vm| vm.request_trailers(id, HeaderMap::new())).unwrap();
    assert_eq!(plugin.tick_period(), Some(Duration::from_millis(100)));
    assert_eq!(plugin.enter(at(2), Vm::tick), None);
    assert_eq!(plugin.tick_period(), None);
    assert!(plugin.open(at(1_500)).filtered().is_some());
    plugin.vm_mut().take_logs();
    plugin.answer(generation, at(1_500), 4, CallReply::HttpFailure);
    assert_eq!(plugin.vm_mut().take_logs(), [], "the new VM never hears of it");
    plugin.answer(plugin.generation(), at(1_500), 4, CallReply::HttpFailure);
    assert_eq!(plugin.vm_mut().take_logs().len(), 1, "unless the call is its own");
}
