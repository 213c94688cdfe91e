//! The order of callbacks, the clock, the timer and the plugin's end.

use super::*;

fn narrator() -> Script {
    Script::new()
        .with(r#"(func (export "_initialize") (drop (call $proxy_log (i32.const 2) (i32.const 1024) (i32.const 4))))"#)
        .on("context_create", &["say 'init'"])
        .on("vm_start", &["say 'start'"])
        .on("configure", &["say 'configure'", "get_buffer_bytes 7 0 99 64 68", "show"])
        .on("done", &["say 'done'"])
        .on("log", &["say 'log'"])
        .on("delete", &["say 'delete'"])
}

#[test]
fn a_plugin_starts_and_ends_in_the_chosen_order() {
    let orders = [
        (Lifecycle::Envoy, ["log", "done", "delete"].as_slice(), ["done", "delete"].as_slice()),
        (Lifecycle::Specification, &["done", "log", "delete"], &["done", "log", "delete"]),
    ];
    for (lifecycle, stream_end, plugin_end) in orders {
        let options = PluginOptions { configuration: b"{}".to_vec(), lifecycle, ..PluginOptions::default() };
        let mut vm = narrator().start(options);
        assert_eq!(said(&mut vm), ["init", "init", "start", "configure", "0", "{}"], "{lifecycle:?}");
        let stream = vm.open_stream().unwrap();
        assert_eq!(said(&mut vm), ["init"]);
        vm.close_stream(stream).unwrap();
        assert_eq!(said(&mut vm), stream_end, "{lifecycle:?}");
        assert!(matches!(vm.close_stream(stream), Err(VmError::UnknownStream(_))));
        assert!(vm.finish().unwrap());
        assert_eq!(said(&mut vm), plugin_end, "{lifecycle:?}");
        assert!(vm.finish().unwrap(), "again, and nothing happens");
        assert!(said(&mut vm).is_empty());
    }
}

#[test]
fn finish_closes_streams_and_waits_for_proxy_done() {
    let mut vm = Script::new()
        .on("done", &["say 'done'", "(return (i32.ne (local.get 0) (i32.const 1)))"])
        .on("delete", &["say 'delete'"])
        .on("tick", &["done"])
        .vm();
    vm.open_stream().unwrap();
    assert!(!vm.finish().unwrap());
    assert_eq!(said(&mut vm), ["done", "delete", "done"], "the stream's, then the plugin's");
    assert!(!vm.finish().unwrap(), "still waiting");
    vm.tick().unwrap();
    assert!(vm.finish().unwrap());
    assert_eq!(said(&mut vm), ["0", "delete"]);
}

#[test]
fn a_rejection_tells_what_was_logged() {
    let script = Script::new().on("configure", &["say 'sampling.ratio is 7'", "return 0"]);
    match script.filter().start(PluginOptions::default()) {
        Err(error @ VmError::ConfigurationRejected { .. }) => {
            let expected = "the filter rejected its configuration; info: sampling.ratio is 7";
            assert_eq!(error.to_string(), expected);
        }
        other => panic!("{other:?}"),
    }
    let script = Script::new().on("vm_start", &["return 0"]);
    let started = script.filter().start(PluginOptions::default());
    assert!(matches!(started, Err(VmError::StartRejected { .. })), "{started:?}");
}

#[test]
fn every_export_is_optional() {
    let mut vm = Script::new().vm();
    let stream = vm.open_stream().unwrap();
    assert_eq!(vm.request_headers(stream, headers(), false).unwrap(), Verdict::Continue);
    assert_eq!(vm.request_body(stream, vec![1], false).unwrap(), Verdict::Continue);
    assert_eq!(vm.request_trailers(stream, headers()).unwrap(), Verdict::Continue);
    assert_eq!(vm.response_headers(stream, headers(), false).unwrap(), Verdict::Continue);
    assert_eq!(vm.response_body(stream, vec![1], false).unwrap(), Verdict::Continue);
    assert_eq!(vm.response_trailers(stream, headers()).unwrap(), Verdict::Continue);
    vm.close_stream(stream).unwrap();
    vm.tick().unwrap();
    assert!(vm.finish().unwrap());
}

#[test]
fn a_response_without_a_request_is_not_told() {
    let mut vm = Script::new().on("response_headers", &["say 'told'", "return 1"]).vm();
    let stream = vm.open_stream().unwrap();
    assert_eq!(vm.response_headers(stream, headers(), true).unwrap(), Verdict::Continue);
    assert!(said(&mut vm).is_empty());
    vm.request_headers(stream, headers(), true).unwrap();
    assert_eq!(vm.response_headers(stream, headers(), true).unwrap(), Verdict::Pause);
}

#[test]
fn the_clock_is_virtual_and_never_goes_back() {
    let start = Timestamp::from_unix_nanos(0x4142_4344_4546_4748);
    let show = "(drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 4)))";
    let mut vm = Script::new()
        .on("tick", &["get_current_time_nanoseconds 64", show])
        .on("configure", &["set_tick_period_milliseconds 250"])
        .start(PluginOptions { start, ..PluginOptions::default() });
    assert_eq!(vm.tick_period(), Some(Duration::from_millis(250)));
    vm.take_logs();
    vm.set_time(Timestamp::from_unix_nanos(5));
    assert_eq!(vm.now(), start);
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["0", "HGFE"], "little-endian");
}

#[test]
fn vms_and_filters_cross_threads() {
    fn send<T: Send>() {}
    fn shared<T: Clone + Send + Sync>() {}
    send::<Vm>();
    shared::<Filter>();
    let filter = narrator().filter();
    let logs: Vec<_> = std::thread::scope(|scope| {
        let run = || filter.start(PluginOptions::default()).unwrap().take_logs();
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(logs[0], logs[1]);
}
