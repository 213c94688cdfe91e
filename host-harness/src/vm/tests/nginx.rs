//! The host as nginx: each row of [`HostProfile`]'s table that a guest can notice.

use super::*;

const ADDRESS: &str = "127.0.0.1:4318";

fn options() -> PluginOptions {
    PluginOptions {
        profile: HostProfile::Nginx,
        clusters: vec![ADDRESS.to_owned()],
        ..PluginOptions::default()
    }
}

fn script() -> Script {
    Script::new().without(&["proxy_get_header_map_size", "proxy_get_buffer_status"])
}

fn trap(ended: Result<(), VmError>) -> String {
    match ended {
        Err(VmError::Trap { cause, .. }) => cause,
        other => panic!("no trap but {other:?}"),
    }
}

#[test]
fn a_guest_that_imports_what_nginx_has_not_does_not_load() {
    match Script::new().filter().start(options()) {
        Err(VmError::UnknownImport { name, .. }) => assert_eq!(name, "proxy_get_buffer_status"),
        other => panic!("{other:?}"),
    }
    assert!(Script::new().filter().start(PluginOptions::default()).is_ok(), "Envoy has it");
}

#[test]
fn what_is_not_implemented_traps_when_called() {
    let calls = [
        "get_log_level 64",
        "done",
        "close_stream 0",
        "grpc_call 'c' 's' 'm' 0 0 'x' 0 72",
        "grpc_stream 'c' 's' 'm' 0 0 72",
        "grpc_send 1 0 0 1",
        "grpc_cancel 1",
        "grpc_close 1",
        "get_status 64 68 72",
        "resolve_shared_queue 'v' 'q' 64",
        "call_foreign_function 'f' 0 0 64 68",
    ];
    for call in calls {
        let script = script().on("tick", &[call]);
        let why = trap(script.start(options()).tick());
        let name = call.split(' ').next().unwrap();
        assert!(why.contains(name) && why.contains("not yet implemented"), "{call}: {why}");
        assert!(script.start(PluginOptions::default()).tick().is_ok(), "{call}: no trap in Envoy");
    }
}

#[test]
fn dispatch_goes_to_addresses_and_not_from_the_log() {
    let map = "'\\02\\00\\00\\00\\07\\00\\00\\00\\04\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00:method\\00POST\\00:path\\00/\\00'";
    let call = |upstream| format!("http_call '{upstream}' {map} 'body' 0 0 250 72");
    let (known, cluster) = (call(ADDRESS), call("otel_collector"));
    let lines = [known.as_str(), cluster.as_str()];
    let mut vm = script().on("tick", &lines).on("log", &lines).start(options());
    vm.tick().unwrap();
    let said = said(&mut vm);
    assert_eq!(said.first().map(String::as_str), Some("0"), "without :authority: {said:?}");
    assert_eq!(said.last().map(String::as_str), Some("10"), "{said:?}");
    assert_eq!(vm.take_calls().len(), 1);
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), true).unwrap();
    assert!(trap(vm.close_stream(stream)).contains("can only send HTTP dispatch"));
}

#[test]
fn gauges_are_recorded_and_counters_incremented() {
    let define = |kind| format!("define_metric {kind} 'm' 72");
    let rows = [
        (0, "increment_metric 4 L1", true, "a counter grows"),
        (0, "record_metric 4 L1", false, "a counter cannot be set"),
        (1, "increment_metric 5 L1", false, "a gauge cannot be incremented"),
        (1, "record_metric 5 L1", true, "a gauge is set"),
        (2, "record_metric 6 L1", true, "a histogram takes values"),
        (0, "increment_metric 400 L1", false, "there is no such metric"),
    ];
    for (kind, line, is_fine, reason) in rows {
        let mut vm = script().on("tick", &[&define(kind), line]).start(options());
        assert_eq!(vm.tick().is_ok(), is_fine, "{reason}");
    }
}

#[test]
fn the_tick_period_is_set_once() {
    let twice = ["set_tick_period_milliseconds 100", "set_tick_period_milliseconds 100"];
    let mut vm = script().on("tick", &twice).start(options());
    assert!(trap(vm.tick()).contains("tick_period already set"));
}

#[test]
fn callbacks_come_in_nginxs_order_and_the_plugins_end_is_not_told() {
    let mut told = script();
    for callback in ["vm_start", "configure", "request_headers", "response_trailers", "log", "done", "delete"]
    {
        told = told.on(callback, &[&format!("say '{callback}'")]);
    }
    let mut vm = told.start(options());
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), true).unwrap();
    vm.response_headers(stream, HeaderMap::from_pairs([(":status", "200")]), false).unwrap();
    vm.response_trailers(stream, HeaderMap::from_pairs([("grpc-status", "0")])).unwrap();
    vm.close_stream(stream).unwrap();
    assert_eq!(said(&mut vm), ["configure", "vm_start", "request_headers", "done", "log", "delete"]);
    assert!(vm.finish().unwrap());
    assert!(said(&mut vm).is_empty());
}

#[test]
fn the_head_is_shown_with_nginxs_names_and_never_ends_the_stream() {
    let is_end = "(i32.store8 (i32.const 82) (i32.add (local.get 2) (i32.const 48)))";
    let say = "(drop (call $proxy_log (i32.const 2) (i32.const 82) (i32.const 1)))";
    let read = |name| [format!("get_header_map_value 0 '{name}' 64 68"), "show".to_owned()];
    let lines: Vec<String> = [":authority", "host", "traceparent"].into_iter().flat_map(read).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.extend([
        is_end,
        say,
        "add_header_map_value 0 'X-New' '1'",
        "remove_header_map_value 0 'traceparent'",
    ]);
    let mut vm = script().on("request_headers", &lines).start(options());
    let stream = vm.open_stream().unwrap();
    let sent = [(":method", "GET"), (":authority", "web:80"), ("Traceparent", "t"), ("dotted.name", "1")];
    vm.request_headers(stream, HeaderMap::from_pairs(sent), true).unwrap();
    assert_eq!(said(&mut vm), ["0", crate::host::NGINX_AUTHORITY, "0", "web:80", "0", "t", "0", "0", "0"]);
    let onward = [(":method", "GET"), (":authority", "web:80"), ("X-New", "1")];
    assert_eq!(vm.onward_request(stream), HeaderMap::from_pairs(onward), "as written");
    let removed = HeaderMap::from_pairs([("traceparent", "t")]);
    assert_eq!(*vm.removed_request_headers(stream), removed);
}

#[test]
fn maps_are_cut_and_can_be_read_later_and_absent_ones_are_refused() {
    let lines = [
        "get_header_map_pairs 0 64 68",
        "(drop (call $proxy_log (i32.const 2) (i32.load (i32.const 64)) (i32.const 1)))",
        "get_header_map_pairs 3 64 68",
    ];
    let mut vm = script().on("response_headers", &lines).start(options());
    let stream = vm.open_stream().unwrap();
    let many = (0..150).map(|number| (format!("h{number}"), "v"));
    vm.request_headers(stream, HeaderMap::from_pairs(many), true).unwrap();
    vm.response_headers(stream, HeaderMap::from_pairs([(":status", "200")]), true).unwrap();
    assert_eq!(said(&mut vm), ["0", "d", "2"], "100 of 150 pairs, and no trailers");
}

#[test]
fn properties_are_text_and_each_miss_is_an_error_line() {
    let lines = [
        "get_property 'response\\00code' 64 68",
        "show",
        "get_property 'request\\00duration' 64 68",
        "show",
        "get_property 'source\\00address' 64 68",
        "show",
        "get_property 'ngx\\00nginx_version' 64 68",
        "show",
        "get_property 'xds\\00listener_direction' 64 68",
        "get_property 'xds\\00listener_direction' 64 68",
    ];
    let direction = (vec!["xds".to_owned(), "listener_direction".to_owned()], PropertyValue::Int(1));
    let mut vm = script()
        .on("response_headers", &lines)
        .on("tick", &["get_property 'ngx\\00nginx_version' 64 68"])
        .start(PluginOptions { properties: vec![direction], ..options() });
    let stream = vm.open_stream().unwrap();
    vm.set_property(stream, &["request", "duration"], PropertyValue::Duration(Duration::from_millis(1_013)));
    vm.set_property(stream, &["source", "address"], PropertyValue::Bytes(b"10.0.0.7:4321".to_vec()));
    vm.request_headers(stream, headers(), true).unwrap();
    vm.response_headers(stream, HeaderMap::from_pairs([(":status", "503")]), true).unwrap();
    let version = crate::host::NGINX_VERSION;
    let miss = "host: property \"xds.listener_direction\" not found";
    let expected = ["0", "503", "0", "1.013", "0", "10.0.0.7", "0", version, miss, "1", miss, "1"];
    assert_eq!(said(&mut vm), expected);
    vm.tick().unwrap();
    assert_eq!(said(&mut vm), ["host: property \"ngx.nginx_version\" not found", "1"], "outside a request");
}

#[test]
fn the_environment_is_empty() {
    let lines = [
        "environ_sizes_get 64 68",
        "(i32.store8 (i32.const 64) (i32.add (i32.load8_u (i32.const 64)) (i32.const 48)))",
        "(drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 1)))",
    ];
    let environment = vec![("OTEL_SERVICE_NAME".to_owned(), "web".to_owned())];
    for (profile, expected) in [(HostProfile::Envoy, "1"), (HostProfile::Nginx, "0")] {
        let options = PluginOptions { profile, environment: environment.clone(), ..options() };
        let mut vm = script().on("tick", &lines).start(options);
        vm.tick().unwrap();
        assert_eq!(said(&mut vm), ["0", expected], "{profile:?}");
    }
}
